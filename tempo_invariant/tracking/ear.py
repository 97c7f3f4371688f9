"""What the model hears of the last moments: embeddings of windows whose future is not there yet."""

import dataclasses
from typing import NamedTuple

import numpy as np

from tempo_invariant.audio.windows import SILENCE, window_samples
from tempo_invariant.geometry import FRAMES_PER_SECOND, frame_start
from tempo_invariant.retrieval.embedders import Embedder

STEP_FRAMES = 2
"""Frames between neighbouring moments."""

STEP_SECONDS = STEP_FRAMES / FRAMES_PER_SECOND


class Lags(NamedTuple):
    """Which windows are heard at a moment, and what they tell.

    Attributes:
        steps: By how many steps their middles are earlier than the moment, ascending.
        sharpness: By how much the logarithm of the likelihood grows with the similarity, for each.
        lead_seconds: By how much they seem to be earlier than they are.
    """

    steps: tuple[int, ...]
    sharpness: tuple[float, ...]
    lead_seconds: float


KNOWING = Lags((1, 4), (8.0, 14.0), 0.01)
"""Of models that were trained with excerpts whose future is missing."""

WAITING = Lags((4, 10), (6.0, 12.0), 0.045)
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
        self.lags = lags = lags_of(embedder).steps
        self._embedder = embedder
        self._length = window_samples(embedder.frames)
        self._step = 0
        # Samples from `_offset` on; those before the recording are silence.
        self._offset = int(frame_start(STEP_FRAMES * -max(lags) - embedder.frames // 2))
        self._kept = np.zeros(-self._offset, np.float32)

    def push(self, block: np.ndarray) -> Observations:
        """Adds samples, float32 [count] at 22,050 Hz; returns what the moments since then hear."""
        self._kept = np.concatenate([self._kept, np.asarray(block, np.float32)])
        first = self._step + 1
        end = self._offset + len(self._kept)
        while frame_start((self._step + 1) * STEP_FRAMES) <= end:
            self._step += 1
        steps = np.arange(first, self._step + 1)
        windows = [self._window(step, lag) for step in steps for lag in self.lags]
        levels = [self._level(step) for step in steps]
        start = self._frame(self._step + 1, max(self.lags))
        self._kept, self._offset = self._kept[start - self._offset :], start
        shape = (len(steps), len(self.lags), self._embedder.size)
        return Observations(
            steps, self.lags, self._embed(windows).reshape(shape), np.array(levels, np.float32)
        )

    def _embed(self, windows: list[np.ndarray]) -> np.ndarray:
        """Embeds windows [samples]; those without a sound become 0."""
        embeddings = np.zeros((len(windows), self._embedder.size), np.float32)
        audible = [np.abs(window).max() >= SILENCE for window in windows]
        if any(audible):
            heard = np.stack(windows)[audible]
            embeddings[audible] = self._embedder.embed_audio(heard).embedding
        return embeddings

    def _frame(self, step: int, lag: int) -> int:
        """Returns the first sample of a window."""
        return int(frame_start((step - lag) * STEP_FRAMES - self._embedder.frames // 2))

    def _window(self, step: int, lag: int) -> np.ndarray:
        if step < lag:
            return np.zeros(self._length, np.float32)
        first, now = self._frame(step, lag), int(frame_start(step * STEP_FRAMES))
        heard = self._kept[first - self._offset : min(first + self._length, now) - self._offset]
        return np.pad(heard, (0, self._length - len(heard)))

    def _level(self, step: int) -> float:
        first, last = (int(frame_start(s * STEP_FRAMES)) for s in (step - 1, step))
        return float(np.abs(self._kept[first - self._offset : last - self._offset]).max())
