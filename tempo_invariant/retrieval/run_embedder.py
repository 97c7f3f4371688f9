"""A training run as a model: what overlaps is embedded together."""

import os
from typing import Any

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import PAPER, SNIPPET_WIDTH, STRIP_STEP, STRIP_UNIT
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval.embedders import GraphEmbedder
from tempo_invariant.scores.strips import rejoin

STRIP_BATCH = 4
MOST_OF_STRIP = 64
"""Strips hold a multiple of so many snippets, since for every new width the computation is
prepared, and at most so many, which bounds the memory."""


class RunEmbedder(GraphEmbedder):
    """A model in this process whose layers are at hand.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it.
        signatures: Functions of a tensor by name, see `tempo_invariant.model.saved_model`.
        name: Description of the model in words.
    """

    def __init__(self, model: Any, signatures: Any, name: str):
        from tempo_invariant.model.strips import StripEncoder, can_share
        from tempo_invariant.model.unfinished import UnfinishedEncoder

        super().__init__(signatures, name)
        self._strip = StripEncoder(model) if can_share(model) else None
        self._unfinished = UnfinishedEncoder(model)

    def embed_neighbours(self, snippets: np.ndarray) -> np.ndarray:
        """See `embedders.embed_neighbours`."""
        if self._strip is None:
            return self.embed_sheet(snippets)
        parts = [np.zeros((0, self.size), np.float32)]
        for run in rejoin(snippets, STRIP_STEP, MOST_OF_STRIP):
            parts.append(self.embed_sheet(run) if run.ndim == 3 else _embed_strip(self._strip, run))
        return np.concatenate(parts)

    def embed_unfinished(self, sounds: np.ndarray, behind: tuple[int, ...]) -> np.ndarray:
        """See `unfinished.embed_unfinished`."""
        import tensorflow as tf

        return self._unfinished(tf.constant(sounds), behind).numpy()


def _embed_strip(embed: Any, strip: np.ndarray) -> np.ndarray:
    """Embeds the snippets of a strip [160, columns], `STRIP_STEP` columns apart."""
    import tensorflow as tf

    count = (strip.shape[1] - SNIPPET_WIDTH) // STRIP_STEP + 1
    padding = [(0, 0), (0, -count % STRIP_BATCH * STRIP_STEP)]
    padded = np.pad(strip, padding, constant_values=PAPER)
    return embed(tf.constant(padded), tf.constant(STRIP_STEP // STRIP_UNIT)).numpy()[:count]


def open_run(run: str, weights: str | None = None) -> RunEmbedder:
    """Opens a training run.

    Args:
        run: Its directory.
        weights: Its weights, see `tempo_invariant.model.runs.weights_path`.

    Raises:
        UserError: It cannot be used.
    """
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError("an index needs the TensorFlow backend: unset KERAS_BACKEND")
    from tempo_invariant.model import runs, saved_model

    chosen = runs.weights_path(run, weights)
    model = runs.load_model(run, weights)
    experiment = runs.load_experiment(run)
    signatures_of_model: dict[str, Any] = dict(
        saved_model.make_signatures(model, experiment.model.staves, experiment.knows_present)
    )
    signatures = {
        name: function.get_concrete_function()
        for name, function in signatures_of_model.items()
        if name != "embed_audio_file"
    }
    label = pretrained.label(run)
    name = label if label != run else f"the run {run} ({chosen.name})"
    return RunEmbedder(model, signatures, name)
