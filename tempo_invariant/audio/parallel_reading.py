"""Many recordings read side by side with `tf.data`, with the samples that the one reader gives.

tensorflow-io decodes WAV (integers of 8, 16 and 24 bits, floats), to the very samples of the reader
(`tempo_invariant.audio.reading`). Of the rest that it knows, it skips over damage in FLAC that the
reader reports, and does not return from some; for MP3 it allocates whatever a damaged header
claims; for Ogg Vorbis it takes four times as long; integers of 32 bits it takes for floats. All
these, and every other format, the reader decodes in the same pipeline. The reader also does the
resampling in all cases, since tensorflow-io's delays and filters otherwise. Of its operations only
the stateless ones serve here: calls that run at the same time share the file of `AudioIOTensor`'s.
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

_WAV = ("WAV", "WAVEX")
_DTYPES = {"PCM_U8": tf.uint8, "PCM_16": tf.int16, "PCM_24": tf.int32, "FLOAT": tf.float32}
"""Types that tensorflow-io decodes WAV to, by libsndfile's names of the encodings."""


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
    dataset = tf.data.Dataset.from_tensor_slices([os.fsencode(path) for path in paths])
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

        core_ops.io_audio_decode_wav  # noqa: B018 - loads the library
    except (ImportError, AttributeError, NotImplementedError, tf.errors.OpError):
        return None
    return core_ops


def _decode(core_ops: Any | None, gain_db: float, path: tf.Tensor) -> tf.Tensor:
    """Decodes a file: float32 [samples], nothing if the reader has to see to it."""
    rate, samples = tf.constant(0, tf.int64), tf.zeros([0, 1])
    if core_ops is not None:
        header = tf.numpy_function(_wav_header, [path], tf.int64)
        rate, samples = tf.cond(
            header[2] > 0,
            lambda: (header[2], _decode_wav(core_ops, path, header)),
            lambda: (rate, samples),
        )
    return tf.numpy_function(functools.partial(_finish, gain_db), [path, rate, samples], tf.float32)


def _wav_header(path: bytes) -> np.ndarray:
    """Returns frames, channels, rate and number of the type; zeros if it is not for _decode_wav."""
    try:
        info = reading.audio_info(os.fsdecode(path))
    except UserError:
        return np.zeros(4, np.int64)
    if info.format not in _WAV or info.encoding not in _DTYPES or _is_long(info):
        return np.zeros(4, np.int64)
    return np.array([*info[:3], list(_DTYPES).index(info.encoding)], np.int64)


def _decode_wav(core_ops: Any, path: tf.Tensor, header: tf.Tensor) -> tf.Tensor:
    """Decodes a WAV file to float32 [frames, channels], full scale +-1."""
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
