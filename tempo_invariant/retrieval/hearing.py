"""Recordings as the model hears them: the embeddings of their windows."""

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from tempo_invariant import progress
from tempo_invariant.audio.windows import SILENCE, Windows, cut_windows
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import FRAMES_PER_SECOND, SAMPLE_RATE
from tempo_invariant.retrieval.embedders import Embedder


@dataclasses.dataclass(frozen=True)
class Heard:
    """A recording as the model hears it; silent windows are left out.

    Attributes:
        seconds: Middles of the windows, float64 [windows].
        embedding: Embeddings of the windows, float32 [windows, size].
        attention: Attention to the frames of each window, float32 [windows, frames].
        duration_seconds: Duration of the recording.
        sound_start_seconds: Time of the first sample that can be heard.
        sound_end_seconds: Time of the last one.
    """

    seconds: np.ndarray
    embedding: np.ndarray
    attention: np.ndarray
    duration_seconds: float
    sound_start_seconds: float
    sound_end_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON can hold them."""
        return {
            "seconds": self.seconds.tolist(),
            "embedding": self.embedding.tolist(),
            "attention": self.attention.tolist(),
            "duration_seconds": self.duration_seconds,
            "sound_start_seconds": self.sound_start_seconds,
            "sound_end_seconds": self.sound_end_seconds,
        }


def embed_windows(embedder: Embedder, windows: Windows) -> tuple[np.ndarray, ...]:
    """Embeds the windows that are not silent.

    Returns:
        Their frames int64, embeddings float32 and attention float32, each [windows, ...].
    """
    audible = ~windows.silent
    outputs = embedder.embed_audio(windows.pcm[audible])
    return windows.frames[audible], outputs.embedding, outputs.attention


def hear(
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    hop_frames: int,
    name: str = "the recording",
    on_onsets: bool = True,
) -> Heard:
    """Embeds a recording, some seconds at a time.

    Args:
        embedder: Model that embeds the windows.
        blocks: Blocks of the recording, float32 [samples] each, see `audio.reading.read_blocks`.
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        name: Name of the recording, for messages.
        on_onsets: Whether windows go to the nearest onsets; see `audio.windows.WindowCutter`.

    Raises:
        UserError: Nothing can be heard in it.
    """
    parts = []
    samples = sound_end = 0
    sound_start: int | None = None

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples, sound_start, sound_end
        for block in blocks:
            audible = np.flatnonzero(np.abs(block) >= SILENCE)
            if len(audible):
                sound_end = samples + int(audible[-1]) + 1
                sound_start = samples + int(audible[0]) if sound_start is None else sound_start
            samples += len(block)
            yield block

    with progress.track(text="seconds heard", keep=False) as bar:
        for windows in cut_windows(counted(), embedder.frames, hop_frames, on_onsets):
            parts.append(embed_windows(embedder, windows))
            bar.update(samples // SAMPLE_RATE - bar.n)
    frames, embedding, attention = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not len(frames):
        raise UserError(f"{name}: is silent (no sample above {SILENCE:g})")
    times = (count / SAMPLE_RATE for count in (samples, sound_start or 0, sound_end))
    return Heard(frames / FRAMES_PER_SECOND, embedding, attention, *times)
