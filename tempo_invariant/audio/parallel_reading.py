"""Many recordings read side by side with `tf.data`, with the samples that the one reader gives.

Where tensorflow-io is installed it decodes WAV (integers of 8, 16 and 24 bits, floats) to the very
samples of the reader (`tempo_invariant.audio.reading`), unless the header is wrong. Of the rest
that it knows, it skips over damage in FLAC, and does not return from some; for MP3 it allocates
whatever a damaged header claims; for Ogg Vorbis it takes four times as long; integers of 32 bits it
takes for floats. All these, and every other format, the reader decodes in the same pipeline. The
reader also does the resampling in all cases, since tensorflow-io's delays and filters otherwise. Of
its operations only the stateless ones serve here: calls that run at the same time share the file of
`AudioIOTensor`'s.
"""

import functools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tempo_invariant.audio import decoding, reading
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE

MOST_VALUES = 2**25
"""The most values, all channels together, of a recording that is decoded as a whole: 6 minutes of
a compact disc, 128 MiB. A longer one is read in blocks when its turn comes."""

READERS = min(4, os.cpu_count() or 1)
"""Recordings that are decoded at the same time."""

_DTYPES = {
    "pcm_u8": tf.uint8,
    "pcm_s16le": tf.int16,
    "pcm_s24le": tf.int32,
    "pcm_f32le": tf.float32,
}
"""Types that tensorflow-io decodes WAV to, by FFmpeg's names of the encodings."""


_Read = Callable[[str | Path], Iterator[np.ndarray]]


def read_recordings(
    paths: Sequence[str | Path], gain_db: float = 0.0, strict: bool = False
) -> Iterator[Iterator[np.ndarray]]:
    """Reads recordings side by side and yields them one after the other.

    What fails in the pipeline is read again by the reader, whose error, if there is one, is raised
    when the blocks of that recording are taken; the others go on.

    Args:
        paths: The audio files.
        gain_db: Gain by which the recordings are amplified, in dB.
        strict: Whether what cannot be decoded is an error rather than a warning.

    Yields:
        The blocks of each recording, in the order of `paths`; see `reading.read_blocks`.

    Raises:
        UserError: The gain is no number.
    """
    reading.gain_factor(gain_db)
    read = functools.partial(reading.read_blocks, gain_db=gain_db, strict=strict)
    decode = functools.partial(_decode, tensorflow_io_ops(), gain_db, read)
    dataset = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in paths])
    decoded = iter(dataset.map(decode, num_parallel_calls=READERS, deterministic=True))
    for path in paths:
        try:
            pcm = next(decoded).numpy()
        except tf.errors.OpError:
            pcm = np.zeros(0, np.float32)
        yield _blocks(pcm) if len(pcm) else read(path)


def _blocks(pcm: np.ndarray) -> Iterator[np.ndarray]:
    size = decoding.BLOCK_SECONDS * SAMPLE_RATE
    for first in range(0, len(pcm), size):
        yield pcm[first : first + size]


def tensorflow_io_ops() -> Any | None:
    """Returns the module of tensorflow-io's operations; None if it cannot be used here."""
    try:
        from tensorflow_io.python.ops import core_ops

        core_ops.io_audio_decode_wav  # noqa: B018 - loads the library
    except (ImportError, AttributeError, NotImplementedError, tf.errors.OpError):
        return None
    return core_ops


def _decode(core_ops: Any | None, gain_db: float, read: _Read, path: tf.Tensor) -> tf.Tensor:
    """Decodes a file: float32 [samples], nothing if the reader has to see to it."""
    rate, samples = tf.constant(0, tf.int64), tf.zeros([0, 1])
    if core_ops is not None:
        header = tf.numpy_function(_wav_header, [path], tf.int64)
        rate, samples = tf.cond(
            header[2] > 0,
            lambda: (header[2], _decode_wav(core_ops, path, header)),
            lambda: (rate, samples),
        )
    finish = functools.partial(_finish, gain_db, read)
    return tf.numpy_function(finish, [path, rate, samples], tf.float32)


def _wav_header(path: bytes) -> np.ndarray:
    """Returns frames, channels, rate and number of the type; zeros if it is not for _decode_wav."""
    nothing = np.zeros(4, np.int64)
    try:
        with reading.opened(os.fsdecode(path)) as file:
            if file.format != "wav" or file.encoding not in _DTYPES or file.goes_on:
                return nothing
            if not file.claimed or _is_long(file):
                return nothing
            dtype = list(_DTYPES).index(file.encoding)
            return np.array([file.claimed, file.channels, file.rate, dtype], np.int64)
    except UserError:
        return nothing


def _decode_wav(core_ops: Any, path: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Decodes a WAV file to float32 [frames, channels], full scale +-1.

    It fails if there are not as many frames as the header claims.
    """
    content = tf.io.read_file(path)

    def read(dtype: tf.DType) -> tf.Tensor:
        values = core_ops.io_audio_decode_wav(content, tf.constant([-1, -1], tf.int64), dtype=dtype)
        if dtype.is_floating:
            return values
        middle = 128.0 if dtype == tf.uint8 else 0.0
        return (tf.cast(values, tf.float32) - middle) / (dtype.max + 1.0 - middle)

    readers = [functools.partial(read, dtype) for dtype in _DTYPES.values()]
    values = tf.switch_case(tf.cast(header[3], tf.int32), readers)
    return tf.ensure_shape(tf.reshape(values, header[:2]), [None, None])


def _finish(
    gain_db: float, read: _Read, path: bytes, rate: np.ndarray, samples: np.ndarray
) -> np.ndarray:
    """Makes float32 [samples] of what was decoded, or reads a file that was not."""
    name = os.fsdecode(path)
    blocks, count = [], 0
    try:
        if rate:
            mono = samples.mean(axis=1, dtype=np.float32)
            return np.concatenate(list(reading.prepare(name, [(int(rate), mono)], gain_db)))
        with reading.opened(name) as file:
            if _is_long(file):
                return np.zeros(0, np.float32)
        for block in read(name):
            blocks.append(block)
            count += len(block)
            if count > MOST_VALUES // 4:  # the header claimed less, or did not tell
                return np.zeros(0, np.float32)
        return np.concatenate(blocks)
    except UserError:
        return np.zeros(0, np.float32)


def _is_long(file: decoding.Decoder) -> bool:
    return (file.claimed or 0) * file.channels > MOST_VALUES
