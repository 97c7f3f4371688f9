"""Tests of simulated rooms: reverberation by Eyring's formula, and the direct sound's time."""

import numpy as np
import pytest
from scipy import signal

from tempo_invariant.audio.degradation import reverberate
from tempo_invariant.geometry import SAMPLE_RATE
from tfrecords_tools.music.rooms import (
    LONGEST_DECAY_SECONDS,
    MARGIN_METRES,
    SOUND_SPEED,
    draw_room,
    room_response,
)


def _eyring(metres: np.ndarray, absorption: float) -> float:
    length, width, height = metres
    surface = 2 * (length * width + length * height + width * height)
    return 0.161 * length * width * height / (-surface * np.log(1 - absorption))


def _decay_seconds(response: np.ndarray, hertz: float) -> float:
    """Returns the time for 60 dB in an octave, from the decay between -5 and -25 dB."""
    band = (hertz / 2**0.5, hertz * 2**0.5)
    octave = signal.butter(3, band, "bandpass", fs=SAMPLE_RATE, output="sos")
    left = np.cumsum(signal.sosfilt(octave, response)[::-1] ** 2)[::-1]
    decibels = 10 * np.log10(left / left[0])
    return 3 * (np.argmax(decibels < -25) - np.argmax(decibels < -5)) / SAMPLE_RATE


@pytest.mark.parametrize("seed", ["0", "1", "2"])
def test_a_room_decays_as_eyring_says(seed):
    room = draw_room(seed)
    response = room_response(room)
    for octave, hertz in ((1, 250.0), (3, 1000.0)):
        wanted = _eyring(room.metres, room.absorption[octave])
        assert 0.7 < _decay_seconds(response, hertz) / wanted < 1.6


def test_the_direct_sound_stays_where_it_is():
    pcm = np.zeros(SAMPLE_RATE, np.float32)
    pcm[[3000, 12000]] = 0.5
    for seed in "345":
        response = room_response(draw_room(seed))
        assert response[0] == 1 and np.abs(response[1:]).max() < 1
        heard = reverberate(pcm, response)
        assert np.abs(heard[:3000]).max() < 1e-6
        assert np.argmax(np.abs(heard[:12000])) == 3000
        again = 12000 + np.argmax(np.abs(heard[11900:12100])) - 100
        assert again == 12000


def test_rooms_are_as_drawn():
    rooms = [draw_room(str(k)) for k in range(200)]
    for room in rooms:
        for place in (room.source, room.microphone):
            assert (place > MARGIN_METRES - 1e-9).all()
            assert (place < room.metres - MARGIN_METRES + 1e-9).all()
        samples = np.linalg.norm(room.source - room.microphone) / SOUND_SPEED * SAMPLE_RATE
        assert abs(samples - round(samples)) < 1e-6
        surface = 2 * (room.metres.prod() / room.metres).sum()
        sabine = 0.161 * room.metres.prod() / (surface * room.absorption)
        assert (sabine < 1.01 * LONGEST_DECAY_SECONDS).all()
    lengths = [room.metres[0] for room in rooms]
    assert min(lengths) < 4 and max(lengths) > 18
    np.testing.assert_array_equal(draw_room("7").microphone, rooms[7].microphone)
