"""Recordings of any format, rate and length, read as blocks of mono samples at 22,050 Hz."""

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import SAMPLE_RATE

BLOCK_SECONDS = 10

LOUDEST = 4.0
"""Samples are clipped to this: floating-point files may exceed full scale, by mistake or not."""


class AudioInfo(NamedTuple):
    """What the header of an audio file says.

    Attributes:
        frames: Number of samples in each channel.
        channels: Number of channels.
        rate: Sampling rate in Hz.
        format: Name of the file format in libsndfile, "WAV" for one; empty if audioread reads it.
        encoding: Name of the encoding in libsndfile, "PCM_16" for one; empty likewise.
    """

    frames: int
    channels: int
    rate: int
    format: str = ""
    encoding: str = ""

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate


def audio_info(path: str | Path) -> AudioInfo:
    """Reads the header of an audio file.

    Raises:
        UserError: The file is missing or is not audio.
    """
    import soundfile

    path = Path(path)
    with _reading(path):
        try:
            found = soundfile.info(path)
        except soundfile.LibsndfileError:
            with _audioread(path) as decoder:
                frames = round(decoder.duration * decoder.samplerate)
                return AudioInfo(frames, decoder.channels, decoder.samplerate)
        return AudioInfo(
            found.frames, found.channels, found.samplerate, found.format, found.subtype
        )


def read_blocks(
    path: str | Path, gain_db: float = 0.0, start_seconds: float = 0.0
) -> Iterator[np.ndarray]:
    """Reads a recording of any format, rate and length, some seconds at a time.

    libsndfile reads what it can (WAV, FLAC, Ogg, MP3, ...), audioread the rest, through FFmpeg if
    it is installed.

    Args:
        path: The audio file.
        gain_db: Gain by which the recording is amplified, in dB.
        start_seconds: Time at which reading begins, in seconds.

    Yields:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: The file is missing, not audio, damaged, empty, or holds values that aren't
            numbers.
    """
    path = Path(path)
    with _reading(path):
        yield from prepare(path, *_open(path, start_seconds), gain_db)


def prepare(
    path: str | Path, rate: int, blocks: Iterable[np.ndarray], gain_db: float = 0.0
) -> Iterator[np.ndarray]:
    """Mixes decoded samples down, brings them to 22,050 Hz, amplifies and checks them.

    Args:
        path: The audio file, for messages.
        rate: Sampling rate of the blocks in Hz.
        blocks: The decoded samples, float32 [samples, channels] each.
        gain_db: Gain by which the recording is amplified, in dB.

    Yields:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: There are no samples, or some that aren't numbers.
    """
    gain = np.float32(10 ** (gain_db / 20))
    samples = 0
    for block in _resampled(rate, blocks):
        if not np.isfinite(block).all():
            raise UserError(f"{path}: holds samples that are not finite numbers")
        samples += len(block)
        yield np.clip(block * gain, -LOUDEST, LOUDEST)
    if not samples:
        raise UserError(f"{path}: holds no audio samples")


def pcm_blocks(
    stream: BinaryIO, seconds: float = 0.5, gain_db: float = 0.0
) -> Iterator[np.ndarray]:
    """Reads raw samples as they come: signed 16 bits, little endian, mono, 22,050 Hz.

    Args:
        stream: The stream, standard input for one.
        seconds: Length of a block in seconds; the last one may be shorter.
        gain_db: Gain by which the sound is amplified, in dB.

    Yields:
        float32 [samples], full scale +-1.
    """
    gain = np.float32(10 ** (gain_db / 20) / 32768)
    size = 2 * round(seconds * SAMPLE_RATE)
    while data := stream.read(size):
        yield np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.float32) * gain


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turns whatever goes wrong while a file is read into a `UserError` that names it."""
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # libsndfile, audioread and its backends each raise their own
        raise UserError(f"{path}: not a readable audio file ({one_line(error)})") from error


def _open(path: Path, start_seconds: float) -> tuple[int, Iterator[np.ndarray]]:
    """Returns the rate of a file and an iterator over float32 [samples, channels]."""
    import soundfile

    try:
        file = soundfile.SoundFile(path)
    except soundfile.LibsndfileError:
        decoder = _audioread(path)
        start = round(start_seconds * decoder.samplerate)
        return decoder.samplerate, _without_start(_audioread_blocks(decoder), start)
    if start_seconds:
        file.seek(min(round(start_seconds * file.samplerate), file.frames))
    return file.samplerate, _soundfile_blocks(file)


def _audioread(path: Path) -> Any:
    import audioread

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return audioread.audio_open(str(path))


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


def _without_start(blocks: Iterator[np.ndarray], samples: int) -> Iterator[np.ndarray]:
    """Leaves out the first samples, for decoders that cannot seek."""
    for block in blocks:
        yield block[samples:]
        samples = max(0, samples - len(block))


def _resampled(rate: int, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
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
