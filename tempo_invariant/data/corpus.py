"""A split of the records, laid out so that a batch of windows is a gather of rows.

A small split is held in memory. Of a larger one, only the places in its shards are, and every batch
reads the windows that it needs. Both give the same batches.
"""

import dataclasses
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tempo_invariant.data import schema
from tempo_invariant.data.schema import STRIP_ROWS
from tempo_invariant.data.shards import RowSource, ShardReader, StoredRows
from tempo_invariant.geometry import BANDS, PAPER

MEMORY_MIB = 384
"""Strips and spectrograms up to this size are held in memory. Loading takes more than twice that;
with TensorFlow itself the process stays below 2 GiB."""


@dataclass(frozen=True)
class HeldRows:
    """Arrays [length, width] in memory, one after the other.

    Attributes:
        tensor: Rows of all arrays, `[rows, width]`; the last row is blank.
        start: First row of each array, int32 `[arrays]`.
        length: Number of rows of each array, int32 `[arrays]`.
    """

    tensor: tf.Tensor
    start: np.ndarray
    length: np.ndarray

    def source(self, array: tf.Tensor, first: tf.Tensor, count: int) -> RowSource:
        """Returns what a batch is cut from.

        Args:
            array: Numbers of the arrays, int32 `[batch]`.
            first: First row that is needed of each, int32 `[batch]`; it may be negative.
            count: Number of rows that are needed from there.
        """
        return RowSource(self.tensor, tf.gather(self.start, array), tf.gather(self.length, array))


@dataclass(frozen=True)
class Corpus:
    """A split: strips once per piece and ink, spectrograms once per record.

    Attributes:
        pieces: Names of the pieces; those of different directories may have the same name.
        performances: Names of the performances, one a record.
        soundfonts: Names of the soundfonts, one a record.
        inks: Number of inks of each piece, int32 `[pieces]`.
        first_ink: Number of the strip in a piece's first ink, int32 `[pieces]`; the others follow.
        strips: Strips at half resolution, uint8 arrays `[columns, 100]`.
        spectrograms: Spectrograms, one a record, float16 arrays `[frames, 92]`.
        record_piece: Number of each record's piece, int32 `[records]`.
        record_tempo: Tempo of each record relative to the notated one, float32 `[records]`.
        record_weight: How often a pair of each record is drawn in training, relative to those of
            the others, int32 `[records]`.
        pair_record: Number of each pair's record, int32 `[pairs]`.
        pair_frame: Onset frame of each pair, from the record's start, int32 `[pairs]`.
        pair_column: Column of each note head in page pixels of the full strip, float32 `[pairs]`.
        pair_page: Page of each note head, counted from 1, int32 `[pairs]`.
        pair_system: System of each note head on its page, counted from 0, int32 `[pairs]`.
    """

    pieces: tuple[str, ...]
    performances: tuple[str, ...]
    soundfonts: tuple[str, ...]
    inks: np.ndarray
    first_ink: np.ndarray
    strips: HeldRows | StoredRows
    spectrograms: HeldRows | StoredRows
    record_piece: np.ndarray
    record_tempo: np.ndarray
    record_weight: np.ndarray
    pair_record: np.ndarray
    pair_frame: np.ndarray
    pair_column: np.ndarray
    pair_page: np.ndarray
    pair_system: np.ndarray

    @property
    def pairs(self) -> int:
        """Number of pairs, those of every performance counted."""
        return len(self.pair_record)


class _Rows:
    """Collects arrays: where they are in the shards and, up to a size, what they hold."""

    def __init__(self, width: int, dtype: tf.DType, blank: int) -> None:
        self.width, self.dtype, self.blank = width, dtype, blank
        self.tensors: list[tf.Tensor] = []
        self.shards: list[int] = []
        self.offsets: list[int] = []
        self.lengths: list[int] = []

    def add(self, tensor: tf.Tensor, shard: int, offset: int) -> int:
        """Adds an array `[length, width]` that begins at a byte of a shard; returns its bytes."""
        self.tensors.append(tensor)
        self.shards.append(shard)
        self.offsets.append(offset)
        self.lengths.append(tensor.shape[0])
        return tensor.shape[0] * self.width * self.dtype.size

    def held(self) -> HeldRows:
        """Joins the arrays in memory, and empties `tensors`."""
        # Tensors made by TensorFlow: those made from NumPy arrays take twice their size.
        self.tensors.append(tf.fill([1, self.width], tf.constant(self.blank, self.dtype)))
        tensor = tf.concat(self.tensors, axis=0)
        self.tensors.clear()
        start = np.cumsum([0, *self.lengths[:-1]])
        return HeldRows(tensor, start.astype(np.int32), np.array(self.lengths, np.int32))

    def stored(self, reader: ShardReader) -> StoredRows:
        """Leaves the arrays in their shards."""
        return StoredRows(
            reader,
            np.array(self.shards),
            np.array(self.offsets, np.int64),
            np.array(self.lengths, np.int32),
            self.width,
            self.dtype,
            self.blank,
        )


