"""What players do that no score says, cut from a recording: jumps, stops, wrong repeats."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tempo_invariant.geometry import SAMPLE_RATE

JUMP_BARS = 8
STOP_SECONDS = 5.0
REPEATED_BARS = (2, 16)
"""The least and the most bars that a wrong repeat goes back."""

BEFORE_SECONDS = 20.0
"""So much is heard before the alteration, or less at the start of the recording."""

LEAST_BEFORE_SECONDS = 10.0
AFTER_SECONDS = 12.0
"""So much is heard after it."""

_FADE_SECONDS = 0.01
_AHEAD_SECONDS = 0.02
"""The cut is so much before an onset, so that the whole of its attack is heard."""


@dataclass(frozen=True)
class Performance:
    """Something heard that is cut from a recording.

    Attributes:
        pcm: What is heard, float32 [samples].
        starts: Times at which its stretches begin, ascending from 0, float64 [stretches].
        origins: Times of the recording that they are from; NaN for silence, float64 [stretches].
    """

    pcm: np.ndarray
    starts: np.ndarray
    origins: np.ndarray

    @classmethod
    def whole(cls, pcm: np.ndarray) -> "Performance":
        """Returns the recording as it is."""
        return cls(pcm, np.zeros(1), np.zeros(1))

    @property
    def duration_seconds(self) -> float:
        """How long it lasts."""
        return len(self.pcm) / SAMPLE_RATE

    def origin(self, seconds: np.ndarray) -> np.ndarray:
        """Returns the times of the recording that are heard at some times; NaN in silence."""
        stretch = np.maximum(np.searchsorted(self.starts, seconds, side="right") - 1, 0)
        return self.origins[stretch] + (seconds - self.starts[stretch])


@dataclass(frozen=True)
class Alteration:
    """An altered performance.

    Attributes:
        performance: What is heard.
        seconds: When the music goes on after what was altered.
    """

    performance: Performance
    seconds: float


def _jump(bars: np.ndarray, at: int, _: np.random.Generator) -> float | None:
    return float(bars[at + JUMP_BARS]) if at + JUMP_BARS < len(bars) else None


def _stop(bars: np.ndarray, at: int, _: np.random.Generator) -> float | None:
    return float(bars[at])


def _repeat(bars: np.ndarray, at: int, generator: np.random.Generator) -> float | None:
    least, most = REPEATED_BARS
    if at < least:
        return None
    return float(bars[at - generator.integers(least, min(most, at) + 1)])


KINDS: dict[str, tuple[Callable[..., float | None], float]] = {
    "jump": (_jump, 0.0),
    "stop": (_stop, STOP_SECONDS),
    "repeat": (_repeat, 0.0),
}
"""By the name of an alteration where the music goes on, and after how much silence."""


def alter(
    kind: str, pcm: np.ndarray, bars: Sequence[float], generator: np.random.Generator
) -> Alteration | None:
    """Alters a recording at a bar that is drawn.

    Args:
        kind: One of `KINDS`.
        pcm: The recording, float32 [samples].
        bars: Times at which its bars begin, ascending.
        generator: Source of the place.

    Returns:
        What is heard some seconds before and after; None if the recording is too short.
    """
    goes_on, silence = KINDS[kind]
    duration = len(pcm) / SAMPLE_RATE
    onsets = np.asarray(bars, float)
    possible = []
    for at, seconds in enumerate(onsets):
        target = goes_on(onsets, at, generator)
        if seconds < LEAST_BEFORE_SECONDS or target is None:
            continue
        if target + AFTER_SECONDS <= duration:
            possible.append((seconds - _AHEAD_SECONDS, max(0.0, target - _AHEAD_SECONDS)))
    if not possible:
        return None
    cut, target = possible[generator.integers(len(possible))]
    first = max(0.0, cut - BEFORE_SECONDS)
    stretches = [(first, cut - first), (np.nan, silence), (target, AFTER_SECONDS)]
    performance = _join(pcm, [each for each in stretches if each[1] > 0])
    return Alteration(performance, float(performance.starts[-1]))


def _join(pcm: np.ndarray, stretches: Sequence[tuple[float, float]]) -> Performance:
    """Joins stretches, each a time of the recording (NaN: silence) and a length, cross-faded."""
    fade = round(_FADE_SECONDS * SAMPLE_RATE)
    ramp = np.linspace(0, 1, fade, dtype=np.float32)
    lengths = [round(length * SAMPLE_RATE) for _, length in stretches]
    places = np.concatenate([[0], np.cumsum(lengths)])
    heard = np.zeros(places[-1] + fade, np.float32)
    for (origin, _), place, length in zip(stretches, places[:-1], lengths, strict=True):
        if np.isnan(origin):
            continue
        first = round(origin * SAMPLE_RATE)
        sound = np.array(pcm[first : first + length + fade], np.float32)
        sound[length:] *= ramp[::-1][: len(sound) - length]
        if place:
            sound[:fade] *= ramp
        heard[place : place + len(sound)] += sound
    origins = np.array([origin for origin, _ in stretches])
    return Performance(heard[:-fade], places[:-1] / SAMPLE_RATE, origins)
