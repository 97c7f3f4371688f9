"""A split of the records in memory, laid out so that a batch of windows is a gather of rows."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tempo_invariant import schema
from tempo_invariant.geometry import BANDS, PAPER
from tempo_invariant.schema import STRIP_ROWS


@dataclass(frozen=True)
class Corpus:
    """A split in memory; strips once per piece, spectrograms one after the other.

    Attributes:
        pieces: names; `soundfonts` and `performances` are those of the records.
        inks: number of inks of each piece.
        strips: uint8 [columns, 100], all strips at half resolution; the last column is paper.
        strip_start: int32 [pieces], first column of a piece's first ink; the others follow.
        strip_columns: int32 [pieces], columns of each of its strips.
        spectrograms: float16 [frames, 92]; the last frame is silence.
        record_piece, record_start, record_frames: int32 [records].
        record_tempo: float32 [records].
        pair_record, pair_frame: int32 [pairs], the onset frame counted from the record's start.
        pair_column: float32 [pairs], page pixels on the full strip.
        pair_page, pair_system: int32 [pairs].
    """

    pieces: tuple[str, ...]
    performances: tuple[str, ...]
    soundfonts: tuple[str, ...]
    inks: np.ndarray
    strips: tf.Tensor
    strip_start: np.ndarray
    strip_columns: np.ndarray
    spectrograms: tf.Tensor
    record_piece: np.ndarray
    record_start: np.ndarray
    record_frames: np.ndarray
    record_tempo: np.ndarray
    pair_record: np.ndarray
    pair_frame: np.ndarray
    pair_column: np.ndarray
    pair_page: np.ndarray
    pair_system: np.ndarray

    @property
    def pairs(self) -> int:
        """Number of pairs, those of every performance counted."""
        return len(self.pair_record)


def load_corpus(data_dir: str | Path, split: str) -> Corpus:
    """Reads a split into memory.

    Raises:
        UserError: the split is not there, or a file is truncated or damaged.
    """
    strips: list[tf.Tensor] = []
    spectrograms: list[tf.Tensor] = []
    layouts: dict[str, tuple[int, int, int]] = {}
    kept, starts, lengths = [], [], []
    columns = frames = 0
    with tf.device("CPU:0"):
        for values in schema.read_tensors(data_dir, split):
            piece_strips, spectrogram = values["strips"], values["spectrogram"]
            values |= {"strips": tf.zeros([0]), "spectrogram": tf.zeros([0])}
            record = schema.to_record(values)
            if record.piece not in layouts:
                layouts[record.piece] = (columns, piece_strips.shape[1], piece_strips.shape[0])
                strips.append(tf.reshape(piece_strips, [-1, STRIP_ROWS]))
                columns += strips[-1].shape[0]
            starts.append(frames)
            lengths.append(spectrogram.shape[0])
            spectrograms.append(spectrogram)
            frames += lengths[-1]
            kept.append(record)
        # Tensors made by TensorFlow: those made from NumPy arrays take twice their size.
        strips.append(tf.fill([1, STRIP_ROWS], tf.constant(PAPER, tf.uint8)))
        spectrograms.append(tf.zeros([1, BANDS], tf.float16))
        strip_tensor = tf.concat(strips, axis=0)
        del strips
        spectrogram_tensor = tf.concat(spectrograms, axis=0)
        del spectrograms
    layout = np.array(list(layouts.values()), np.int32)
    index = {piece: number for number, piece in enumerate(layouts)}
    counts = [len(record.onset_frames) for record in kept]
    return Corpus(
        pieces=tuple(layouts),
        performances=tuple(record.performance for record in kept),
        soundfonts=tuple(record.soundfont for record in kept),
        inks=layout[:, 2],
        strips=strip_tensor,
        strip_start=layout[:, 0],
        strip_columns=layout[:, 1],
        spectrograms=spectrogram_tensor,
        record_piece=np.array([index[record.piece] for record in kept], np.int32),
        record_start=np.array(starts, np.int32),
        record_frames=np.array(lengths, np.int32),
        record_tempo=np.array([record.tempo for record in kept], np.float32),
        pair_record=np.repeat(np.arange(len(kept), dtype=np.int32), counts),
        pair_frame=np.concatenate([record.onset_frames for record in kept]).astype(np.int32),
        pair_column=np.concatenate([record.columns for record in kept]).astype(np.float32),
        pair_page=np.concatenate([record.pages for record in kept]).astype(np.int32),
        pair_system=np.concatenate([record.systems for record in kept]).astype(np.int32),
    )
