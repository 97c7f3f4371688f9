"""What a model can do whose layers are at hand: embed together what overlaps."""

from typing import Any

import numpy as np

from tempo_invariant.geometry import PAPER, SNIPPET_WIDTH, STRIP_STEP, STRIP_UNIT

STRIP_BATCH = 4
"""Strips hold a multiple of so many snippets, since for every new width the computation is
prepared."""


class RunLayers:
    """The layers of a model, of a training run say.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it.

    Attributes:
        shares_strips: Whether it can embed the snippets of a strip together.
    """

    def __init__(self, model: Any):
        from tempo_invariant.model.strips import StripEncoder, can_share
        from tempo_invariant.model.unfinished import UnfinishedEncoder

        self.shares_strips = can_share(model)
        self._strip = StripEncoder(model) if self.shares_strips else None
        self._unfinished = UnfinishedEncoder(model)

    def embed_strip(self, strip: np.ndarray) -> np.ndarray:
        """Embeds the snippets of a strip uint8 [160, columns], `STRIP_STEP` columns apart."""
        import tensorflow as tf

        assert self._strip is not None
        count = (strip.shape[1] - SNIPPET_WIDTH) // STRIP_STEP + 1
        padding = [(0, 0), (0, -count % STRIP_BATCH * STRIP_STEP)]
        padded = np.pad(strip, padding, constant_values=PAPER)
        step = tf.constant(STRIP_STEP // STRIP_UNIT)
        return self._strip(tf.constant(padded), step).numpy()[:count]

    def embed_unfinished(self, sounds: np.ndarray, behind: tuple[int, ...]) -> np.ndarray:
        """See `unfinished.embed_unfinished`."""
        import tensorflow as tf

        return self._unfinished(tf.constant(sounds), behind).numpy()
