"""Recordings of any format, rate and length, read as blocks of mono samples at 22,050 Hz."""

import contextlib
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np

from tempo_invariant.audio.decoding import Decoder, reason
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import check_not_empty, why_no_file
from tempo_invariant.geometry import SAMPLE_RATE

LOUDEST = 4.0
"""Samples are clipped to this: floating-point files may exceed full scale, by mistake or not."""

MOST_GAIN_DB = 200.0

_FILES = {
    b"RIFF": "a WAV file",
    b"RF64": "a WAV file",
    b"ID3": "an MP3 file",
    b"fLaC": "a FLAC file",
    b"OggS": "an Ogg file",
    b"FORM": "an AIFF file",
    b"caff": "a CAF file",
    b"\x1aE\xdf\xa3": "a Matroska file",
}
"""What the bytes at the beginning of a stream say that is a file, and no raw samples."""

_WARNINGS = 3
"""So many places that cannot be decoded are named, of each recording."""


class AudioInfo(NamedTuple):
    """What an audio file holds.

    Attributes:
        frames: Number of samples in each channel.
        channels: Number of channels.
        rate: Sampling rate in Hz.
    """

    frames: int
    channels: int
    rate: int

    @property
    def seconds(self) -> float:
        """Duration in seconds."""
        return self.frames / self.rate


def audio_info(path: str | Path) -> AudioInfo:
    """Finds out how much there is in an audio file, by decoding it, since headers may be wrong.

    Raises:
        UserError: The file is missing or is not audio.
    """
    with opened(path) as recording:
        seconds = sum(len(block) / rate for rate, block in recording.blocks(lambda _line: None))
        return AudioInfo(round(seconds * recording.rate), recording.channels, recording.rate)


def read_blocks(
    path: str | Path, gain_db: float = 0.0, start_seconds: float = 0.0, strict: bool = False
) -> Iterator[np.ndarray]:
    """Reads a recording of any format, rate and length, some seconds at a time.

    What cannot be decoded is silent, or missing at the end, and a warning tells the second.

    Args:
        path: The audio file.
        gain_db: Gain by which the recording is amplified, in dB.
        start_seconds: Time at which reading begins, in seconds.
        strict: Whether what cannot be decoded is an error rather than a warning.

    Yields:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: The file is missing, not audio, or empty; the gain or the time is no number; with
            `strict`, something cannot be decoded.
    """
    if not 0 <= start_seconds < math.inf:
        raise UserError(f"reading cannot begin at {start_seconds} s")
    with opened(path) as recording, _reports(path, strict) as report:
        yield from prepare(path, recording.blocks(report, start_seconds), gain_db)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[Decoder]:
    """Opens a recording and turns whatever is wrong with it into a `UserError` that names it."""
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: {why_no_file(path, 'audio file')}")
    try:
        check_not_empty(path)  # of which PyAV prints tracebacks, too
        with path.open("rb") as file, contextlib.closing(Decoder(file)) as recording:
            yield recording
    except UserError:
        raise
    except Exception as error:  # FFmpeg's, those of the system, those of damaged numbers
        raise UserError(f"{path}: not a readable audio file ({reason(error)})") from error


@contextlib.contextmanager
def _reports(path: str | Path, strict: bool) -> Iterator[Callable[[str], None]]:
    """Gives a function that warns, or fails, of each place of a file that cannot be decoded."""
    count = 0

    def report(line: str) -> None:
        nonlocal count
        if strict:
            raise UserError(f"{path}: {line}")
        count += 1
        if count <= _WARNINGS:
            logging.warning("%s: %s", path, line)

    yield report
    if count > _WARNINGS:
        logging.warning("%s: %d more places like these", path, count - _WARNINGS)


def prepare(
    path: str | Path, blocks: Iterable[tuple[int, np.ndarray]], gain_db: float = 0.0
) -> Iterator[np.ndarray]:
    """Brings decoded samples to 22,050 Hz, amplifies and checks them.

    Args:
        path: The audio file, for messages.
        blocks: The decoded samples: the sampling rate in Hz and float32 [samples] each.
        gain_db: Gain by which the recording is amplified, in dB.

    Yields:
        float32 [samples], 22,050 Hz, full scale +-1.

    Raises:
        UserError: There are no samples, or some that aren't numbers; the gain is no number.
    """
    gain = gain_factor(gain_db)
    samples = 0
    for block in _resampled(blocks):
        if not np.isfinite(block).all():
            raise UserError(f"{path}: holds samples that are not finite numbers")
        samples += len(block)
        yield np.clip(block * gain, -LOUDEST, LOUDEST)
    if not samples:
        raise UserError(f"{path}: holds no audio samples")


def gain_factor(gain_db: float) -> np.float32:
    """Returns what samples are multiplied by.

    Raises:
        UserError: The gain is no number, or out of all bounds.
    """
    if not -MOST_GAIN_DB <= gain_db <= MOST_GAIN_DB:
        raise UserError(f"the gain must be from -200 to 200 dB, not {gain_db}")
    return np.float32(10 ** (gain_db / 20))


def pcm_blocks(
    stream: BinaryIO | None, seconds: float = 0.5, gain_db: float = 0.0
) -> Iterator[np.ndarray]:
    """Reads raw samples as they come: signed 16 bits, little endian, mono, 22,050 Hz.

    Args:
        stream: The stream, standard input for one; None if that is closed.
        seconds: Length of a block in seconds; those at which the stream pauses may be shorter.
        gain_db: Gain by which the sound is amplified, in dB.

    Yields:
        float32 [samples], full scale +-1.

    Raises:
        UserError: The stream is closed, cannot be read, or holds a file, or the gain is no number.
    """
    gain = gain_factor(gain_db) / np.float32(32768)
    size = 2 * round(seconds * SAMPLE_RATE)
    rest, at_start = b"", True
    while data := _read(stream, size - len(rest)):
        data = rest + data
        if at_start:
            _check_is_raw(data)
            at_start = False
        whole = len(data) // 2 * 2
        data, rest = data[:whole], data[whole:]
        if data:
            yield np.clip(np.frombuffer(data, "<i2").astype(np.float32) * gain, -LOUDEST, LOUDEST)
    if rest:
        logging.warning("standard input ends in the middle of a sample of 16 bits")


def _check_is_raw(data: bytes) -> None:
    what = next((what for start, what in _FILES.items() if data.startswith(start)), None)
    if what or data[4:8] == b"ftyp":
        raise UserError(
            f"standard input holds {what or 'an MP4 file'}, not raw samples (signed 16 bits, "
            "little endian, mono, 22,050 Hz); ffmpeg -i FILE -f s16le -ar 22050 -ac 1 - makes them"
        )


def _read(stream: BinaryIO | None, size: int) -> bytes:
    if stream is None or stream.closed:
        raise UserError("standard input is closed")
    try:
        return stream.read(size)
    except OSError as error:
        raise UserError(f"standard input cannot be read ({one_line(error)})") from error


def _resampled(blocks: Iterable[tuple[int, np.ndarray]]) -> Iterator[np.ndarray]:
    """Brings blocks to 22,050 Hz; librosa's default quality."""
    import soxr

    rate, resampler = SAMPLE_RATE, None
    for block_rate, block in blocks:
        if block_rate != rate:
            if resampler:
                yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
            rate, resampler = block_rate, None
            if rate != SAMPLE_RATE:
                resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, "float32", quality="HQ")
        yield resampler.resample_chunk(block) if resampler else block
    if resampler:
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)
