"""Pairs of sheet snippets and audio excerpts, cut from records.

Sampling is stateless and keyed by the step: batch n depends on the seed and on n alone, so that
training resumes exactly where it stopped, and every pair is equally likely at every step. All
work is done on whole batches, see `tempo_invariant.windows`.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from tempo_invariant.corpus import Corpus as Corpus
from tempo_invariant.corpus import load_corpus as load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.windows import NO_AUGMENTATION as NO_AUGMENTATION
from tempo_invariant.windows import Augmentation as Augmentation
from tempo_invariant.windows import Draw, constant, make_cutter


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
    choose = pair_chooser(corpus, augmentation)
    cut = make_cutter(corpus, frames, augmentation)

    def sample(step: tf.Tensor) -> dict[str, tf.Tensor]:
        draw = Draw(seed, step, batch_size)
        return cut(choose(draw), draw)

    dataset = tf.data.Dataset.counter(start_step)
    dataset = dataset.map(sample, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    return dataset.prefetch(tf.data.AUTOTUNE)


def pair_chooser(corpus: Corpus, augmentation: Augmentation) -> Callable[[Draw], tf.Tensor]:
    """Returns the function draw -> int32 [batch], indices of the pairs of a step."""
    pairs = np.flatnonzero(wanted_records(corpus, augmentation)[corpus.pair_record])
    allowed = constant(pairs.astype(np.int32))
    return lambda draw: tf.gather(allowed, draw.integers(0, len(pairs)))


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
    cut = make_cutter(corpus, frames, NO_AUGMENTATION)
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


def wanted_records(corpus: Corpus, augmentation: Augmentation) -> np.ndarray:
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
