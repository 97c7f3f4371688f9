"""Every effect on a recording, measured by other means than those that make it."""

import numpy as np
import pytest
from scipy import signal

from tempo_invariant.audio import degradation as effects
from tempo_invariant.audio.degradation import PHONE, RecordingDegradation, degrade_recording
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE


def _music(seconds=6.0, seed=0):
    """Decaying tones at random times, and noise below them."""
    random = np.random.default_rng(seed)
    time = np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE
    pcm = 1e-4 * random.normal(size=len(time))
    for start in np.arange(0.2, seconds - 0.5, 0.25):
        hertz = 110 * 2 ** random.uniform(0, 4)
        since = np.maximum(time - start, 0)
        pcm += 0.1 * (time >= start) * np.exp(-4 * since) * np.sin(2 * np.pi * hertz * since)
    return pcm.astype(np.float32)


def _power_db(pcm):
    return 10 * np.log10(np.mean(np.square(pcm, dtype=np.float64)))


def _lag(before, after):
    """By how many samples `after` is late."""
    reach = 2000
    middle = before[reach:-reach].astype(float)
    return int(np.argmax(signal.correlate(after.astype(float), middle, "valid"))) - reach


def test_nothing_happens_by_default():
    pcm = _music()
    np.testing.assert_array_equal(degrade_recording(pcm, RecordingDegradation()), pcm)


@pytest.mark.parametrize("level_db", [-20.0, 12.0])
def test_level(level_db):
    pcm = _music()
    louder = degrade_recording(pcm, RecordingDegradation(level_db=level_db))
    assert _power_db(louder) - _power_db(pcm) == pytest.approx(level_db, abs=1e-3)
    assert louder.dtype == np.float32


@pytest.mark.parametrize("cents", [-30.0, 30.0])
def test_tuning_moves_pitch_and_onsets_by_one_factor(cents):
    how = RecordingDegradation(tuning_cents=cents)
    time = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    sine = (0.3 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    tuned = degrade_recording(sine, how)
    window = np.hanning(len(tuned))
    spectrum = np.abs(np.fft.rfft(tuned * window, 2**22))
    hertz = np.argmax(spectrum) * SAMPLE_RATE / 2**22
    assert 1200 * np.log2(hertz / 440) == pytest.approx(cents, abs=0.1)
    clicks = np.zeros(20 * SAMPLE_RATE, np.float32)
    places = np.array([1.0, 7.5, 19.0])
    clicks[(places * SAMPLE_RATE).astype(int)] = 0.5
    energy = np.square(degrade_recording(clicks, how).astype(float))
    for expected in places * how.time_factor * SAMPLE_RATE:
        near = np.arange(round(expected) - 20, round(expected) + 21)
        assert np.average(near, weights=energy[near]) == pytest.approx(expected, abs=0.1)
    assert energy[near[0] - 3000 : near[0]].max() < 1e-4 * energy[near].max()


@pytest.mark.parametrize("seconds", [0.4, 1.0])
def test_room_decays_as_long_as_it_should_and_is_as_loud(seconds):
    how = RecordingDegradation(room_seconds=seconds, wet_db=-3.0)
    click = np.zeros(2 * SAMPLE_RATE, np.float32)
    click[0] = 1.0
    response = degrade_recording(click, how, seed=5).astype(float)
    response /= response[0]
    assert 10 * np.log10(np.sum(response[1:] ** 2)) == pytest.approx(-3.0, abs=0.01)
    # Schroeder: the energy that is still to come falls by 60 dB within RT60.
    remaining = 10 * np.log10(np.cumsum(response[::-1] ** 2)[::-1][: round(0.8 * len(click))])
    remaining -= remaining[0]
    used = np.flatnonzero((remaining < -10) & (remaining > -35))
    slope = np.polyfit(used / SAMPLE_RATE, remaining[used], 1)[0]
    assert -60 / slope == pytest.approx(seconds, rel=0.1)
    # Between direct sound and first reflection it is silent.
    assert np.abs(response[1 : int(0.0039 * SAMPLE_RATE)]).max() < 1e-6


def test_room_keeps_length_power_and_onsets():
    pcm = _music()
    heard = degrade_recording(pcm, RecordingDegradation(room_seconds=0.6))
    assert len(heard) == len(pcm)
    assert _power_db(heard) == pytest.approx(_power_db(pcm), abs=1e-3)
    assert _lag(pcm, heard) == 0


@pytest.mark.parametrize(("snr_db", "slope_db"), [(20.0, 0.0), (10.0, -3.0), (10.0, -6.0)])
def test_noise_has_its_power_and_colour(snr_db, slope_db):
    pcm = _music()
    how = RecordingDegradation(noise_snr_db=snr_db, noise_slope_db=slope_db)
    noise = degrade_recording(pcm, how, seed=1) - pcm
    assert _power_db(pcm) - _power_db(noise) == pytest.approx(snr_db, abs=0.01)
    hertz, density = signal.welch(noise, SAMPLE_RATE, nperseg=8192)
    used = (hertz > 60) & (hertz < 8000)
    octaves = np.log2(hertz[used])
    slope = np.polyfit(octaves, 10 * np.log10(density[used]), 1, w=1 / np.sqrt(hertz[used]))[0]
    assert slope == pytest.approx(slope_db, abs=0.3)


def test_noise_leaves_silence_alone():
    silence = np.zeros(SAMPLE_RATE, np.float32)
    noisy = degrade_recording(silence, RecordingDegradation(noise_snr_db=10.0, room_seconds=0.4))
    assert not noisy.any()


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (effects.BASS_HEAVY, {40: 9, 125: 6, 500: 0, 1000: -3, 4000: -9, 9000: -9}),
        (effects.TREBLE_HEAVY, {40: -9, 250: -3, 2000: 6, 8000: 9}),
        (effects.PHONE_BAND, {150: -24, 400: 0, 1000: 0, 3300: 0, 6800: -24}),
    ],
)
def test_equalization_has_its_curve_and_no_delay(curve, expected):
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    for hertz, gain_db in expected.items():
        sine = np.sin(2 * np.pi * hertz * time).astype(np.float32)
        heard = degrade_recording(sine, RecordingDegradation(equalization=curve))
        inside = slice(3000, -3000)
        assert _power_db(heard[inside]) - _power_db(sine[inside]) == pytest.approx(gain_db, abs=0.5)
    assert _lag(_music(), effects.equalize(_music(), curve)) == 0


