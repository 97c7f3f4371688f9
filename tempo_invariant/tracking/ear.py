"""What the model hears of the last moments: embeddings of windows whose future is not there yet."""

import dataclasses
from typing import NamedTuple

import numpy as np

from tempo_invariant.audio.windows import SILENCE, window_samples
from tempo_invariant.geometry import FRAMES_PER_SECOND, frame_start
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.unfinished import embed_unfinished, heard_samples

STEP_FRAMES = 2
"""Frames between neighbouring moments."""

STEP_SECONDS = STEP_FRAMES / FRAMES_PER_SECOND


class Lags(NamedTuple):
    """Which windows are heard at a moment, and what they tell.

    Attributes:
        steps: By how many steps their middles are earlier than the moment, ascending.
        sharpness: By how much the logarithm of the likelihood grows with the similarity, for each.
        lead_seconds: By how much they seem to be earlier than they are.
        least_fit: Mean similarity to what is printed there below which something else is played.
    """

    steps: tuple[int, ...]
    sharpness: tuple[float, ...]
    lead_seconds: float
    least_fit: float


KNOWING = Lags((1, 4), (8.0, 14.0), 0.01, 0.38)
"""Of models that were trained with excerpts whose future is missing."""

WAITING = Lags((4, 10), (6.0, 12.0), 0.045, 0.3)
"""Of other models, which need more of the future."""


def lags_of(embedder: Embedder) -> Lags:
    """Returns the windows that suit a model."""
    return KNOWING if getattr(embedder, "knows_present", False) else WAITING


@dataclasses.dataclass(frozen=True)
class Observations:
    """What was heard at some moments, `STEP_SECONDS` apart.

    Attributes:
        steps: Numbers of the moments: how many steps were heard by then, int64 [moments].
        lags: By how many steps the middles of the windows are earlier, ascending.
        embeddings: Embeddings of the windows, float32 [moments, lags, size]; 0 where one is
            silent, or its middle is before the recording begins.
        levels: Largest absolute samples of the last step, float32 [moments].
    """

    steps: np.ndarray
    lags: tuple[int, ...]
    embeddings: np.ndarray
    levels: np.ndarray

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, moments: slice) -> "Observations":
        return Observations(
            self.steps[moments], self.lags, self.embeddings[moments], self.levels[moments]
        )

    @property
    def seconds(self) -> np.ndarray:
        """How much was heard, float64 [moments]."""
        return self.steps * STEP_SECONDS

    @property
    def silent(self) -> np.ndarray:
        """Tells whether nothing was to be heard in the last step: bool [moments]."""
        return self.levels < SILENCE


class Ear:
    """Hears a stream, and embeds its windows once for all who track it.

    At every moment there are windows around moments a little earlier, in which silence stands for
    what is still to come.

    Args:
        embedder: Model that embeds the windows.
    """

    def __init__(self, embedder: Embedder):
        self.lags = lags_of(embedder).steps
        self._embedder = embedder
        self._behind = tuple(lag * STEP_FRAMES for lag in self.lags)
        self._step = 0
        # Samples from `_offset` on; those before the recording are silence.
        self._offset = -heard_samples(embedder.frames, self._behind)
        self._kept = np.zeros(-self._offset, np.float32)

    def push(self, block: np.ndarray) -> Observations:
        """Adds samples, float32 [count] at 22,050 Hz; returns what the moments since then hear."""
        self._kept = np.concatenate([self._kept, np.asarray(block, np.float32)])
        first = self._step + 1
        while _sample(self._step + 1) <= self._offset + len(self._kept):
            self._step += 1
        steps = np.arange(first, self._step + 1)
        length = heard_samples(self._embedder.frames, self._behind)
        sounds = np.zeros((len(steps), length), np.float32)
        levels = np.zeros(len(steps), np.float32)
        for number, step in enumerate(steps.tolist()):
            end = _sample(step) - self._offset
            sounds[number] = self._kept[end - length : end]
            levels[number] = np.abs(self._kept[_sample(step - 1) - self._offset : end]).max()
        dropped = _sample(self._step) - length - self._offset
        self._kept, self._offset = self._kept[dropped:], self._offset + dropped
        return Observations(steps, self.lags, self._embed(steps, sounds), levels)

    def _embed(self, steps: np.ndarray, sounds: np.ndarray) -> np.ndarray:
        """Embeds the windows of moments: float32 [moments, lags, size]; 0 without a sound."""
        audible = steps[:, None] >= np.array(self.lags)
        for number, frame in enumerate(self._behind):
            first = int(frame_start(max(self._behind) - frame))
            window = sounds[:, first : first + window_samples(self._embedder.frames)]
            audible[:, number] &= np.abs(window).max(axis=1, initial=0) >= SILENCE
        embeddings = np.zeros((*audible.shape, self._embedder.size), np.float32)
        heard = audible.any(axis=1)
        if heard.any():
            found = embed_unfinished(self._embedder, sounds[heard], self._behind)
            embeddings[heard] = found * audible[heard][:, :, None]
        return embeddings


def _sample(step: int) -> int:
    """Returns the number of samples that are heard by a moment."""
    return int(frame_start(step * STEP_FRAMES))
