"""Each variation against what it says it does, and all of them together."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats

from tempo_invariant import geometry
from tempo_invariant.audio import spectrogram as audio
from tempo_invariant.audio.bands import band_edges
from tempo_invariant.data import augmentation
from tempo_invariant.errors import UserError
from tempo_invariant.variations import Augmentation

ALL = Augmentation(
    tuning_cents=30,
    reverberation_seconds=1.0,
    equalization_db=12,
    low_cut_hz=300,
    high_cut_hz=3400,
    noise_snr_db=10,
    mask_frames=8,
    mask_bands=6,
    varied_share=1.0,
)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def music(rng, batch=5, frames=40):
    magnitudes = 0.01 * rng.random((batch, frames, geometry.BANDS))
    magnitudes[:, ::6, 4::9] += rng.uniform(0.3, 3, (batch, -(-frames // 6), 10))
    return magnitudes.astype("float32")


def test_tuning_moves_tones_as_far_as_the_front_end_says():
    """Against spectrograms of tones that are really out of tune."""
    seconds = np.arange(geometry.SAMPLE_RATE) / geometry.SAMPLE_RATE
    cents = np.array([-30.0, 30.0, 30.0, -60.0])
    hertz = np.array([220.0, 440.0, 1000.0, 2500.0])

    def magnitudes(frequencies):
        tones = 0.1 * np.sin(2 * np.pi * frequencies[:, None] * seconds)
        return 10 ** np.stack([audio.whole_spectrogram(tone).T for tone in tones]).astype(float) - 1

    plain, wanted = magnitudes(hertz), magnitudes(hertz * 2 ** (cents / 1200))
    found = augmentation.shift_tuning(plain.astype("float32"), cents.astype("float32")).numpy()

    def centroid(bands):
        weights = bands[:, 5:15].sum(axis=1) ** 2
        return (weights * np.arange(geometry.BANDS)).sum(axis=1) / weights.sum(axis=1)

    moved = centroid(wanted) - centroid(plain)
    assert (np.sign(moved) == np.sign(cents)).all()
    np.testing.assert_allclose(centroid(found) - centroid(plain), moved, atol=0.25)


def test_no_detuning_changes_nothing(rng):
    values = music(rng)
    np.testing.assert_array_equal(augmentation.shift_tuning(values, tf.zeros(5)), values)


def test_room_decays_by_60_db_in_its_time_and_has_its_energy():
    power = np.zeros((2, 100, geometry.BANDS), "float32")
    power[:, 3] = 2.0
    wet_db = np.array([-10.0, 0.0], "float32")
    seconds = np.array([0.5, 2.0], "float32")
    found = augmentation.reverberate(power, seconds, wet_db, 2.0).numpy()
    np.testing.assert_allclose(found[:, :4], power[:, :4], rtol=1e-6)  # nothing sounds earlier
    tail = found[:, 4:]
    fallen_db = 10 * np.log10(tail[:, 0] / tail[:, 8])
    expected_db = 60 * 8 / (seconds * geometry.FRAMES_PER_SECOND)
    np.testing.assert_allclose(fallen_db, expected_db[:, None].repeat(92, axis=1), rtol=1e-3)
    np.testing.assert_allclose(
        tail.sum(axis=1) / 2, (10 ** (wet_db / 10))[:, None].repeat(92, axis=1), rtol=0.02
    )


def test_equaliser_passes_through_its_gains_and_stays_between_them(rng):
    gains = rng.uniform(-12, 12, (5, augmentation.EQUALIZER_KNOTS)).astype("float32")
    power = music(rng)
    curve_db = 10 * np.log10(augmentation.equalize(power, gains).numpy() / power)
    np.testing.assert_allclose(np.ptp(curve_db, axis=1), 0, atol=1e-3)  # the same in every frame
    np.testing.assert_allclose(curve_db[:, 0, [0, -1]], gains[:, [0, -1]], atol=1e-3)
    assert (curve_db.max(axis=(1, 2)) < gains.max(axis=1) + 1e-3).all()
    assert (curve_db.min(axis=(1, 2)) > gains.min(axis=1) - 1e-3).all()
    # Half a cosine over a knot's distance of 18.2 bands: at most 2.1 dB a band for 24 dB.
    assert np.abs(np.diff(curve_db, axis=2)).max() < 2.1


def test_cuts_leave_what_is_between_them_and_fall_by_24_db_an_octave(rng):
    power = music(rng, batch=3)
    draws = np.float32([[0, 0], [1, 1], [0.5, 0]])
    cut = augmentation.cut(power, (300.0, 3400.0), draws).numpy()
    gains_db = 10 * np.log10(cut / power)
    np.testing.assert_allclose(gains_db[0], 0, atol=1e-3)
    np.testing.assert_allclose(np.ptp(gains_db, axis=1), 0, atol=1e-3)  # the same in every frame
    hertz = band_edges()[1:-1] * geometry.SAMPLE_RATE / geometry.FRAME_SIZE
    for row, low, high in ((1, 300, 3400), (2, np.sqrt(30 * 300), 6000)):
        octaves = np.maximum(np.log2(low / hertz), 0) + np.maximum(np.log2(hertz / high), 0)
        np.testing.assert_allclose(gains_db[row, 0], -24 * octaves, atol=1e-2)


def test_noise_has_its_level_and_its_colour(rng):
    power = np.square(music(rng, batch=2, frames=400))
    snr_db, slope_db = np.float32([10, 20]), np.float32([0, -6])
    drawn = augmentation.steady_noise(2, 400, [1, 2])
    noise = augmentation.add_noise(power, drawn, snr_db, slope_db).numpy() - power
    ratio_db = 10 * np.log10(power.mean(axis=(1, 2)) / noise.mean(axis=(1, 2)))
    np.testing.assert_allclose(ratio_db, snr_db, atol=0.1)
    bands_db = 10 * np.log10(noise.mean(axis=1))
    octaves = np.log2(band_edges()[1:-1])
    slopes = [np.polyfit(octaves, line, 1)[0] for line in bands_db]
    np.testing.assert_allclose(slopes, slope_db, atol=0.1)
    silence = np.zeros_like(power)
    np.testing.assert_array_equal(augmentation.add_noise(silence, drawn, snr_db, slope_db), silence)


def test_noise_varies_as_the_front_end_hears_it(rng):
    """Relative deviation of the magnitudes of white noise, band by band."""
    heard = 10 ** audio.whole_spectrogram(rng.normal(0, 0.1, 40 * geometry.SAMPLE_RATE)) - 1
    wanted = heard.std(axis=1) / heard.mean(axis=1)
    power = np.full((1, 800, geometry.BANDS), 1e-9, "float32")
    drawn = augmentation.steady_noise(1, 800, [0, 1])
    noisy = augmentation.add_noise(power, drawn, np.float32([-60]), np.float32([0]))
    found = np.sqrt(noisy[0].numpy()).std(axis=0) / np.sqrt(noisy[0].numpy()).mean(axis=0)
    # Neighbouring bins of a windowed frame are not independent: a little too steady.
    assert 0.6 < np.median(found / wanted) < 1.1
    assert np.corrcoef(found, wanted)[0, 1] > 0.9


def test_masks_silence_one_stretch_of_frames_and_one_of_bands():
    power = tf.ones([500, 20, 12])
    draws = tf.random.stateless_uniform([500, 4], [3, 4])
    found = augmentation.mask(power, (5, 9), draws).numpy()
    assert set(np.unique(found)) == {0.0, 1.0}
    for axis, size in ((2, 5), (1, 9)):
        gone = found.max(axis=axis) == 0
        counts = gone.sum(axis=1)
        assert set(counts) == set(range(size + 1))
        edges = np.abs(np.diff(np.pad(gone, [(0, 0), (1, 1)]).astype(int), axis=1)).sum(axis=1)
        assert (edges == 2 * (counts > 0)).all()
        assert gone.any(axis=0).all()  # anywhere, the ends included


def test_everything_together_is_fixed_by_the_seed_and_finite(rng):
    spectrogram = np.log10(1 + music(rng))
    spectrogram[0] = 0
    vary = tf.function(lambda seed: augmentation.vary(tf.constant(spectrogram), ALL, seed))
    one, again, other = (vary(tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(one, again)
    assert np.isfinite(one).all() and (one >= 0).all()
    assert (np.abs(one - other)[1:].max(axis=(1, 2)) > 0.01).all()
    np.testing.assert_array_equal(one[0], 0)
    # Excerpts of a batch are varied in different ways: the same music comes out different.
    same = tf.repeat(tf.constant(spectrogram[1:2]), 4, axis=0)
    found = augmentation.vary(same, ALL, [5, 6]).numpy()
    assert all(np.abs(found[0] - found[k]).max() > 0.01 for k in (1, 2, 3))


def test_a_share_is_varied_and_the_rest_is_left_alone(rng):
    spectrogram = tf.constant(np.log10(1 + music(rng, batch=10)))
    found = augmentation.vary(spectrogram, dataclasses.replace(ALL, varied_share=0.3), [1, 2])
    changed = np.abs(found - spectrogram).max(axis=(1, 2)) > 0.01
    np.testing.assert_array_equal(changed, np.arange(10) < 3)
    none = dataclasses.replace(ALL, varied_share=0.0)
    assert augmentation.vary(spectrogram, none, [1, 2]) is spectrogram


def test_nothing_is_done_without_settings(rng):
    spectrogram = tf.constant(np.log10(1 + music(rng)))
    nothing = Augmentation()
    assert not nothing.varies_spectrograms
    assert augmentation.vary(spectrogram, nothing, [0, 0]) is spectrogram


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("tuning_cents", 61),
        ("low_cut_hz", 20),
        ("high_cut_hz", 7000),
        ("noise_snr_db", 70),
        ("mask_bands", 93),
        ("varied_share", 2),
    ],
)
def test_values_out_of_range_are_named(name, value):
    with pytest.raises(UserError, match=f"{name} must .* received {value}"):
        Augmentation(**{name: value})


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_a_gain_is_that_of_the_sound_before_it_is_varied(rng, share):
    magnitudes = music(rng, batch=10)
    gain = np.geomspace(0.1, 10, 10).astype(np.float32)
    some = dataclasses.replace(ALL, varied_share=share)
    found = augmentation.vary(tf.constant(np.log10(1 + magnitudes)), some, [1, 2], gain)
    louder = tf.constant(np.log10(1 + magnitudes * gain[:, None, None]))
    np.testing.assert_allclose(found, augmentation.vary(louder, some, [1, 2]), atol=2e-5)


def test_the_future_is_missing_from_a_share_by_up_to_a_half(rng):
    spectrogram = tf.ones([4000, 20, 92])
    draws = rng.random(4000).astype(np.float32)
    found = augmentation.silence_future(spectrogram, 0.4, draws).numpy()
    assert (np.ptp(found, axis=2) == 0).all()
    heard = found[:, :, 0].sum(axis=1)
    np.testing.assert_array_equal(found[:, :, 0], np.arange(20) < heard[:, None])
    assert (heard[draws >= 0.4] == 20).all()
    counts = np.bincount(20 - heard[draws < 0.4].astype(int))
    assert len(counts) == 11 and stats.chisquare(counts).pvalue > 1e-3
    whole = augmentation.silence_future(spectrogram[:8], 1.0, np.arange(8, dtype="float32") / 8)
    np.testing.assert_array_equal(whole.numpy()[:, :, 0].sum(axis=1), 20 - np.arange(8) * 11 // 8)
