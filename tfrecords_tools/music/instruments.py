"""Draws pianos that are not new: their tuning, and the noise of their pedal.

A tuner stretches the octaves of a piano, which lowers the bass and raises the treble (O. Railsback,
"Scale temperament as applied to piano tuning", JASA 9, 1938); with the months every string drifts
by some cents, so that keys, and the strings of one key, are no longer in tune with each other.
"""

from dataclasses import dataclass

import numpy as np
from scipy import signal

from tempo_invariant.geometry import SAMPLE_RATE
from tfrecords_tools.music.expression import random_state
from tfrecords_tools.music.notes import Music

PITCH_CENTS = (-20.0, 20.0)
"""Range of the deviation of the whole instrument."""

STRETCH = (0.0, 1.0)
"""Range of the stretch, relative to one of 20 cents at the lowest key and 30 at the highest."""

KEY_CENTS = (0.0, 4.0)
UNISON_CENTS = (0.3, 3.0)
"""Ranges of the standard deviation between keys, and of that between two strings of a key."""

PEDAL_SECONDS = (0.02, 0.08)
PEDAL_HZ = (40.0, 500.0)
PEDAL_DB = (-30.0, -10.0)
"""Ranges of the time constant of the pedal's noise, of its frequencies, and of its power in its
first moment relative to that of the music."""


@dataclass(frozen=True)
class Instrument:
    """A piano that is not new.

    Attributes:
        tunings: Cents by which keys are too high, two strings of each: two of [128].
        press: Noise when the pedal is pressed, [samples]; its first moment has a power of 1.
        release: The same when it is released.
        pedal_db: Power of that noise relative to that of the music.
    """

    tunings: tuple[np.ndarray, np.ndarray]
    press: np.ndarray
    release: np.ndarray
    pedal_db: float

    def add_pedal_noise(self, pcm: np.ndarray, played: Music) -> np.ndarray:
        """Returns float32 [samples] with the noise of every press and release of the pedal."""
        if not len(pcm) or not played.pedal:
            return pcm
        gain = np.sqrt(np.mean(np.square(pcm, dtype=np.float64))) * 10 ** (self.pedal_db / 20)
        noisy = pcm.astype(np.float32)
        for noise, ticks in (
            (self.press, [pedal.press for pedal in played.pedal]),
            (self.release, [pedal.release for pedal in played.pedal]),
        ):
            for start in np.round(played.seconds(ticks) * SAMPLE_RATE).astype(int):
                place = noisy[start : start + len(noise)]
                place += gain * noise[: len(place)]
        return noisy


def draw_instrument(seed: str) -> Instrument:
    """Draws an instrument.

    Args:
        seed: Any text; the same text gives the same instrument.
    """
    random = random_state(seed, "instrument")
    place = np.arange(128) - 69.0
    stretch = np.where(place < 0, 20 * (place / 48) ** 3, 30 * (place / 39) ** 3)
    cents = random.uniform(*PITCH_CENTS) + random.uniform(*STRETCH) * stretch
    cents += random.uniform(*KEY_CENTS) * random.standard_normal(128)
    apart = random.uniform(*UNISON_CENTS) * random.standard_normal(128) / np.sqrt(2)
    press, release = _thump(random), _thump(random)
    return Instrument((cents - apart, cents + apart), press, release, random.uniform(*PEDAL_DB))


def _thump(random: np.random.RandomState) -> np.ndarray:
    """Returns a burst of noise that dies away, [samples]."""
    seconds = random.uniform(*PEDAL_SECONDS)
    times = np.arange(round(5 * seconds * SAMPLE_RATE)) / SAMPLE_RATE
    filtered = signal.sosfilt(
        signal.butter(2, PEDAL_HZ, "bandpass", fs=SAMPLE_RATE, output="sos"),
        random.standard_normal(len(times)),
    )
    return filtered / np.std(filtered) * np.exp(-times / seconds)
