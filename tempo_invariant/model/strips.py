"""Embedding all snippets of a strip at once: what neighbours have in common is computed once.

Neighbouring snippets overlap by seven eighths. The first two blocks of the sheet encoder run over
the whole strip, so that a snippet sees there what lies beside it where alone it would see nothing.
The next two run over it, too, but the ends of a snippet are its own again, and all is as if it were
alone: every convolution reaches a column farther into it from both ends, and only these columns are
computed for each snippet.
"""

from typing import NamedTuple

import keras
import tensorflow as tf

from tempo_invariant import geometry
from tempo_invariant.model.saved_model import halve

_WHOLE = 2
"""Blocks that run over the whole strip with nothing but it."""

_SHARED = 4
"""Blocks that run over the whole strip; the farther, the less neighbours have in common."""

_WIDTH = geometry.SHEET_WIDTH // 2**_WHOLE
"""Columns of a snippet after the first blocks."""


class _Maps(NamedTuple):
    """Maps of the snippets of a strip.

    Attributes:
        strip: Maps of the strip, [phases, rows, columns, channels]. A pooling joins every column
            with its left or with its right neighbour: of every pooling there are both phases.
        starts: First column of every snippet, where the phases lie side by side, int32 [snippets].
        width: Number of columns of a snippet.
        left: First columns of every snippet that are not those of the strip,
            [snippets, rows, columns, channels].
        right: Likewise the last columns.
    """

    strip: tf.Tensor
    starts: tf.Tensor
    width: int
    left: tf.Tensor
    right: tf.Tensor

    @property
    def inner(self) -> tuple[int, int]:
        """First column of a snippet, and end of the columns, that are those of the strip."""
        return self.left.shape[2], self.width - self.right.shape[2]

    def columns(self, first: int, end: int) -> tf.Tensor:
        """Returns some columns of every snippet, [snippets, rows, columns, channels]."""
        begin, stop = self.inner
        columns = tf.range(max(first, begin), min(end, stop))
        side_by_side = tf.concat(tf.unstack(self.strip), axis=1)
        shared = tf.gather(side_by_side, self.starts[:, None] + columns, axis=1)
        left = self.left[:, :, first:end]
        right = self.right[:, :, max(first - stop, 0) : max(end - stop, 0)]
        return tf.concat([left, tf.transpose(shared, [1, 0, 2, 3]), right], axis=2)


def can_share(model: keras.Model) -> bool:
    """Tells whether a model's sheet encoder is of the published kind, with three blocks or more."""
    names = {layer.name for layer in model.layers}
    other = {"sheet_conv1_3", "sheet_conv1_1_elu"}  # more convolutions, another order
    return f"sheet_pool{_WHOLE + 1}" in names and not names & other


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
        image = tf.cast(halve(strip[None]), tf.float32)[..., None] / 255
        for block in range(1, _WHOLE + 1):
            image = self._pool(self._convolve_twice(image, block), block)
        starts = tf.range(0, tf.shape(image)[2] - _WIDTH + 1, step)
        no_columns = tf.zeros([tf.size(starts), image.shape[1], 0, image.shape[3]])
        maps = _Maps(image, starts, _WIDTH, no_columns, no_columns)
        last = min(_SHARED, self._blocks)
        for block in range(_WHOLE + 1, last + 1):
            maps = self._convolve_snippets(self._convolve_snippets(maps, block, 1), block, 2)
            if block < last:
                maps = self._pool_snippets(maps, block)
        image = self._pool(maps.columns(0, maps.width), last)
        for block in range(last + 1, self._blocks + 1):
            image = self._pool(self._convolve_twice(image, block), block)
        image = self._layer("sheet_channels_norm")(self._layer("sheet_channels")(image))
        features = self._layer("sheet_features")(tf.reshape(image, [tf.size(starts), -1]))
        return self._layer("projection")(features, view="sheet")

    def _convolve_snippets(self, maps: _Maps, block: int, number: int) -> _Maps:
        """Convolves: one column more is a snippet's own at its left end, and at its right end."""
        begin, end = maps.inner
        return maps._replace(
            strip=self._convolve(maps.strip, block, number),
            left=self._convolve(maps.columns(0, begin + 2), block, number, (1, 0)),
            right=self._convolve(maps.columns(end - 2, maps.width), block, number, (0, 1)),
        )

    def _pool_snippets(self, maps: _Maps, block: int) -> _Maps:
        """Pools both phases of the strip, and the ends of the snippets."""
        begin, end = maps.inner
        phases, _, columns, _ = tf.unstack(tf.shape(maps.strip))
        phase, column = maps.starts // columns, maps.starts % columns
        moved = tf.concat([maps.strip[:, :, 1:], maps.strip[:, :, -1:]], axis=2)
        return _Maps(
            strip=self._pool(tf.concat([maps.strip, moved], axis=0), block),
            starts=(column % 2 * phases + phase) * (columns // 2) + column // 2,
            width=maps.width // 2,
            left=self._pool(maps.columns(0, begin + begin % 2), block),
            right=self._pool(maps.columns(end - end % 2, maps.width), block),
        )

    def _convolve_twice(self, image: tf.Tensor, block: int) -> tf.Tensor:
        return self._convolve(self._convolve(image, block, 1), block, 2)

    def _convolve(
        self, image: tf.Tensor, block: int, number: int, sides: tuple[int, int] = (1, 1)
    ) -> tf.Tensor:
        """Convolves and normalises, with so many columns of zeros at the left and the right."""
        layer = self._layer(f"sheet_conv{block}_{number}")
        padding = ((0, 0), (1, 1), sides, (0, 0))
        convolved = tf.nn.bias_add(tf.nn.conv2d(image, layer.kernel, 1, padding), layer.bias)
        return self._layer(f"sheet_conv{block}_{number}_norm")(layer.activation(convolved))

    def _pool(self, image: tf.Tensor, block: int) -> tf.Tensor:
        return self._layer(f"sheet_pool{block}")(image)
