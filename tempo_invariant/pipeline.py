"""Pairs of sheet snippets and audio excerpts, cut from records held in memory.

Sampling is stateless and keyed by the step: batch n depends on the seed and on n alone, so that
training resumes exactly where it stopped, and every pair is equally likely at every step. All
work is done on whole batches: a snippet is a gather of contiguous columns of the transposed
strip, an excerpt a gather of frames.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tempo_invariant.corpus import Corpus as Corpus
from tempo_invariant.corpus import load_corpus as load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import BANDS, REDUCTION, SHEET_HEIGHT, SHEET_WIDTH
from tempo_invariant.schema import STRIP_ROWS

_TOP = (STRIP_ROWS - SHEET_HEIGHT) // 2


@dataclass(frozen=True)
class Augmentation:
    """How training pairs are varied; the defaults are the published variations.

    Attributes:
        scale: the strip is scaled by a factor drawn uniformly from 1 - scale to 1 + scale.
        shift_pixels: the snippet moves up or down by at most this many page pixels.
        onset_frames: the excerpt moves by at most this many frames.
        tempo: pairs from performances at every tempo; otherwise at the one nearest to 1.
        soundfont: pairs from every soundfont; otherwise from the first by name.
        ink: snippets in every ink; otherwise in the first.
        stretch: the spectrogram is stretched in time by a factor whose logarithm is uniform
            between those of 1 / stretch and stretch; 1 switches it off.
        level_db: the magnitudes are scaled by a level drawn uniformly from -level_db to level_db.
    """

    scale: float = 0.05
    shift_pixels: int = 5
    onset_frames: int = 1
    tempo: bool = True
    soundfont: bool = True
    ink: bool = True
    stretch: float = 1.0
    level_db: float = 0.0

    def __post_init__(self):
        if not 0 <= self.scale < 1:
            raise UserError(f"scale must be at least 0 and below 1, not {self.scale}")
        if self.stretch < 1:
            raise UserError(f"stretch must be at least 1, not {self.stretch}")
        for name in ("shift_pixels", "onset_frames", "level_db"):
            if getattr(self, name) < 0:
                raise UserError(f"{name} must not be negative, not {getattr(self, name)}")


NO_AUGMENTATION = Augmentation(0.0, 0, 0, tempo=False, soundfont=False, ink=False)


@dataclass(frozen=True)
class PairTable:
    """What the pairs of an evaluation are, one row a pair in the order of the dataset."""

    piece: np.ndarray
    performance: np.ndarray
    onset_frame: np.ndarray
    column: np.ndarray
    page: np.ndarray
    system: np.ndarray

    def __len__(self) -> int:
        return len(self.piece)


def train_dataset(
    corpus: Corpus,
    batch_size: int,
    frames: int,
    augmentation: Augmentation,
    seed: int,
    start_step: int = 0,
) -> tf.data.Dataset:
    """Makes the endless training set; it starts with the batch of step `start_step`.

    Returns:
        Dataset of {"sheet": uint8 [batch, 80, 100], "audio": float32 [batch, 92, frames]}.
    """
    pairs = np.flatnonzero(_wanted_records(corpus, augmentation)[corpus.pair_record])
    cut = _cutter(corpus, frames, augmentation)
    allowed = _constant(pairs.astype(np.int32))

    def sample(step: tf.Tensor) -> dict[str, tf.Tensor]:
        draw = _Draw(seed, step, batch_size)
        index = draw.integers(0, len(pairs))
        return cut(tf.gather(allowed, index), draw)

    dataset = tf.data.Dataset.counter(start_step)
    dataset = dataset.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def eval_dataset(
    corpus: Corpus,
    batch_size: int,
    frames: int,
    limit: int | None = None,
    soundfont: str | None = None,
    tempo: float = 1.0,
) -> tuple[tf.data.Dataset, PairTable]:
    """Makes the fixed pairs of an evaluation, in the first ink: one performance of each piece.

    Args:
        corpus: the split.
        batch_size: pairs a batch; the last one holds what is left.
        frames: frames of an excerpt.
        limit: at most so many pairs, at even spacing over the split.
        soundfont: which to take of a piece's performances; the first by name, if not given.
        tempo: the performance whose tempo is nearest to this one is taken.

    Returns:
        Dataset of dicts as in `train_dataset`, and the table of its pairs.

    Raises:
        UserError: a piece has no performance with this soundfont.
    """
    chosen = _evaluation_records(corpus, soundfont, tempo)
    pairs = np.flatnonzero(np.isin(corpus.pair_record, chosen))
    if limit is not None and limit < len(pairs):
        pairs = pairs[np.arange(limit) * len(pairs) // limit]
    cut = _cutter(corpus, frames, NO_AUGMENTATION)
    dataset = tf.data.Dataset.from_tensor_slices(pairs.astype(np.int32)).batch(batch_size)
    dataset = dataset.map(lambda index: cut(index, None), tf.data.AUTOTUNE, deterministic=True)
    record = corpus.pair_record[pairs]
    table = PairTable(
        piece=np.array(corpus.pieces)[corpus.record_piece[record]],
        performance=np.array(corpus.performances)[record],
        onset_frame=corpus.pair_frame[pairs],
        column=corpus.pair_column[pairs],
        page=corpus.pair_page[pairs],
        system=corpus.pair_system[pairs],
    )
    return dataset.prefetch(tf.data.AUTOTUNE), table


def _evaluation_records(corpus: Corpus, soundfont: str | None, tempo: float) -> np.ndarray:
    """Returns one record of each piece; the order of pieces is that of the corpus."""
    chosen = []
    for piece, name in enumerate(corpus.pieces):
        records = list(np.flatnonzero(corpus.record_piece == piece))
        fonts = sorted({corpus.soundfonts[record] for record in records})
        font = fonts[0] if soundfont is None else soundfont
        records = [record for record in records if corpus.soundfonts[record] == font]
        if not records:
            raise UserError(f"{name}: no performance with soundfont {font!r} (it has: {fonts})")
        chosen.append(min(records, key=lambda r: (abs(corpus.record_tempo[r] - tempo), r)))
    return np.array(chosen)


def _wanted_records(corpus: Corpus, augmentation: Augmentation) -> np.ndarray:
    """Returns bool [records], per piece those that tempo and soundfont switches leave."""
    wanted = np.ones(len(corpus.performances), bool)
    fonts = np.array(corpus.soundfonts)
    for piece in range(len(corpus.pieces)):
        mine = corpus.record_piece == piece
        if not augmentation.soundfont:
            wanted &= ~mine | (fonts == min(fonts[mine]))
        if not augmentation.tempo:
            distance = np.abs(np.log(corpus.record_tempo))
            wanted &= ~mine | (distance <= distance[mine & wanted].min() + 1e-6)
    return wanted


@dataclass(frozen=True)
class _Draw:
    """Random numbers of one step: every call with its own stream, all fixed by seed and step."""

    seed: int
    step: tf.Tensor
    batch_size: int
    calls: list[None] = dataclasses.field(default_factory=list)

    def _key(self) -> tf.Tensor:
        self.calls.append(None)
        stream = tf.cast(self.step, tf.int64) * 16 + len(self.calls)
        return tf.stack([tf.constant(self.seed, tf.int64), stream])

    def integers(self, low: int, high: tf.Tensor | int) -> tf.Tensor:
        """Returns int32 [batch] from low to high - 1, where high is a number or one per pair."""
        bits = tf.random.stateless_uniform(
            [self.batch_size], self._key(), None, None, tf.dtypes.int64
        )
        span = tf.cast(high, tf.int64) - low
        return tf.cast(tf.math.floormod(bits, span) + low, tf.int32)

    def uniform(self, low: float, high: float) -> tf.Tensor:
        """Returns float32 [batch] from low to high."""
        return tf.random.stateless_uniform([self.batch_size], self._key(), low, high)


def _constant(array: np.ndarray) -> tf.Tensor:
    with tf.device("CPU:0"):
        return tf.convert_to_tensor(array)


def _cutter(corpus: Corpus, frames: int, augmentation: Augmentation) -> Callable:
    """Returns the function (pair indices [batch], draw) -> batch; without a draw nothing varies."""
    piece_of_pair = corpus.record_piece[corpus.pair_record]
    table = _constant(
        np.stack(
            [
                corpus.pair_frame,
                corpus.record_start[corpus.pair_record],
                corpus.record_frames[corpus.pair_record],
                corpus.strip_start[piece_of_pair],
                corpus.strip_columns[piece_of_pair],
                corpus.inks[piece_of_pair],
            ],
            axis=1,
        )
    )
    centre = np.floor(corpus.pair_column / REDUCTION + 0.5).astype(np.int32)
    centres = _constant(centre)

    def cut(index: tf.Tensor, draw: _Draw | None) -> dict[str, tf.Tensor]:
        onset, start, length, strip, columns, inks = tf.unstack(tf.gather(table, index), axis=1)
        if draw is not None and augmentation.ink:
            strip += draw.integers(0, inks) * columns
        if draw is not None and augmentation.onset_frames:
            reach = augmentation.onset_frames
            onset += draw.integers(-reach, reach + 1)
        sheet = _cut_sheet(corpus, tf.gather(centres, index), strip, columns, augmentation, draw)
        audio = _cut_audio(corpus, onset, start, length, frames, augmentation, draw)
        size = None if draw is None else draw.batch_size
        return {
            "sheet": tf.ensure_shape(sheet, [size, SHEET_HEIGHT, SHEET_WIDTH]),
            "audio": tf.ensure_shape(audio, [size, BANDS, frames]),
        }

    return cut


def _cut_sheet(
    corpus: Corpus,
    centre: tf.Tensor,
    strip: tf.Tensor,
    columns: tf.Tensor,
    augmentation: Augmentation,
    draw: _Draw | None,
) -> tf.Tensor:
    """Cuts uint8 [batch, 80, 100] around half-resolution columns [batch] of strips.

    Scale and shift resample bilinearly about the centre: columns by two gathers, rows by a product
    with a matrix of interpolation weights. Scale 1 and shift 0 take the pixels as they are.
    """
    paper = corpus.strips.shape[0] - 1

    def gather(position: tf.Tensor) -> tf.Tensor:
        inside = (position >= 0) & (position < columns[:, None])
        return tf.gather(corpus.strips, tf.where(inside, strip[:, None] + position, paper))

    first = centre[:, None] - SHEET_WIDTH // 2
    if draw is None or not (augmentation.scale or augmentation.shift_pixels):
        window = gather(first + tf.range(SHEET_WIDTH))[:, :, _TOP : _TOP + SHEET_HEIGHT]
        return tf.transpose(window, [0, 2, 1])
    factor = draw.uniform(1 - augmentation.scale, 1 + augmentation.scale)
    step = 1.0 / factor if augmentation.scale else tf.ones_like(factor)
    reach = augmentation.shift_pixels
    shift = tf.cast(draw.integers(-reach, reach + 1), tf.float32) / REDUCTION
    exact = _scaled_positions(SHEET_WIDTH, (SHEET_WIDTH - 1) / 2, step)
    before = tf.floor(exact)
    left, right = (
        tf.cast(gather(first + tf.cast(before, tf.int32) + i), tf.float32) for i in (0, 1)
    )
    window = left + (exact - before)[..., None] * (right - left)
    rows = _scaled_positions(SHEET_HEIGHT, (STRIP_ROWS - 1) / 2, step) - shift[:, None]
    rows = tf.clip_by_value(rows, 0.0, STRIP_ROWS - 1.0)
    distance = tf.abs(rows[..., None] - tf.range(STRIP_ROWS, dtype=tf.float32))
    sheet = tf.matmul(tf.nn.relu(1.0 - distance), window, transpose_b=True)
    return tf.cast(sheet + 0.5, tf.uint8)


def _scaled_positions(size: int, centre: float, step: tf.Tensor) -> tf.Tensor:
    """Returns [batch, size] positions around `centre`, `step` [batch] apart."""
    offsets = tf.range(size, dtype=tf.float32) - (size - 1) / 2
    return centre + offsets * step[:, None]


def _cut_audio(
    corpus: Corpus,
    onset: tf.Tensor,
    start: tf.Tensor,
    length: tf.Tensor,
    frames: int,
    augmentation: Augmentation,
    draw: _Draw | None,
) -> tf.Tensor:
    """Cuts float32 [batch, 92, frames]; the onset is frame frames // 2."""
    silence = corpus.spectrograms.shape[0] - 1

    def rows(position: tf.Tensor) -> tf.Tensor:
        inside = (position >= 0) & (position < length[:, None])
        index = tf.where(inside, start[:, None] + position, silence)
        return tf.gather(corpus.spectrograms, index)

    offsets = tf.range(frames) - frames // 2
    if draw is None or augmentation.stretch == 1:
        audio = tf.cast(rows(onset[:, None] + offsets), tf.float32)
    else:
        reach = math.log(augmentation.stretch)
        step = tf.exp(-draw.uniform(-reach, reach))
        exact = tf.cast(offsets, tf.float32) * step[:, None]
        before = tf.floor(exact)
        weight = (exact - before)[..., None]
        first = onset[:, None] + tf.cast(before, tf.int32)
        low, high = (tf.cast(rows(first + i), tf.float32) for i in (0, 1))
        audio = low + weight * (high - low)
    if draw is not None and augmentation.level_db:
        gain = 10.0 ** (draw.uniform(-augmentation.level_db, augmentation.level_db) / 20)
        ten = math.log(10.0)
        audio = tf.math.log1p(gain[:, None, None] * tf.math.expm1(audio * ten)) / ten
    return tf.transpose(audio, [0, 2, 1])