def _mp3_frames(data):
    """Bit rate, sampling rate and channels of every frame header (ISO/IEC 13818-3, mode mono)."""
    rates = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
    found, place = [], 0
    while place + 4 <= len(data):
        first, second, third, fourth = data[place : place + 4]
        assert (first, second & 0xFE) == (0xFF, 0xF2)  # MPEG-2, layer III
        kilobits, hertz = rates[third >> 4], (22050, 24000, 16000)[third >> 2 & 3]
        found.append((kilobits, hertz, 1 if fourth >> 6 == 3 else 2))
        place += 72000 * kilobits // hertz + (third >> 1 & 1)
    return found


def test_mp3_has_its_bit_rate_and_no_delay():
    pcm = _music()
    data = effects.mp3_bytes(pcm, 64)
    # The first frame holds no sound, but what to cut at both ends.
    assert set(_mp3_frames(data)[1:]) == {(64, SAMPLE_RATE, 1)}
    assert 8 * len(data) / 6 == pytest.approx(64_000, rel=0.03)
    heard = degrade_recording(pcm, RecordingDegradation(mp3_kilobits=64))
    assert len(heard) == len(pcm) and heard.dtype == np.float32
    assert _lag(pcm, heard) == 0
    assert _power_db(pcm) - _power_db(heard - pcm) > 15
    assert np.abs(heard - pcm).max() > 1e-4  # something is lost
    worse = degrade_recording(pcm, RecordingDegradation(mp3_kilobits=16))
    assert _power_db(worse - pcm) > _power_db(heard - pcm) + 3
    with pytest.raises(UserError, match="not 65"):
        effects.mp3_bytes(pcm, 65)


def test_phone_is_all_of_it_and_fixed_by_its_seed():
    pcm = _music()
    before = pcm.copy()
    heard = degrade_recording(pcm, PHONE, seed=[3, 4])
    np.testing.assert_array_equal(pcm, before)
    np.testing.assert_array_equal(degrade_recording(pcm, PHONE, seed=[3, 4]), heard)
    other = degrade_recording(pcm, PHONE, seed=[3, 5])
    assert np.corrcoef(heard, other)[0, 1] < 0.99
    assert len(heard) == pytest.approx(len(pcm) * 2 ** (-20 / 1200), abs=1)
    # 10 dB of noise add 0.4 dB, and MP3 leaves out what it thinks nobody hears.
    assert _power_db(heard) - _power_db(pcm) == pytest.approx(-20, abs=0.5)
    tuned = effects.tune(pcm, 20.0)
    assert abs(_lag(tuned, heard)) <= 1
