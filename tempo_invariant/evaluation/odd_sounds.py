"""Sounds that no score has: noise, tones, clicks, hum; the same for the same seed."""

import math
from collections.abc import Iterator

import numpy as np
from scipy import signal

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.hearing import hear

LENGTHS_SECONDS = (5.0, 10.0, 20.0, 60.0)
"""Lengths of the sounds that a model is made to hear."""

_LEVEL = 0.2


def hear_all(
    embedder: Embedder, hop_frames: int, seed: int = 0
) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the names of sounds of all lengths, and their embeddings, float32 [steps, size]."""
    for number, seconds in enumerate(LENGTHS_SECONDS, seed):
        for name, pcm in make(seconds, number):
            blocks = np.array_split(pcm, math.ceil(seconds))
            yield name, hear(embedder, blocks, hop_frames, name).embedding


def make(seconds: float, seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Yields sounds of a length with their names.

    Args:
        seconds: Length of each.
        seed: Seed for all that is random in them, their pitches too.

    Yields:
        Name, and float32 [samples], mono, 22,050 Hz, full scale +-1.
    """
    generator = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    times = np.arange(count) / SAMPLE_RATE
    hertz = 80 * 2 ** (5 * generator.random(8))

    def tones(pitches: np.ndarray) -> np.ndarray:
        return np.sin(2 * np.pi * pitches[:, None] * times).sum(axis=0)

    for slope_db in (0.0, -3.0, -6.0):
        yield f"noise, {slope_db:g} dB an octave", _leveled(_noise(count, slope_db, generator))
    gusts = np.repeat(generator.random(count // 3000 + 1), 3000)[:count] ** 2
    yield "gusts of noise", _leveled(gusts * _noise(count, -3.0, generator))
    for number in range(3):
        yield f"sine {number + 1}", _leveled(tones(hertz[number : number + 1]))
    yield "chord", _leveled(tones(hertz[3] * np.array([1, 1.26, 1.498])))
    yield "sweep", _leveled(signal.chirp(times, 50, max(seconds, 1e-3), 5000, "logarithmic"))
    swing = hertz[4] * (1 + 0.4 * np.sin(2 * np.pi * 0.5 * times))
    yield "siren", _leveled(np.sin(2 * np.pi * np.cumsum(swing) / SAMPLE_RATE))
    yield "hum", _leveled(tones(50.0 * np.arange(1, 9)) + _noise(count, 0.0, generator) / 50)
    yield "metronome", _leveled(_clicks(np.arange(0, seconds, 0.5), count))
    strokes = np.cumsum(generator.exponential(0.3, int(6 * seconds) + 1))
    yield "crackle", _leveled(_clicks(strokes[strokes < seconds], count))


def _noise(count: int, slope_db: float, generator: np.random.Generator) -> np.ndarray:
    bands = np.fft.rfft(generator.standard_normal(count))
    hertz = np.maximum(np.fft.rfftfreq(count, 1 / SAMPLE_RATE), 20.0)
    return np.fft.irfft(bands * hertz ** (slope_db / 6.02), count)


def _clicks(seconds: np.ndarray, count: int) -> np.ndarray:
    """Returns short resonant clicks at some times."""
    clicks = np.zeros(count)
    clicks[(seconds * SAMPLE_RATE).astype(int)] = 1.0
    return signal.lfilter([1.0], [1.0, -1.6, 0.95], clicks)


def _leveled(samples: np.ndarray) -> np.ndarray:
    peak = np.abs(samples).max(initial=1e-9)
    return (_LEVEL * samples / peak).astype(np.float32)
