"""Tests of instruments: how their keys are tuned, and when their pedal is heard."""

import numpy as np

from tempo_invariant.geometry import SAMPLE_RATE
from tfrecords_tools.music.instruments import KEY_CENTS, PITCH_CENTS, draw_instrument
from tfrecords_tools.music.notes import Music, Note, Pedal, TempoMark


def test_tunings_lie_around_pitch_and_stretch():
    drawn = [draw_instrument(str(k)) for k in range(100)]
    middle = np.array([np.mean(instrument.tunings, axis=0) for instrument in drawn])
    a4, bass, treble = middle[:, 69], middle[:, 21:25].mean(axis=1), middle[:, 105:109].mean(axis=1)
    largest = PITCH_CENTS[1] + 4 * KEY_CENTS[1]
    assert np.abs(a4).max() < largest and np.std(a4) > 5
    assert 3 < np.mean(a4 - bass) < 20 and 5 < np.mean(treble - a4) < 25
    apart = np.array([np.diff(instrument.tunings, axis=0)[0] for instrument in drawn])
    assert 0.5 < np.std(apart) < 4
    np.testing.assert_array_equal(draw_instrument("3").tunings, drawn[3].tunings)


def test_the_pedal_is_heard_when_it_moves():
    instrument = draw_instrument("a")
    pedal = (Pedal(384, 1000), Pedal(1100, 2000))
    music = Music((Note(0, 60, 3000),), (TempoMark(0, 500_000),), pedal)
    pcm = np.full(4 * SAMPLE_RATE, 0.1, np.float32)
    noise = instrument.add_pedal_noise(pcm, music) - pcm
    moves = np.round(music.seconds([384, 1000, 1100, 2000]) * SAMPLE_RATE).astype(int)
    assert np.abs(noise[: moves[0]]).max() == 0
    for start in moves:
        moment = noise[start : start + SAMPLE_RATE // 50]
        decibels = 10 * np.log10(np.mean(moment**2) / 0.01)
        assert instrument.pedal_db - 8 < decibels < instrument.pedal_db + 3
    plain = Music(music.notes, music.tempo)
    assert instrument.add_pedal_noise(pcm, plain) is pcm
