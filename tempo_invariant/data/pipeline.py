"""Pairs of sheet snippets and audio excerpts, cut from records.

Sampling is stateless and keyed by the step: batch n depends on the seed and on n alone, so that
training resumes exactly where it stopped, and every pair is equally likely at every step, but for
the weights of its directory. All work is done on whole batches, see `tempo_invariant.data.cutting`.
"""

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tempo_invariant.data.corpus import Corpus
from tempo_invariant.data.cutting import Draw, constant, make_cutter
from tempo_invariant.errors import UserError
from tempo_invariant.variations import NO_AUGMENTATION, Augmentation

WIDEST_GAP = 100
"""Largest gap in onsets between neighbours in a passage. The logarithm of the gap is uniform:
half of the gaps are below 10, and one in seven is 1."""


@dataclass(frozen=True)
class PairTable:
    """Describes the pairs of an evaluation, a row per pair in the order of the dataset.

    Attributes:
        piece: Name of the piece.
        performance: Name of the performance.
        onset_frame: Onset frame in the performance.
        column: Column of the note head in page pixels of the full strip.
        page: Page of the note head, counted from 1.
        system: System of the note head on its page, counted from 0.
    """

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
    passage_pairs: int = 1,
) -> tf.data.Dataset:
    """Makes the endless training set, from the batch of step `start_step` on.

    Args:
        corpus: Split to draw from.
        batch_size: Number of pairs in a batch.
        frames: Number of frames of an excerpt.
        augmentation: Ways in which pairs are varied.
        seed: Seed for the pairs and their variation.
        start_step: Number of the first batch.
        passage_pairs: Number of pairs in a passage, see `pair_chooser`.

    Returns:
        Dataset of dictionaries: "sheet", uint8 `[batch, 80, 100]`, and "audio", float32
        `[batch, 92, frames]`.
    """
    choose = pair_chooser(corpus, augmentation, passage_pairs)
    cut = make_cutter(corpus, frames, augmentation)

    def sample(step: tf.Tensor) -> dict[str, tf.Tensor]:
        draw = Draw(seed, step, batch_size)
        return cut(choose(draw), draw)

    dataset = tf.data.Dataset.counter(start_step)
    dataset = dataset.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def pair_chooser(
    corpus: Corpus, augmentation: Augmentation, passage_pairs: int = 1
) -> Callable[[Draw], tf.Tensor]:
    """Returns the function from a draw to the indices of the pairs of a step, int32 `[batch]`.

    Every pair is as likely as the weight of its record says. With passages, a batch holds several
    pairs of one performance: near ones teach to tell a place from the next, farther ones to tell
    similar music apart.

    Args:
        corpus: Split to draw from.
        augmentation: Augmentation whose switches choose the performances.
        passage_pairs: Number of successive pairs from one performance, up to `WIDEST_GAP` onsets
            apart (past its end they go on at its beginning); 1: each pair is drawn by itself.
    """
    pairs = np.flatnonzero(wanted_records(corpus, augmentation)[corpus.pair_record])
    pairs = np.repeat(pairs, corpus.record_weight[corpus.pair_record[pairs]])
    allowed = constant(pairs.astype(np.int32))
    counts = np.bincount(corpus.pair_record, minlength=len(corpus.performances))
    first_of_record = constant((np.cumsum(counts) - counts).astype(np.int32))
    count_of_record = constant(counts.astype(np.int32))
    record_of_pair = constant(corpus.pair_record)

    def choose(draw: Draw) -> tf.Tensor:
        index = tf.gather(allowed, draw.integers(0, len(pairs)))
        if passage_pairs == 1:
            return index
        gaps = tf.cast(tf.exp(draw.uniform(0.0, math.log(WIDEST_GAP))), tf.int32)
        gaps = tf.reshape(gaps, [-1, passage_pairs])
        distance = tf.reshape(tf.cumsum(gaps, axis=1, exclusive=True), [-1])
        start = tf.repeat(index[::passage_pairs], passage_pairs)
        record = tf.gather(record_of_pair, start)
        first, count = tf.gather(first_of_record, record), tf.gather(count_of_record, record)
        return first + (start - first + distance) % count

    return choose


def eval_dataset(
    corpus: Corpus,
    batch_size: int,
    frames: int,
    limit: int | None = None,
    soundfont: str | None = None,
    tempo: float = 1.0,
    late_frames: int = 0,
    future: float = 1.0,
) -> tuple[tf.data.Dataset, PairTable]:
    """Makes the fixed pairs of an evaluation: one performance of each piece, in the first ink.

    Args:
        corpus: Split to take the pairs from.
        batch_size: Number of pairs in a batch; the last batch holds what is left.
        frames: Number of frames of an excerpt.
        limit: Largest number of pairs, at even spacing over the split; None: all.
        soundfont: Soundfont of the performances; None: the first by name of each piece.
        tempo: Tempo, relative to the notated one, that the performance of each piece is nearest to.
        late_frames: Number of frames by which the middle of every excerpt is late.
        future: Share of the second half of every excerpt that is heard; the rest is silent.

    Returns:
        Dataset of dictionaries as in `train_dataset`, and the table of its pairs.

    Raises:
        UserError: A piece has no performance with this soundfont.
    """
    records = _evaluation_records(corpus, soundfont, tempo)
    pairs = np.flatnonzero(np.isin(corpus.pair_record, records))
    if limit is not None and limit < len(pairs):
        pairs = pairs[np.arange(limit) * len(pairs) // limit]
    later = dataclasses.replace(corpus, pair_frame=corpus.pair_frame + np.int32(late_frames))
    cut = make_cutter(later, frames, NO_AUGMENTATION)
    silent = round((1 - future) * (frames // 2))
    heard = constant((np.arange(frames) < frames - silent).astype(np.float32))

    def read(index: tf.Tensor) -> dict[str, tf.Tensor]:
        batch = cut(index, None)
        return batch | {"audio": batch["audio"] * heard}

    indices = tf.data.Dataset.from_tensor_slices(pairs.astype(np.int32)).batch(batch_size)
    dataset = indices.map(read, tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE), _table(corpus, pairs)


def _table(corpus: Corpus, pairs: np.ndarray) -> PairTable:
    record = corpus.pair_record[pairs]
    return PairTable(
        piece=np.array(corpus.pieces)[corpus.record_piece[record]],
        performance=np.array(corpus.performances)[record],
        onset_frame=corpus.pair_frame[pairs],
        column=corpus.pair_column[pairs],
        page=corpus.pair_page[pairs],
        system=corpus.pair_system[pairs],
    )


def _evaluation_records(corpus: Corpus, soundfont: str | None, tempo: float) -> np.ndarray:
    """Returns one record of each piece; the order of pieces is that of the corpus."""
    chosen = []
    for piece, name in enumerate(corpus.pieces):
        records = list(np.flatnonzero(corpus.record_piece == piece))
        fonts = sorted({corpus.soundfonts[record] for record in records})
        font = fonts[0] if soundfont is None else soundfont
        records = [record for record in records if corpus.soundfonts[record] == font]
        if not records:
            known = ", ".join(fonts)
            raise UserError(f"soundfont must be one of {name}'s, {known}; received {font!r}")
        chosen.append(min(records, key=lambda r: (abs(corpus.record_tempo[r] - tempo), r)))
    return np.array(chosen)


def wanted_records(corpus: Corpus, augmentation: Augmentation) -> np.ndarray:
    """Returns which records the tempo and soundfont switches keep, bool `[records]`."""
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
