"""Embedding all snippets of a strip at once: what neighbours have in common is computed once.

Neighbouring snippets overlap by seven eighths. The first blocks of the sheet encoder run over the
whole strip, so that a snippet sees there what lies beside it where alone it would see nothing; from
the third block on, its ends are its own again, and all is as if it were alone.
"""

import keras
import tensorflow as tf

from tempo_invariant import geometry
from tempo_invariant.model.saved_model import halve

_SHARED = 2
"""Blocks that run over the whole strip with nothing but it."""

_WIDTH = geometry.SHEET_WIDTH // 2**_SHARED
"""Columns of a snippet after these."""

_EDGES = (4, 5)
"""Columns at the left and the right end of a snippet of which the ends of the next block are made:
its two convolutions see two columns farther, and its pooling joins an even column and the next."""


def can_share(model: keras.Model) -> bool:
    """Tells whether a model's sheet encoder is of the published kind, with three blocks or more."""
    names = {layer.name for layer in model.layers}
    return f"sheet_pool{_SHARED + 1}" in names


class StripEncoder:
    """Embeds the snippets of strips.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it, which `can_share`.
    """

    def __init__(self, model: keras.Model) -> None:
        self._layer = model.get_layer
        names = {layer.name for layer in model.layers}
        self._blocks = sum(f"sheet_pool{k}" in names for k in range(1, len(names)))

    @tf.function(
        input_signature=[
            tf.TensorSpec([geometry.SNIPPET_HEIGHT, None], tf.uint8),
            tf.TensorSpec([], tf.int32),
        ]
    )
    def __call__(self, strip: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
        """Embeds the snippets that begin at every `step` units of a strip.

        Args:
            strip: Grey values uint8 [160, columns], at least a snippet wide.
            step: Distance of snippets in `geometry.STRIP_UNIT`.

        Returns:
            Embeddings float32 [snippets, size].
        """
        maps = tf.cast(halve(strip[None]), tf.float32)[..., None] / 255
        for block in range(1, _SHARED + 1):
            maps = self._pooled(self._convolved(maps, block), block)
        count = (tf.shape(maps)[2] - _WIDTH) // step + 1
        maps = self._third_block(maps, step * tf.range(count))
        for block in range(_SHARED + 2, self._blocks + 1):
            maps = self._pooled(self._convolved(maps, block), block)
        maps = self._layer("sheet_channels_norm")(self._layer("sheet_channels")(maps))
        features = self._layer("sheet_features")(tf.reshape(maps, [count, -1]))
        return self._layer("projection")(features, view="sheet")

    def _third_block(self, maps: tf.Tensor, starts: tf.Tensor) -> tf.Tensor:
        """Returns the next block's output for the snippets that begin at columns of `maps`.

        Args:
            maps: Maps of one strip, [1, rows, columns, channels].
            starts: First columns of the snippets, int32 [snippets].

        Returns:
            [snippets, rows / 2, columns of a snippet / 2, channels].
        """
        block = _SHARED + 1
        columns = _WIDTH // 2
        left, right = _EDGES
        first = self._pooled(self._convolved(_cut(maps, starts, left), block)[:, :, :2], block)
        end = _cut(maps, starts + _WIDTH - right, right)
        last = self._pooled(self._convolved(end, block)[:, :, 2:4], block)
        inner = _cut(self._convolved(maps, block), starts + 2, 2 * (columns - 2))
        return tf.concat([first, self._pooled(inner, block), last], axis=2)

    def _convolved(self, maps: tf.Tensor, block: int) -> tf.Tensor:
        for step in (1, 2):
            maps = self._layer(f"sheet_conv{block}_{step}")(maps)
            maps = self._layer(f"sheet_conv{block}_{step}_norm")(maps, training=False)
        return maps

    def _pooled(self, maps: tf.Tensor, block: int) -> tf.Tensor:
        return self._layer(f"sheet_pool{block}")(maps)


def _cut(maps: tf.Tensor, starts: tf.Tensor, width: int) -> tf.Tensor:
    """Cuts columns out of [1, rows, columns, channels]: [starts, rows, width, channels]."""
    cut = tf.gather(maps[0], starts[:, None] + tf.range(width), axis=1)
    return tf.transpose(cut, [1, 0, 2, 3])
