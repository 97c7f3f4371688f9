"""Windows of strips and spectrograms, cut and varied a batch at a time.

A snippet is a gather of columns of a transposed strip, an excerpt a gather of frames; scale, shift
and stretch interpolate linearly between two such gathers.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tempo_invariant.data import bending, paper
from tempo_invariant.data.augmentation import silence_future, vary
from tempo_invariant.data.corpus import Corpus
from tempo_invariant.data.schema import STRIP_ROWS
from tempo_invariant.data.shards import RowSource
from tempo_invariant.geometry import (
    BANDS,
    FRAME_SIZE,
    FRAMES_PER_SECOND,
    REDUCTION,
    SAMPLE_RATE,
    SHEET_HEIGHT,
    SHEET_WIDTH,
)
from tempo_invariant.variations import Augmentation

_TOP = (STRIP_ROWS - SHEET_HEIGHT) // 2

ONSET_SEEN_FRAMES = 0.5 + FRAME_SIZE / 2 * FRAMES_PER_SECOND / SAMPLE_RATE
"""How many frames before its onset frame an onset is seen on average.

Onset frames are rounded up, by half a frame on average, and a frame shows its middle, half its size
after its start.
"""


@dataclass(frozen=True)
class Draw:
    """Random numbers of one step: each call has its own stream, fixed by seed and step."""

    seed: int
    step: tf.Tensor
    batch_size: int
    calls: list[None] = dataclasses.field(default_factory=list)

    def key(self) -> tf.Tensor:
        """Returns a seed of two integers for what draws by itself."""
        self.calls.append(None)
        stream = tf.cast(self.step, tf.int64) * 16 + len(self.calls)
        return tf.stack([tf.constant(self.seed, tf.int64), stream])

    def integers(self, low: int, high: tf.Tensor | int) -> tf.Tensor:
        """Returns int32 [batch] from low to high - 1, where high is a number or one per pair."""
        bits = tf.random.stateless_uniform([self.batch_size], self.key(), None, None, tf.int64)
        span = tf.cast(high, tf.int64) - low
        return tf.cast(tf.math.floormod(bits, span) + low, tf.int32)

    def uniform(self, low: float, high: float) -> tf.Tensor:
        """Returns float32 [batch] from low to high."""
        return tf.random.stateless_uniform([self.batch_size], self.key(), low, high)


def constant(array: np.ndarray) -> tf.Tensor:
    """Returns the array as a tensor in host memory."""
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(array)


Cutter = Callable[[tf.Tensor, Draw | None], dict[str, tf.Tensor]]
"""Function from indices of pairs `[batch]`, and the draw for them, to a batch."""


def make_cutter(corpus: Corpus, frames: int, augmentation: Augmentation) -> Cutter:
    """Returns the function that cuts the batches of a split; without a draw nothing varies.

    Args:
        corpus: Split to cut from.
        frames: Number of frames of an excerpt.
        augmentation: Ways in which pairs are varied.
    """
    record_of_pair = constant(corpus.pair_record)
    onset_of_pair = constant(corpus.pair_frame)
    centre_of_pair = constant(np.floor(corpus.pair_column / REDUCTION + 0.5).astype(np.int32))
    piece_of_record = constant(corpus.record_piece)
    inks, first_ink = constant(corpus.inks), constant(corpus.first_ink)
    before = _columns_before(augmentation)
    around = math.ceil((frames + 1) // 2 * augmentation.stretch) + 1

    def cut(index: tf.Tensor, draw: Draw | None) -> dict[str, tf.Tensor]:
        record, onset, centre = (
            tf.gather(of_pair, index) for of_pair in (record_of_pair, onset_of_pair, centre_of_pair)
        )
        piece = tf.gather(piece_of_record, record)
        strip = tf.gather(first_ink, piece)
        if draw is not None and augmentation.ink:
            strip += draw.integers(0, tf.gather(inks, piece))
        if draw is not None and augmentation.onset_frames:
            reach = augmentation.onset_frames
            onset += draw.integers(-reach, reach + 1)
        strips = corpus.strips.source(strip, centre - before, 2 * before)
        spectrograms = corpus.spectrograms.source(record, onset - around, 2 * around)
        sheet = cut_sheet(strips, centre, augmentation, draw)
        audio = cut_audio(spectrograms, onset, frames, augmentation, draw)
        size = None if draw is None else draw.batch_size
        return {
            "sheet": tf.ensure_shape(sheet, [size, SHEET_HEIGHT, SHEET_WIDTH]),
            "audio": tf.ensure_shape(audio, [size, BANDS, frames]),
        }

    return cut


def cut_sheet(
    strips: RowSource, centre: tf.Tensor, augmentation: Augmentation, draw: Draw | None
) -> tf.Tensor:
    """Cuts uint8 [batch, 80, 100] around half-resolution columns [batch] of strips.

    Scale, shift and distance of the staves resample bilinearly about the centre. Without them, the
    pixels are taken as they are.
    """
    if draw is None or not augmentation.varies_snippets:
        first = centre[:, None] - SHEET_WIDTH // 2
        window = strips.gather(first + tf.range(SHEET_WIDTH))[:, :, _TOP : _TOP + SHEET_HEIGHT]
        return tf.transpose(window, [0, 2, 1])
    factor = draw.uniform(1 - augmentation.scale, 1 + augmentation.scale)
    step = 1.0 / factor if augmentation.scale else tf.ones_like(factor)
    reach = augmentation.shift_pixels
    shift = tf.cast(draw.integers(-reach, reach + 1), tf.float32) / REDUCTION
    apart = 0.0 * shift
    if augmentation.staff_pixels:
        apart = draw.uniform(-augmentation.staff_pixels, augmentation.staff_pixels) / REDUCTION
    if not augmentation.wears_snippets:
        return _to_pixels(_cut_scaled(strips, centre, step, shift, apart))
    # A stretch of the batch that begins anywhere: were it that of the excerpts that are varied, the
    # damage to one half of a pair would tell the other.
    batch = draw.batch_size
    begin = draw.integers(0, batch)[0]
    order, back = ((tf.range(batch) + first) % batch for first in (begin, batch - begin))
    worn = round(augmentation.worn_share * batch)

    def part(chosen: tf.Tensor) -> tuple[RowSource, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        each_has = strips.start, strips.length, centre, step, shift, apart
        start, length, *rest = (tf.gather(each, chosen) for each in each_has)
        return RowSource(strips.rows, start, length), *rest

    some = _cut_worn(*part(order[:worn]), augmentation, draw.key())
    others = _cut_scaled(*part(order[worn:]))
    return tf.gather(_to_pixels(tf.concat([some, others], axis=0)), back)


def _to_pixels(sheet: tf.Tensor) -> tf.Tensor:
    return tf.cast(sheet + 0.5, tf.uint8)


def _cut_scaled(
    strips: RowSource, centre: tf.Tensor, step: tf.Tensor, shift: tf.Tensor, apart: tf.Tensor
) -> tf.Tensor:
    """Cuts grey levels float32 [batch, 80, 100], scaled and shifted, columns first and then rows.

    Args:
        strips: What is cut.
        centre: Columns [batch] of the middle.
        step: Distance of pixels in the strips, [batch].
        shift: Distance by which the picture moves down, [batch].
        apart: Distance by which its halves move apart, [batch].
    """
    first = centre[:, None] - SHEET_WIDTH // 2
    exact = _scaled_positions(SHEET_WIDTH, (SHEET_WIDTH - 1) / 2, step)
    before = tf.floor(exact)
    left, right = (
        tf.cast(strips.gather(first + tf.cast(before, tf.int32) + i), tf.float32) for i in (0, 1)
    )
    window = tf.transpose(left + (exact - before)[..., None] * (right - left), [0, 2, 1])
    middle = (STRIP_ROWS - 1) / 2
    exact = _scaled_positions(SHEET_HEIGHT, middle, step) - shift[:, None]
    exact -= _moved(exact - middle, apart[:, None])
    exact = tf.clip_by_value(exact, 0.0, STRIP_ROWS - 1.0)
    before = tf.minimum(tf.floor(exact), STRIP_ROWS - 2.0)
    rows = tf.reshape(window, [-1, SHEET_WIDTH])
    index = tf.cast(before, tf.int32) + STRIP_ROWS * tf.range(step.shape[0])[:, None]
    upper, lower = (tf.gather(rows, index + i) for i in (0, 1))
    return upper + (exact - before)[..., None] * (lower - upper)


def _cut_worn(
    strips: RowSource,
    centre: tf.Tensor,
    step: tf.Tensor,
    shift: tf.Tensor,
    apart: tf.Tensor,
    augmentation: Augmentation,
    seed: tf.Tensor,
) -> tf.Tensor:
    """Cuts grey levels float32 [batch, 80, 100] of a page that lies unevenly and is worn."""
    lying, wearing = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    reach = _columns_before(augmentation)
    window = strips.gather(centre[:, None] + tf.range(-reach, reach))
    column = _scaled_positions(SHEET_WIDTH, 0.0, step)
    row = _scaled_positions(SHEET_HEIGHT, 0.0, step) - shift[:, None]
    x, y = bending.lie(column, row, augmentation, lying)
    y -= _moved(y, apart[:, None, None])
    sheet = bending.resample(window, x + (reach - 0.5), y + (STRIP_ROWS - 1) / 2)
    return paper.wear(sheet, augmentation, wearing)


def _columns_before(augmentation: Augmentation) -> int:
    """Returns how many columns before the middle of a snippet, and after it, are needed."""
    before = bending.reach(SHEET_WIDTH, SHEET_HEIGHT, augmentation)
    if augmentation.varies_snippets:
        before = before / (1 - augmentation.scale) + 1
    return math.ceil(before)


def _moved(row: tf.Tensor, apart: tf.Tensor) -> tf.Tensor:
    """Returns how far what is drawn at rows, from the middle of the strip, has come from there.

    Each half moves by `apart / 2`. Where the halves part, the row in the middle is repeated; where
    they come together (`apart` is negative), every other row between them is left out.
    """
    away, near = tf.nn.relu(apart / 2), tf.nn.relu(-apart / 2)
    return tf.clip_by_value(row, -away, away) - tf.clip_by_value(row, -near, near)


def _scaled_positions(size: int, centre: float, step: tf.Tensor) -> tf.Tensor:
    """Returns [batch, size] positions around `centre`, `step` [batch] apart."""
    offsets = tf.range(size, dtype=tf.float32) - (size - 1) / 2
    return centre + offsets * step[:, None]


def cut_audio(
    spectrograms: RowSource,
    onset: tf.Tensor,
    frames: int,
    augmentation: Augmentation,
    draw: Draw | None,
) -> tf.Tensor:
    """Cuts float32 [batch, 92, frames] around onset frames [batch], which become frame T // 2.

    Stretched in time is what lies around the moment at which onsets are seen, `ONSET_SEEN_FRAMES`
    before that frame: so onsets come to where those of a performance at another tempo are.
    """
    offsets = tf.range(frames) - frames // 2
    if draw is None or augmentation.stretch == 1:
        audio = tf.cast(spectrograms.gather(onset[:, None] + offsets), tf.float32)
    else:
        reach = math.log(augmentation.stretch)
        step = tf.exp(-draw.uniform(-reach, reach))
        exact = (tf.cast(offsets, tf.float32) + ONSET_SEEN_FRAMES) * step[:, None]
        exact -= ONSET_SEEN_FRAMES
        first = onset[:, None] + tf.cast(tf.floor(exact), tf.int32)
        before, after = (spectrograms.gather(first + i) for i in (0, 1))
        audio = _between(before, after, exact - tf.floor(exact))
    if draw is not None:
        gain = None
        if augmentation.level_db:
            level = draw.uniform(-augmentation.level_db, augmentation.level_db)
            gain = 10.0 ** (level / 20)
        audio = tf.ensure_shape(audio, [draw.batch_size, frames, BANDS])
        audio = vary(audio, augmentation, draw.key(), gain)
        if augmentation.missing_future:
            audio = silence_future(audio, augmentation.missing_future, draw.uniform(0.0, 1.0))
    return tf.transpose(audio, [0, 2, 1])


@tf.function(jit_compile=True)
def _between(before: tf.Tensor, after: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
    """Interpolates between two gathers of frames, in one pass: float32 [batch, frames, bands]."""
    before, after = (tf.cast(frames, tf.float32) for frames in (before, after))
    return before + share[..., None] * (after - before)
