"""Recordings of any format, rate and length, read as blocks of mono samples at 22,050 Hz."""

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import SAMPLE_RATE

BLOCK_SECONDS = 10


LOUDEST = 4.0
"""Samples are clipped to this: floating-point files may exceed full scale, by mistake or not."""


def read_blocks(path: str | Path, gain_db: float = 0.0) -> Iterator[np.ndarray]:
    """Reads a recording of any format, rate and length, some seconds at a time.

    libsndfile reads what it can (WAV, FLAC, Ogg, MP3, ...), audioread the rest, through FFmpeg if
    it is installed.

    Args:
        path: the file.
        gain_db: by how much it is amplified.

    Yields:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: it is missing, not audio, damaged, empty, or holds values that aren't numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    gain = np.float32(10 ** (gain_db / 20))
    samples = 0
    try:
        for block in _resampled(*_open(path)):
            if not np.isfinite(block).all():
                raise UserError(f"{path}: holds samples that are not finite numbers")
            samples += len(block)
            yield np.clip(block * gain, -LOUDEST, LOUDEST)
    except UserError:
        raise
    except Exception as error:  # libsndfile, audioread and its backends each raise their own
        reason = one_line(error)
        raise UserError(f"{path}: not a readable audio file ({reason})") from error
    if not samples:
        raise UserError(f"{path}: holds no audio samples")


def pcm_blocks(
    stream: BinaryIO, seconds: float = 0.5, gain_db: float = 0.0
) -> Iterator[np.ndarray]:
    """Reads raw samples as they come: signed 16 bits, little endian, mono, 22,050 Hz.

    Args:
        stream: standard input, say.
        seconds: length of a block; the last one may be shorter.
        gain_db: by how much it is amplified.

    Yields:
        float32 [samples], full scale +-1.
    """
    gain = np.float32(10 ** (gain_db / 20) / 32768)
    size = 2 * round(seconds * SAMPLE_RATE)
    while data := stream.read(size):
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) * gain


def _open(path: Path) -> tuple[int, Iterator[np.ndarray]]:
    """Returns the rate of a file and an iterator over float32 [samples, channels]."""
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        import audioread

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            decoder = audioread.audio_open(str(path))
        return decoder.samplerate, _audioread_blocks(decoder)
    return file.samplerate, _soundfile_blocks(file)


def _soundfile_blocks(file: Any) -> Iterator[np.ndarray]:
    with file:
        yield from file.blocks(
            blocksize=BLOCK_SECONDS * file.samplerate, dtype="float32", always_2d=True
        )


def _audioread_blocks(decoder: Any) -> Iterator[np.ndarray]:
    with decoder:
        for data in decoder:
            values = np.frombuffer(data, "<i2").astype(np.float32) / 32768
            yield values.reshape(-1, decoder.channels)


def _resampled(rate: int, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
    """Mixes down and brings to 22,050 Hz; librosa's default quality."""
    import soxr

    mono = (block.mean(axis=1, dtype=np.float32) for block in blocks)
    if rate == SAMPLE_RATE:
        yield from mono
        return
    resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32", quality="HQ")
    for block in mono:
        yield resampler.resample_chunk(block)
    yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
