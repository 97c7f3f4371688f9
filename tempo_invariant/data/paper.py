"""Variations of how a snippet of a page was printed, and of what became of it.

Pure functions of a batch and of random numbers, in TensorFlow, for `tf.data`, as the variations of
sound are in `tempo_invariant.data.augmentation`. Snippets are small and many, so everything is
made of a few shifted copies and small matrices. Tests of robustness damage whole pages by other
means (`tempo_invariant.scores.degradation` and `warping`).

Ink is float32 `[batch, rows, columns]` from 0 (paper) to 1 (black), light from 0 (black) to 1.
"""

import math

import numpy as np
import tensorflow as tf

from tempo_invariant.variations import Augmentation

FADING_CELL = 3.0
"""Distance in pixels of the random values between which ink fades smoothly: half a staff space."""

STROKE_PIXELS = (4.0, 40.0)
"""Half lengths of handwritten strokes, from a dot's to a slur's."""

COLOUR_CELL = 10
"""Side in pixels of the squares within which the notes have one colour."""

BLOCK = 4
"""Side of the blocks of JPEG, 8 pixels, at half resolution."""

_NOISE_POOL = 4

_compiled = tf.function(jit_compile=True)
"""Compiles one kind of wear. XLA computes again what several neighbours need, so that all kinds in
one are six times as slow."""


