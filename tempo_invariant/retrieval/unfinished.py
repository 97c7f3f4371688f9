"""Windows whose future is not there yet, as those have who listen to music being played."""

import numpy as np

from tempo_invariant.audio.windows import window_samples
from tempo_invariant.geometry import frame_start
from tempo_invariant.retrieval.embedders import Embedder


def heard_samples(frames: int, behind: tuple[int, ...]) -> int:
    """Returns how much sound before the end lies in windows of so many frames.

    Args:
        frames: Length of a window in spectrogram frames.
        behind: By how many frames the middles of the windows are before the end.
    """
    return int(frame_start(frames // 2 + max(behind)))


def embed_unfinished(embedder: Embedder, sounds: np.ndarray, behind: tuple[int, ...]) -> np.ndarray:
    """Embeds windows around moments just before the end of sounds, after which they are silent.

    Args:
        embedder: The model; runs compute what the windows have in common once.
        sounds: Sounds, float32 [sounds, heard_samples(embedder.frames, behind)].
        behind: By how many frames the middles of the windows are before the end.

    Returns:
        float32 [sounds, windows, size].
    """
    together = getattr(embedder, "embed_unfinished", None)
    if together is not None:
        return together(sounds, behind)
    length = window_samples(embedder.frames)
    windows = np.zeros((len(sounds), len(behind), length), np.float32)
    for number, frame in enumerate(behind):
        heard = sounds[:, frame_start(max(behind) - frame) :][:, :length]
        windows[:, number, : heard.shape[1]] = heard
    embedding = embedder.embed_audio(windows.reshape(-1, length)).embedding
    return embedding.reshape(len(sounds), len(behind), embedder.size)
