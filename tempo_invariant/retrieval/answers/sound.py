"""A recording for a page that plays it: within the page, or as a file beside it."""

import base64
import io
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

import numpy as np

from tempo_invariant.audio.recordings import Recording
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import SAMPLE_RATE

MEDIA_TYPES = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".flac": "audio/flac",
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".opus": "audio/ogg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
}
"""What browsers play as it is, by suffix."""

EMBEDDED_BYTES = 16 * 2**20
"""Larger files, and those that browsers don't play, become mono FLAC at 22,050 Hz; if that is
larger, too, it is put beside the page. Some browsers refuse URLs of more than 32 MiB."""


def sound_url(
    recording: Recording, page: str | Path, embed: bool = True, limit: int = EMBEDDED_BYTES
) -> str:
    """Returns the URL of a recording for a page, which holds the recording itself if it can.

    Args:
        recording: Recording.
        page: Path of the page. What it cannot hold becomes a file beside it, of its name.
        embed: Whether the page is to hold the recording.
        limit: Largest number of bytes that it holds.

    Raises:
        UserError: The recording cannot be read.
    """
    page, data = Path(page), b""
    kind = MEDIA_TYPES.get(recording.path.suffix.lower()) if recording.path else None
    playable = recording.path if kind else None
    if embed and playable and kind:
        try:
            if playable.stat().st_size <= limit:
                return data_url(kind, playable.read_bytes())
        except OSError as error:
            raise UserError(f"{recording.name}: cannot be read ({error.strerror})") from error
    if embed or not playable:
        data = flac(recording.blocks())
    if embed and len(data) <= limit:
        return data_url("audio/flac", data)
    name = _copy(playable, page) if playable else _write(data, page)
    return quote(os.fsencode(name))


def _copy(recording: Path, page: Path) -> str:
    """Copies a recording beside a page, unless it lies there already; returns its name."""
    if page.parent.exists() and recording.parent.samefile(page.parent):
        return recording.name
    target = page.with_suffix(recording.suffix.lower())
    with atomic_write(target) as path:
        shutil.copyfile(recording, path)
    return target.name


def _write(data: bytes, page: Path) -> str:
    """Writes a FLAC file beside a page; returns its name."""
    target = page.with_suffix(".flac")
    with atomic_write(target) as path:
        path.write_bytes(data)
    return target.name


def flac(blocks: Iterable[np.ndarray]) -> bytes:
    """Returns samples as a FLAC file of 16 bits."""
    import soundfile

    stream = io.BytesIO()
    with soundfile.SoundFile(stream, "w", SAMPLE_RATE, 1, "PCM_16", format="FLAC") as file:
        for block in blocks:
            file.write(np.clip(block, -1.0, 1.0))
    return stream.getvalue()


def data_url(kind: str, data: bytes) -> str:
    """Returns bytes as a URL that holds them: `data:audio/flac;base64,...`."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
