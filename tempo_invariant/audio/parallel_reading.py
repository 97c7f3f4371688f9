"""Many recordings read side by side with `tf.data`, with the samples that the one reader gives.

tensorflow-io decodes WAV (integers of 8, 16 and 24 bits, floats) and Ogg Vorbis, where its samples
are those of the reader (`tempo_invariant.audio.reading`) up to rounding. It knows FLAC and MP3 as
well, but not when a file is damaged: it skips over damage in FLAC that the reader reports, and does
not return from some; for MP3 it allocates whatever a damaged header claims. Integers of 32 bits it
takes for floats. All these, and every other format, the reader decodes in the same pipeline. The
reader also does the resampling in all cases, since tensorflow-io's delays and filters otherwise.
"""

import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tempo_invariant.audio import reading
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE

MOST_VALUES = 2**25
"""The most values, all channels together, of a recording that is decoded as a whole: 6 minutes of
a compact disc, 128 MiB. A longer one is read in blocks when its turn comes."""

READERS = min(4, os.cpu_count() or 1)
"""Recordings that are decoded at the same time."""

_BY_TENSORFLOW_IO = {
    *((file, encoding) for file in ("WAV", "WAVEX") for encoding in ("PCM_U8", "PCM_16", "PCM_24")),
    ("WAV", "FLOAT"),
    ("WAVEX", "FLOAT"),
    ("OGG", "VORBIS"),
}
_DTYPES = (tf.float32, tf.uint8, tf.int16, tf.int32)


def read_recordings(
    paths: Sequence[str | Path], gain_db: float = 0.0
) -> Iterator[Iterator[np.ndarray]]:
    """Reads recordings side by side and yields them one after the other.

    What fails in the pipeline is read again by the reader, whose error, if there is one, is raised
    when the blocks of that recording are taken; the others go on.

    Args:
        paths: The audio files.
        gain_db: Gain by which the recordings are amplified, in dB.

    Yields:
        The blocks of each recording, in the order of `paths`; see `reading.read_blocks`.
    """
    decode = functools.partial(_decode, tensorflow_io_ops(), gain_db)
    dataset = tf.data.Dataset.from_tensor_slices([os.fspath(path) for path in paths])
    decoded = iter(dataset.map(decode, num_parallel_calls=READERS, deterministic=True))
    for path in paths:
        try:
            pcm = next(decoded).numpy()
        except tf.errors.OpError:
            pcm = np.zeros(0, np.float32)
        yield _blocks(pcm) if len(pcm) else reading.read_blocks(path, gain_db)


def _blocks(pcm: np.ndarray) -> Iterator[np.ndarray]:
    size = reading.BLOCK_SECONDS * SAMPLE_RATE
    for first in range(0, len(pcm), size):
        yield pcm[first : first + size]


def tensorflow_io_ops() -> Any | None:
    """Returns the module of tensorflow-io's operations; None if it cannot be used here."""
    try:
        from tensorflow_io.python.ops import core_ops

        core_ops.io_audio_readable_init  # noqa: B018 - loads the library
    except (ImportError, AttributeError, NotImplementedError, tf.errors.OpError):
        return None
    return core_ops


def _decode(core_ops: Any | None, gain_db: float, path: tf.Tensor) -> tf.Tensor:
    """Decodes a file: float32 [samples], nothing if the reader has to see to it."""
    rate, samples = tf.constant(0, tf.int64), tf.zeros([0, 1])
    if core_ops is not None:
        expected = tf.numpy_function(_expected, [path], tf.int64)
        rate, samples = tf.cond(
            tf.reduce_all(expected > 0),
            lambda: (expected[2], _decode_by_tensorflow_io(core_ops, path, expected)),
            lambda: (rate, samples),
        )
    return tf.numpy_function(functools.partial(_finish, gain_db), [path, rate, samples], tf.float32)


def _expected(path: bytes) -> np.ndarray:
    """Returns frames, channels and rate of a file for tensorflow-io; zeros if it is for others."""
    try:
        info = reading.audio_info(os.fsdecode(path))
    except UserError:
        return np.zeros(3, np.int64)
    fits = (info.format, info.encoding) in _BY_TENSORFLOW_IO and not _is_long(info)
    return np.array(info[:3] if fits else (0, 0, 0), np.int64)


def _decode_by_tensorflow_io(core_ops: Any, path: tf.Tensor, expected: tf.Tensor) -> tf.Tensor:
    """Decodes a file to float32 [frames, channels], full scale +-1."""
    resource = core_ops.io_audio_readable_init(path)
    shape, type_number, rate = core_ops.io_audio_readable_spec(resource)
    found = tf.concat([shape, [tf.cast(rate, tf.int64)]], 0)
    with tf.control_dependencies([tf.debugging.assert_equal(found, expected)]):
        known = tf.constant([dtype.as_datatype_enum for dtype in _DTYPES], type_number.dtype)
        index = tf.argmax(tf.cast(known == type_number, tf.int32), output_type=tf.int32)

    def read(dtype: tf.DType) -> tf.Tensor:
        values = core_ops.io_audio_readable_read(resource, 0, -1, dtype=dtype)
        if dtype.is_floating:
            return values
        middle = 128.0 if dtype == tf.uint8 else 0.0
        return (tf.cast(values, tf.float32) - middle) / (dtype.max + 1.0 - middle)

    values = tf.switch_case(index, [functools.partial(read, dtype) for dtype in _DTYPES])
    return tf.reshape(values, expected[:2])


def _finish(gain_db: float, path: bytes, rate: np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Makes float32 [samples] of what was decoded, or reads a file that was not."""
    name = os.fsdecode(path)
    try:
        if rate:
            blocks = reading.prepare(name, int(rate), [samples], gain_db)
        elif _is_long(reading.audio_info(name)):
            return np.zeros(0, np.float32)
        else:
            blocks = reading.read_blocks(name, gain_db)
        return np.concatenate(list(blocks))
    except UserError:
        return np.zeros(0, np.float32)


def _is_long(info: reading.AudioInfo) -> bool:
    return info.frames * info.channels > MOST_VALUES
