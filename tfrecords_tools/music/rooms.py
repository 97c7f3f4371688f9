"""Draws rooms with an instrument and a microphone in them, and simulates how they sound.

The room is a box whose walls take up more or less of each octave. The first reflections are images
of the source in the walls, the later ones rays (pyroomacoustics: R. Scheibler, E. Bezzam,
I. Dokmanić, ICASSP 2018).
"""

from dataclasses import dataclass

import numpy as np

from tempo_invariant import extras
from tempo_invariant.geometry import SAMPLE_RATE
from tfrecords_tools.music.expression import random_state

OCTAVES_HZ = (125.0, 250.0, 500.0, 1000.0, 2000.0, 4000.0)
SOUND_SPEED = 343.0
"""Metres a second."""

LENGTH_METRES = (3.0, 25.0)
HEIGHT_METRES = (2.3, 9.0)
"""Ranges of the length of rooms, and of their height, which is at most 0.7 of the length."""

WIDTH_SHARE = (0.5, 1.0)
"""Range of the width relative to the length."""

ABSORPTION = (0.08, 0.5)
"""Range of the share of the energy that a reflection takes, over all octaves."""

ABSORPTION_SLOPE = (-0.3, 0.6)
"""Range of the change of its logarithm from the lowest octave to the highest."""

LONGEST_DECAY_SECONDS = 2.5
"""Walls take more where Sabine's formula gives a longer decay by 60 dB than this."""

DISTANCE_METRES = (0.4, 12.0)
MARGIN_METRES = 0.3
"""Range of the microphone's distance, and how far both are from the walls at least."""

SOURCE_HEIGHT_METRES = 1.2
"""Height above which no strings are."""

_IMAGE_ORDER = 6
_SABINE = 24 * np.log(10) / SOUND_SPEED


@dataclass(frozen=True)
class Room:
    """A box with an instrument and a microphone.

    Attributes:
        metres: Length, width and height, [3].
        absorption: Share of the energy that walls take in each of `OCTAVES_HZ`, [6].
        source: Place of the instrument in metres, [3].
        microphone: Place of the microphone in metres, [3]; the sound comes after a whole number
            of samples.
        seed: Seed of the rays.
    """

    metres: np.ndarray
    absorption: np.ndarray
    source: np.ndarray
    microphone: np.ndarray
    seed: int


def draw_room(seed: str) -> Room:
    """Draws a room.

    Args:
        seed: Any text; the same text gives the same room.
    """
    random = random_state(seed, "room")
    length = np.exp(random.uniform(*np.log(LENGTH_METRES)))
    lowest, highest = HEIGHT_METRES
    highest = max(lowest, min(highest, 0.7 * length))
    height = random.uniform(lowest, highest)
    metres = np.array([length, length * random.uniform(*WIDTH_SHARE), height])
    mean = np.exp(random.uniform(*np.log(ABSORPTION)))
    slope = random.uniform(*ABSORPTION_SLOPE) * np.linspace(-0.5, 0.5, len(OCTAVES_HZ))
    absorption = np.clip(mean * np.exp(slope), 0, 0.95)
    surface = 2 * (metres.prod() / metres).sum()
    decay = _SABINE * metres.prod() / (surface * absorption.min())
    absorption = np.clip(absorption * max(1.0, decay / LONGEST_DECAY_SECONDS), 0, 0.95)
    source, microphone = _places(metres, random)
    return Room(metres, absorption, source, microphone, int(random.randint(2**31 - 1)))


def _places(metres: np.ndarray, random: np.random.RandomState) -> tuple[np.ndarray, np.ndarray]:
    """Draws where instrument and microphone are, a whole number of samples apart."""
    nearest, farthest = DISTANCE_METRES
    farthest = min(farthest, 0.7 * float(np.linalg.norm(metres)))
    while True:
        source = random.uniform(MARGIN_METRES, metres - MARGIN_METRES)
        source[2] = min(source[2], SOURCE_HEIGHT_METRES)
        distance = np.exp(random.uniform(np.log(nearest), np.log(farthest)))
        samples = np.ceil(distance / SOUND_SPEED * SAMPLE_RATE)
        direction = random.standard_normal(3)
        direction /= np.linalg.norm(direction)
        microphone = source + direction * samples * SOUND_SPEED / SAMPLE_RATE
        if ((microphone > MARGIN_METRES) & (microphone < metres - MARGIN_METRES)).all():
            return source, microphone


def room_response(room: Room) -> np.ndarray:
    """Simulates what a microphone hears of an impulse.

    Args:
        room: The room, the impulse and the microphone in it.

    Returns:
        float64 [samples], at 22,050 Hz; the direct sound is the first one, which is 1.

    Raises:
        UserError: pyroomacoustics is not installed.
    """
    extras.require("pyroomacoustics", "simulating a room")
    import pyroomacoustics

    pyroomacoustics.random.seed(numpy=room.seed, libroom=room.seed)
    walls = {"coeffs": room.absorption.tolist(), "center_freqs": list(OCTAVES_HZ)}
    box = pyroomacoustics.ShoeBox(
        room.metres,
        fs=SAMPLE_RATE,
        materials=pyroomacoustics.Material(energy_absorption=walls),
        max_order=_IMAGE_ORDER,
        ray_tracing=True,
        air_absorption=True,
    )
    box.set_sound_speed(SOUND_SPEED)
    box.add_source(room.source)
    box.add_microphone(room.microphone)
    box.compute_rir()
    distance = np.linalg.norm(room.microphone - room.source)
    delay = pyroomacoustics.constants.get("frac_delay_length") // 2
    first = delay + round(distance / SOUND_SPEED * SAMPLE_RATE)
    response = np.asarray(box.rir[0][0], np.float64)[first:]
    return response / response[0]
