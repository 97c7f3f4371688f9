"""Variations of how a page lies: snippets that are turned, bent, and of an uneven scale.

Pure functions of a batch and of random numbers, in TensorFlow, for `tf.data`. All of it, with the
scale and the shift of every snippet, is one gather.
"""

import math

import numpy as np
import tensorflow as tf

from tempo_invariant.variations import Augmentation


def lie(
    column: tf.Tensor, row: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws how snippets lie: turned, bent, and of a scale that changes along the staff.

    Args:
        column: Distance of every column from the middle, in pixels of the strip, float32
            `[batch, columns]`.
        row: Distance of every row, `[batch, rows]`.
        augmentation: Variations, and how far they go.
        seed: Two integers.

    Returns:
        Distances of every pixel's place in the strip from the middle, along it and down, float32
        `[batch, rows, columns]` each.
    """
    seeds = iter(tf.unstack(tf.random.experimental.stateless_split(seed, 5)))

    def uniform(reach: float) -> tf.Tensor:
        drawn = tf.random.stateless_uniform([column.shape[0]], next(seeds), -reach, reach)
        return drawn[:, None, None]

    angle = uniform(math.radians(augmentation.skew_degrees))
    wider, taller = uniform(augmentation.uneven_scale), uniform(augmentation.uneven_scale)
    # Half for either polynomial, which are at most 1, and half because of the resolution.
    sag, wave = uniform(augmentation.bend_pixels / 4), uniform(augmentation.bend_pixels / 4)
    x, y = column[:, None, :], row[:, :, None]
    along = np.linspace(-1, 1, column.shape[1], dtype=np.float32)
    bent = sag * (1.5 * along**2 - 0.5) + wave * (2.5 * along**3 - 1.5 * along)
    x, y = x * (1 + 0.5 * wider * along), y * (1 + taller * along) + bent
    return x * tf.cos(angle) - y * tf.sin(angle), x * tf.sin(angle) + y * tf.cos(angle)


def reach(columns: int, rows: int, augmentation: Augmentation) -> float:
    """Returns how far from the middle the columns of the strip are that `lie` may ask for.

    Args:
        columns: Columns of a snippet.
        rows: Rows of a snippet.
        augmentation: Variations; its scale is not among them.
    """
    down = rows / 2 * (1 + augmentation.uneven_scale) + augmentation.bend_pixels / 2
    turned = down * math.sin(math.radians(augmentation.skew_degrees))
    return columns / 2 * (1 + augmentation.uneven_scale / 2) + turned


@tf.function(jit_compile=True)
def resample(window: tf.Tensor, column: tf.Tensor, row: tf.Tensor) -> tf.Tensor:
    """Interpolates bilinearly at any places; those outside take the nearest pixel.

    Args:
        window: Pixels, uint8 `[batch, columns, rows]`.
        column: Columns of the places, float32 `[batch, ...]`.
        row: Rows of the places, of the same shape.

    Returns:
        Float32 of the shape of the places.
    """
    batch, columns, rows = window.shape
    column = tf.clip_by_value(column, 0.0, columns - 1.0)
    row = tf.clip_by_value(row, 0.0, rows - 1.0)
    left = tf.minimum(tf.floor(column), columns - 2.0)
    top = tf.minimum(tf.floor(row), rows - 2.0)
    first = tf.reshape(tf.range(batch), [batch] + [1] * (len(column.shape) - 1)) * (columns * rows)
    index = first + tf.cast(left, tf.int32) * rows + tf.cast(top, tf.int32)
    pixels = tf.reshape(tf.pad(window, [[0, 1], [0, 0], [0, 0]]), [-1])
    # Four neighbours in a row: a single gather is a third of the work of four.
    every = batch * columns * rows
    square = [pixels[step : step + every, None] for step in (0, rows, 1, rows + 1)]
    corners = tf.cast(tf.gather(tf.concat(square, axis=1), index), tf.float32)
    one, two, three, four = (corners[..., corner] for corner in range(4))
    upper = one + (column - left) * (two - one)
    lower = three + (column - left) * (four - three)
    return upper + (row - top) * (lower - upper)
