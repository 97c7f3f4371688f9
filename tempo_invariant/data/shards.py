"""Rows of arrays read from the middle of shards, for splits that are larger than memory should be.

The arrays of a record are stored as they are, without compression, so a window of consecutive rows
is one read at a known place. The operating system caches what was read lately; we do not.
"""

import atexit
import gc
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from tempo_invariant.errors import UserError

_QUIET_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0


class ShardReader:
    """Shards that are kept open, and so stay readable when others replace them.

    Raises:
        UserError: A shard cannot be opened.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self._files: list[int] = []
        try:
            for path in paths:
                self._files.append(os.open(path, os.O_RDONLY))
        except OSError as error:
            raise UserError(
                f"{path}: cannot be opened ({error.strerror}); where there are too many files, "
                "convert into larger shards"
            ) from error

    def __del__(self) -> None:
        for file in self._files:
            os.close(file)

    def read(self, shard: int, buffer: np.ndarray, offset: int) -> None:
        """Fills a buffer with what begins at byte `offset` of a shard.

        Raises:
            OSError: The shard ends before the buffer is full.
        """
        if os.preadv(self._files[shard], [buffer.data], offset) != buffer.nbytes:
            raise OSError(f"shard {shard} ends before byte {offset + buffer.nbytes}")


@dataclass(frozen=True)
class RowSource:
    """Rows to cut the windows of a batch from: a whole split, or what was read for the batch.

    Attributes:
        rows: Columns of strips, or frames, `[rows, 100 or 92]`; the last row is blank.
        start: Row at which the first column or frame of each strip or record would be, int32
            `[batch]`.
        length: Number of columns or frames of each, int32 `[batch]`.
    """

    rows: tf.Tensor
    start: tf.Tensor
    length: tf.Tensor

    def gather(self, position: tf.Tensor) -> tf.Tensor:
        """Returns rows [batch, n, width] at positions [batch, n], blank where there is none."""
        inside = (position >= 0) & (position < self.length[:, None])
        index = tf.where(inside, self.start[:, None] + position, tf.shape(self.rows)[0] - 1)
        return tf.gather(self.rows, index)


@dataclass(frozen=True)
class StoredRows:
    """Arrays [length, width] in shards; `data.corpus.HeldRows` holds such arrays in memory.

    Attributes:
        reader: Shards that hold the arrays.
        shard: Number of the shard that holds each array, int `[arrays]`.
        offset: Byte of the shard at which each array begins, int64 `[arrays]`.
        length: Number of rows of each array, int32 `[arrays]`.
        width: Number of values in a row.
        dtype: Type of the values.
        blank: Value of the rows outside of an array.
    """

    reader: ShardReader
    shard: np.ndarray
    offset: np.ndarray
    length: np.ndarray
    width: int
    dtype: tf.DType
    blank: int

    def source(self, array: tf.Tensor, first: tf.Tensor, count: int) -> RowSource:
        """Reads what a batch is cut from; see `HeldRows.source`."""
        rows = tf.numpy_function(
            lambda array, first: self.read(array, first, count),
            [array, first],
            self.dtype,
            stateful=False,
        )
        batch = array.shape[0]
        total = None if batch is None else batch * count + 1
        rows = tf.ensure_shape(rows, [total, self.width])
        start = count * tf.range(tf.shape(array)[0]) - first
        return RowSource(rows, start, tf.gather(self.length, array))

    def read(self, array: np.ndarray, first: np.ndarray, count: int) -> np.ndarray:
        """Reads rows first to first + count - 1 of arrays, one window after the other.

        Args:
            array: Numbers of the arrays, int `[batch]`.
            first: First row of each window, int `[batch]`; a window may exceed its array on both
                sides.
            count: Number of rows of a window.

        Returns:
            Rows `[batch * count + 1, width]`; the last one is blank, those outside of an array hold
            anything.

        Raises:
            OSError: A shard has been truncated.
        """
        _calls.enter()
        rows = np.empty([len(array) * count + 1, self.width], self.dtype.as_numpy_dtype)
        rows[-1] = self.blank
        low = np.maximum(first, 0)
        high = np.minimum(first + count, self.length[array])
        row_bytes = rows.itemsize * self.width
        places = self.offset[array] + low.astype(np.int64) * row_bytes
        begin = np.arange(len(array)) * count - first
        for shard, place, a, b in zip(
            self.shard[array].tolist(),
            places.tolist(),
            (begin + low).tolist(),
            (begin + high).tolist(),
            strict=True,
        ):
            if a < b:
                self.reader.read(shard, rows[a:b], place)
        return rows


class _Calls:
    """Stops calls before the interpreter ends.

    A pipeline that is still filling its buffers calls from threads of TensorFlow, and one of them
    that waits for an interpreter on its way out would wait for ever, and the process with it. Once
    the end has begun, calls fail, so that the buffers soon fill with errors and calls cease.
    """

    def __init__(self) -> None:
        self._ending = threading.Event()
        self._last = 0.0
        atexit.register(self._end)

    def enter(self) -> None:
        """Notes a call; raises RuntimeError when the program is ending."""
        self._last = time.monotonic()
        if self._ending.is_set():
            raise RuntimeError("the program is ending")

    def _end(self) -> None:
        if not self._last:
            return
        self._ending.set()
        gc.collect()  # ends pipelines that only a cycle of references still holds
        deadline = time.monotonic() + _PATIENCE_SECONDS
        self._last = time.monotonic()
        while time.monotonic() < min(deadline, self._last + _QUIET_SECONDS):
            time.sleep(_QUIET_SECONDS / 10)


_calls = _Calls()