def wear(sheet: tf.Tensor, augmentation: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """Wears every snippet in its own way: each kind of wear is on half of them.

    Args:
        sheet: Grey levels from 0 (black) to 255, float32 `[batch, rows, columns]`.
        augmentation: Variations, and how far they go.
        seed: Two integers; the same ones give the same wear.

    Returns:
        float32 `[batch, rows, columns]`, grey levels.
    """
    batch, rows, columns = sheet.shape
    return _worn(sheet, _draws(augmentation, batch, rows, columns, seed))


def _draws(
    augmentation: Augmentation, batch: int, rows: int, columns: int, seed: tf.Tensor
) -> dict[str, tuple]:
    """Draws how much each snippet is worn, by the name of the wear."""
    seeds = iter(tf.unstack(tf.random.experimental.stateless_split(seed, 18)))

    def uniform(low: float, high: float, *shape: int) -> tf.Tensor:
        return tf.random.stateless_uniform([batch, *shape], next(seeds), low, high)

    def some(most: float) -> tf.Tensor:
        """Returns numbers up to `most`, half of them 0."""
        return tf.nn.relu(uniform(-most, most))

    draws: dict[str, tuple] = {}
    if augmentation.ink_spread:
        draws["spread"] = (uniform(-1.0, 1.0) * some(augmentation.ink_spread),)
    if augmentation.faded_ink:
        knots = [math.ceil(side / FADING_CELL) + 1 for side in (rows, columns)]
        field = tf.random.stateless_normal([batch, *knots], next(seeds))
        draws["fade"] = field, some(augmentation.faded_ink)
    if augmentation.note_colour:
        cells = [math.ceil(side / COLOUR_CELL) for side in (rows, columns)]
        draws["colour"] = uniform(0.0, 1.0, *cells), some(augmentation.note_colour)
    if augmentation.handwriting:
        draws["write"] = (uniform(0.0, 1.0, augmentation.handwriting, 7),)
    if augmentation.bleed_through:
        draws["bleed"] = (some(augmentation.bleed_through),)
    if augmentation.blur:
        draws["blur"] = some(augmentation.blur), some(augmentation.blur)
    if augmentation.grey_paper:
        draws["grey"] = some(augmentation.grey_paper), some(augmentation.grey_paper)
    if augmentation.shadow:
        draws["shade"] = some(augmentation.shadow), uniform(0.0, 1.0, 3)
    if augmentation.grain:
        pool = tf.random.stateless_normal([_NOISE_POOL * rows, columns], next(seeds))
        first = uniform(0.0, (_NOISE_POOL - 1.0) * rows)
        places = tf.cast(first, tf.int32)[:, None] + tf.range(rows)
        draws["grain"] = tf.gather(pool, places), some(augmentation.grain / 255)
    if augmentation.jpeg:
        draws["jpeg"] = (some(augmentation.jpeg / 255),)
    return draws


def _worn(sheet: tf.Tensor, draws: dict[str, tuple]) -> tf.Tensor:
    """Applies the draws, in the order in which press, time, light, lens and file act."""
    ink = 1.0 - sheet * (1 / 255)
    if "spread" in draws:
        ink = spread(ink, *draws["spread"])
    if "colour" in draws:
        ink = colour(ink, *draws["colour"])
    if "fade" in draws:
        ink = fade(ink, *draws["fade"])
    other_side = ink
    if "write" in draws:
        ink = write(ink, *draws["write"])
    if "bleed" in draws:
        ink = bleed(ink, other_side, *draws["bleed"])
    light = print_on(ink, *draws["grey"]) if "grey" in draws else 1.0 - ink
    if "shade" in draws:
        light = shade(light, *draws["shade"])
    if "blur" in draws:
        light = blur(light, *draws["blur"])
    if "grain" in draws:
        noise, deviation = draws["grain"]
        light += deviation[:, None, None] * noise
    if "jpeg" in draws:
        light = compress(light, *draws["jpeg"])
    return 255.0 * tf.clip_by_value(light, 0.0, 1.0)


def _beside(values: tf.Tensor) -> list[tf.Tensor]:
    """Returns every pixel's neighbours above, below, left and right; beyond an edge, its own."""
    return [
        tf.concat([values[:, :1], values[:, :-1]], axis=1),
        tf.concat([values[:, 1:], values[:, -1:]], axis=1),
        tf.concat([values[:, :, :1], values[:, :, :-1]], axis=2),
        tf.concat([values[:, :, 1:], values[:, :, -1:]], axis=2),
    ]


def _thick(ink: tf.Tensor) -> tf.Tensor:
    above, below, left, right = _beside(ink)
    return tf.maximum(tf.maximum(tf.maximum(above, below), tf.maximum(left, right)), ink)


def _thin(ink: tf.Tensor) -> tf.Tensor:
    return 1.0 - _thick(1.0 - ink)


@_compiled
def spread(ink: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Lets ink spread by a pixel to all four sides (1) or wear off by one (-1), or a part of it.

    Args:
        ink: Ink.
        amount: Numbers from -1 to 1, `[batch]`.
    """
    amount = amount[:, None, None]
    return ink + tf.nn.relu(amount) * (_thick(ink) - ink) + tf.nn.relu(-amount) * (_thin(ink) - ink)


@_compiled
def colour(ink: tf.Tensor, shades: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Prints the heads of notes in paler colours, those in a square of the page in one.

    Heads are what is left of the ink when a pixel is taken off all around and put on again.

    Args:
        ink: Ink.
        shades: Paleness in each square, from 0 to 1, `[batch, rows, columns]` in squares.
        amount: Paleness of the palest ones, from 0 to 1, `[batch]`.
    """
    heads = tf.minimum(_thick(_thin(ink)), ink)
    square = [
        (np.arange(side)[:, None] // COLOUR_CELL == np.arange(squares)).astype(np.float32)
        for side, squares in zip(ink.shape[1:], shades.shape[1:], strict=True)
    ]
    pale = tf.matmul(tf.matmul(square[0], shades), square[1].T)
    return ink * (1.0 - amount[:, None, None] * pale * heads)


@_compiled
def fade(ink: tf.Tensor, field: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Takes ink off in patches, so that the thinnest lines break first.

    Args:
        ink: Ink.
        field: Normal random numbers that stand `FADING_CELL` pixels apart, `[batch, rows,
            columns]` of them; between them the loss of ink is interpolated. Where the field is
            negative, none is lost.
        amount: Loss of ink at a field of 1, `[batch]`.
    """
    near = [
        np.maximum(1 - abs(np.arange(side)[:, None] / FADING_CELL - np.arange(knots)), 0)
        for side, knots in zip(ink.shape[1:], field.shape[1:], strict=True)
    ]
    rows, columns = (weights.astype(np.float32) for weights in near)
    field = tf.matmul(tf.matmul(rows, field), columns.T)
    return tf.nn.relu(ink - amount[:, None, None] * tf.nn.relu(field))


@_compiled
def write(ink: tf.Tensor, strokes: tf.Tensor) -> tf.Tensor:
    """Writes strokes by hand, each a piece of a parabola.

    Args:
        ink: Ink.
        strokes: Uniform random numbers from 0 to 1, `[batch, strokes, 7]`: column and row of the
            middle, direction, length, curvature, width (half a pixel to two) and darkness. The
            paler half of the strokes is not there.
    """
    rows, columns = ink.shape[1:]
    shortest, longest = STROKE_PIXELS
    x, y = np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32)[:, None]
    paper = 1.0 - ink
    for number in range(strokes.shape[1]):
        middle, height, turn, size, bend, width, dark = (
            strokes[:, number, index, None, None] for index in range(7)
        )
        right, down = x - columns * middle, y - rows * height
        cosine, sine = tf.cos(2 * math.pi * turn), tf.sin(2 * math.pi * turn)
        along, across = cosine * right + sine * down, cosine * down - sine * right
        half = shortest * tf.pow(longest / shortest, size)
        curvature = (2 * bend - 1.0) / half
        distance = abs(across - curvature * tf.square(along))
        distance /= tf.sqrt(1.0 + tf.square(2 * curvature * along))
        stroke = tf.clip_by_value(0.75 + 0.75 * width - distance, 0.0, 1.0)
        stroke *= tf.clip_by_value(half + 0.5 - abs(along), 0.0, 1.0)
        paper *= 1.0 - tf.nn.relu(2 * dark - 1.0) * stroke
    return 1.0 - paper


@_compiled
def bleed(ink: tf.Tensor, other: tf.Tensor, amount: tf.Tensor) -> tf.Tensor:
    """Lets what is printed on the back shine through: the next snippet of the batch, mirrored.

    Args:
        ink: Ink of the front.
        other: Printed ink of all snippets.
        amount: Share of the ink that shines through, from 0 to 1, `[batch]`.
    """
    back = tf.concat([other[1:], other[:1]], axis=0)[:, :, ::-1]
    back = 0.2 * (back + sum(_beside(back)))
    return 1.0 - (1.0 - ink) * (1.0 - amount[:, None, None] * back)


@_compiled
def print_on(ink: tf.Tensor, grey: tf.Tensor, pale: tf.Tensor) -> tf.Tensor:
    """Returns the light of ink on paper.

    Args:
        ink: Ink.
        grey: Share of the light that the paper lacks, `[batch]`.
        pale: Share of the paper's light that black ink reflects, `[batch]`.
    """
    return (1.0 - grey[:, None, None]) * (1.0 - (1.0 - pale[:, None, None]) * ink)


@_compiled
def shade(light: tf.Tensor, amount: tf.Tensor, place: tf.Tensor) -> tf.Tensor:
    """Casts a shadow with a soft edge, as a fold, a hand or a lamp at one side does.

    Args:
        light: Light.
        amount: Share of the light that is missing in the shadow, `[batch]`.
        place: Uniform random numbers from 0 to 1, `[batch, 3]`: direction in which it darkens,
            where it begins (from an edge to the middle) and how soft its edge is.
    """
    y, x = (np.linspace(-1, 1, side, dtype=np.float32) for side in light.shape[1:])
    direction, begin, soft = (place[:, index, None, None] for index in range(3))
    direction *= 2 * math.pi
    across = tf.cos(direction) * x + tf.sin(direction) * y[:, None]
    ramp = tf.clip_by_value((across + begin) / (0.2 + 1.8 * soft), 0.0, 1.0)
    return light * (1.0 - amount[:, None, None] * tf.square(ramp) * (3.0 - 2.0 * ramp))


@_compiled
def blur(light: tf.Tensor, coarse: tf.Tensor, soft: tf.Tensor) -> tf.Tensor:
    """Lowers the resolution, and then puts the picture out of focus.

    Args:
        light: Light; even numbers of rows and columns.
        coarse: Share, from 0 to 1, of a picture of half the resolution, `[batch]`.
        soft: Share of a mean of 3 x 3 pixels, `[batch]`.
    """
    batch, rows, columns = light.shape
    squares = tf.reshape(light, [batch, rows // 2, 2, columns // 2, 2])
    means = tf.reduce_mean(squares, axis=[2, 4], keepdims=True)
    squares += coarse[:, None, None, None, None] * (means - squares)
    light = tf.reshape(squares, [batch, rows, columns])
    above, below, _, _ = _beside(light)
    column_means = (above + light + below) * (1 / 3)
    _, _, left, right = _beside(column_means)
    return light + soft[:, None, None] * ((left + column_means + right) * (1 / 3) - light)


@_compiled
def compress(light: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
    """Rounds the frequencies of every block as JPEG does, the higher ones more.

    Args:
        light: Light; rows and columns are multiples of `BLOCK`.
        step: Step to which the mean of a block is rounded, `[batch]`.
    """
    batch, rows, columns = light.shape
    index = np.arange(BLOCK)
    cosines = np.cos(np.pi / BLOCK * (index + 0.5) * index[:, None]) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    cosines = cosines.astype(np.float32)
    blocks = tf.reshape(light, [batch, rows // BLOCK, BLOCK, columns // BLOCK, BLOCK])
    blocks = tf.transpose(blocks, [0, 1, 3, 2, 4])
    values = tf.matmul(tf.matmul(cosines, blocks), cosines.T)
    coarser = (BLOCK + 2.0 * (index + index[:, None])).astype(np.float32)
    steps = tf.maximum(step, 1e-4)[:, None, None, None, None] * coarser
    values = tf.floor(values / steps + 0.5) * steps
    blocks = tf.transpose(tf.matmul(tf.matmul(cosines.T, values), cosines), [0, 1, 3, 2, 4])
    return tf.reshape(blocks, [batch, rows, columns])