def load_corpus(
    data: str | os.PathLike,
    split: str,
    memory_mib: float = MEMORY_MIB,
    weights: Sequence[int] = (),
) -> Corpus:
    """Reads a split into memory or, if it is too large, notes where its arrays are.

    Args:
        data: Directory of the records, or several, see `schema.directories`.
        split: Name of the split.
        memory_mib: Largest size in MiB of what is held in memory.
        weights: How often a pair of each directory is drawn in training, relative to those of the
            others; none: all pairs equally often.

    Raises:
        UserError: The split is not there, a file is truncated or damaged, or the weights are not
            one for each directory.
    """
    places = schema.directories(data)
    schema.check_weights(data, weights)
    strips, spectrograms = _Rows(STRIP_ROWS, tf.uint8, PAPER), _Rows(BANDS, tf.float16, 0)
    inks: dict[_Piece, tuple[int, int]] = {}
    kept = []
    room = memory_mib * 2**20
    with tf.device("CPU:0"):
        nothing = np.zeros(0)
        for place, stored in _read(places, split):
            shard, position = stored.shard, stored.position
            drawn, spectrogram = stored.values["strips"], stored.values["spectrogram"]
            record = dataclasses.replace(stored.record, strips=nothing, spectrogram=nothing)
            kept.append((place, record))
            data_bytes, piece = stored.serialized.numpy(), (place, record.piece)
            room -= spectrograms.add(spectrogram, shard, position + _find(spectrogram, data_bytes))
            if piece not in inks:
                inks[piece] = (drawn.shape[0], len(strips.lengths))
                offset = position + _find(drawn, data_bytes)
                for strip in drawn:
                    size = strips.add(strip, shard, offset)
                    offset += size
                    room -= size
            if room < 0:
                strips.tensors.clear()
                spectrograms.tensors.clear()
        if room >= 0:
            return _corpus(inks, strips.held(), spectrograms.held(), kept, weights)
    reader = ShardReader([path for place in places for path in schema.shard_paths(place, split)])
    return _corpus(inks, strips.stored(reader), spectrograms.stored(reader), kept, weights)


_Piece = tuple[int, str]
"""The number of a directory, and the name of a piece in it."""


def _read(places: Sequence[Path], split: str) -> Iterator[tuple[int, schema.Stored]]:
    """Yields the number of the directory and the record, whose shards are counted over all."""
    first = 0
    for place, directory in enumerate(places):
        for stored in schema.read_stored(directory, split):
            yield place, dataclasses.replace(stored, shard=first + stored.shard)
        first += len(schema.shard_paths(directory, split))


def _find(values: tf.Tensor, serialized: bytes) -> int:
    """Returns the byte at which an array is in a record; any place with the same bytes will do."""
    return serialized.index(np.ascontiguousarray(values.numpy()))


def _corpus(
    inks: dict[_Piece, tuple[int, int]],
    strips: HeldRows | StoredRows,
    spectrograms: HeldRows | StoredRows,
    found: list[tuple[int, schema.Record]],
    weights: Sequence[int],
) -> Corpus:
    number = {piece: index for index, piece in enumerate(inks)}
    layout = np.array(list(inks.values()), np.int32)
    places, kept = zip(*found, strict=True)
    counts = [len(record.onset_frames) for record in kept]
    return Corpus(
        pieces=tuple(name for _, name in inks),
        performances=tuple(record.performance for record in kept),
        soundfonts=tuple(record.soundfont for record in kept),
        inks=layout[:, 0],
        first_ink=layout[:, 1],
        strips=strips,
        spectrograms=spectrograms,
        record_piece=np.array([number[place, record.piece] for place, record in found], np.int32),
        record_tempo=np.array([record.tempo for record in kept], np.float32),
        record_weight=np.array([weights[n] if weights else 1 for n in places], np.int32),
        pair_record=np.repeat(np.arange(len(kept), dtype=np.int32), counts),
        pair_frame=np.concatenate([record.onset_frames for record in kept]).astype(np.int32),
        pair_column=np.concatenate([record.columns for record in kept]).astype(np.float32),
        pair_page=np.concatenate([record.pages for record in kept]).astype(np.int32),
        pair_system=np.concatenate([record.systems for record in kept]).astype(np.int32),
    )
