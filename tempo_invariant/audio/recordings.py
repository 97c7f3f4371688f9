"""A recording to ask with: a file, or samples in memory."""

import numbers
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo_invariant.audio import reading
from tempo_invariant.audio.decoding import BLOCK_SECONDS
from tempo_invariant.errors import UserError
from tempo_invariant.files import why_no_file
from tempo_invariant.geometry import SAMPLE_RATE

AUDIO_SUFFIXES = (
    *(".wav", ".w64", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".m4a", ".aac", ".aif", ".aiff"),
    *(".au", ".caf", ".wma", ".mka", ".mkv", ".webm", ".mp4", ".mov"),
)
"""By what audio files are known among others."""


@dataclass(frozen=True)
class Recording:
    """A recording that can be read more than once; `open_recording` makes it.

    Attributes:
        name: Path of the file, or a name for the samples.
        path: Path of the file; None for samples in memory.
        samples: Samples, float32 [samples, channels] with full scale +-1; None for a file.
        rate: Sampling rate of the samples in Hz.
        strict: Whether what cannot be decoded is an error rather than a warning.
    """

    name: str
    path: Path | None = None
    samples: np.ndarray | None = None
    rate: int = SAMPLE_RATE
    strict: bool = False

    def check(self) -> None:
        """Raises `UserError` if the recording cannot be read, which its beginning mostly tells."""
        next(iter(self.blocks()), None)

    def blocks(self, gain_db: float = 0.0) -> Iterator[np.ndarray]:
        """Yields the recording in blocks, float32 [samples] each, mono at 22,050 Hz.

        Args:
            gain_db: Gain by which it is amplified, in dB.

        Raises:
            UserError: It cannot be read, is empty, or holds values that aren't numbers.
        """
        if self.samples is None:
            return reading.read_blocks(self.path or self.name, gain_db, strict=self.strict)
        step = BLOCK_SECONDS * self.rate
        parts = (self.samples[first : first + step] for first in range(0, len(self.samples), step))
        blocks = ((self.rate, part.mean(axis=1, dtype=np.float32)) for part in parts)
        return reading.prepare(self.name, blocks, gain_db)


def open_recording(
    source: str | Path | np.ndarray,
    rate: int | None = None,
    name: str = "recording",
    strict: bool = False,
) -> Recording:
    """Returns a recording that is a file, or samples in memory.

    Args:
        source: Path of an audio file, or samples [samples] or [samples, channels]: floating-point
            numbers with full scale +-1, or signed integers.
        rate: Sampling rate of the samples in Hz.
        name: Name of the samples, for messages and titles.
        strict: Whether what cannot be decoded is an error rather than a warning.

    Raises:
        UserError: There is no such file, or the samples do not fit.
    """
    if not isinstance(source, str | os.PathLike | np.ndarray):
        kind = type(source).__name__
        raise UserError(f"a recording is the path of a file or an array of samples, not a {kind}")
    if not isinstance(source, np.ndarray):
        path = Path(source)
        if not path.is_file():
            raise UserError(f"{path}: {why_no_file(path, 'audio file')}")
        return Recording(str(source), path, strict=strict)
    if not isinstance(rate, numbers.Real) or not rate > 0:
        raise UserError(f"{name}: samples need their sampling rate, received rate={rate!r}")
    if source.ndim not in (1, 2) or source.dtype.kind not in "fi":
        raise UserError(
            f"{name}: samples must be [samples] or [samples, channels] of floating-point numbers "
            f"or signed integers, received {source.dtype} {list(source.shape)}"
        )
    if source.ndim == 2 and 0 < source.shape[0] < source.shape[1]:
        raise UserError(
            f"{name}: {list(source.shape)} looks like [channels, samples]: transpose it"
        )
    full_scale = -float(np.iinfo(source.dtype).min) if source.dtype.kind == "i" else 1.0
    columns = source[:, None] if source.ndim == 1 else source
    samples = columns.astype(np.float32) / np.float32(full_scale)
    return Recording(name, samples=samples, rate=int(rate))
