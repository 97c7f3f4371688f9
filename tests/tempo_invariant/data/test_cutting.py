"""Cutting against the same computed pixel by pixel and frame by frame in double precision."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.audio.spectrogram import whole_spectrogram
from tempo_invariant.data.cutting import ONSET_SEEN_FRAMES, cut_audio, cut_sheet
from tempo_invariant.data.shards import RowSource
from tempo_invariant.geometry import SAMPLE_RATE, onset_frame
from tempo_invariant.variations import NO_AUGMENTATION, Augmentation

LENGTH = 300


@dataclasses.dataclass
class Known:
    """A draw that gives what the test wants."""

    uniforms: list
    integer: list
    batch_size: int

    def uniform(self, low, high):
        values = np.array(self.uniforms.pop(0), np.float32)
        assert low - 1e-6 < values.min() and values.max() < high + 1e-6
        return tf.constant(values)

    def integers(self, low, high):
        values = np.array(self.integer)
        assert low <= values.min() and values.max() < high
        return tf.constant(values, tf.int32)

    def key(self):
        return tf.constant([1, 2], tf.int64)


def source(rows, blank, batch, before=40):
    """The array as rows `before` to `before + LENGTH` of a larger tensor of other things."""
    other = np.full([before, rows.shape[1]], 77, rows.dtype)
    last = np.full([1, rows.shape[1]], blank, rows.dtype)
    tensor = tf.constant(np.concatenate([other, rows, other, last]))
    return RowSource(tensor, tf.fill([batch], before), tf.fill([batch], len(rows)))


def smooth(rows, columns, high):
    random = np.random.default_rng(5)
    waves = sum(
        np.sin(np.arange(rows)[:, None] * random.uniform(0.02, 0.6) + phase)
        * np.cos(np.arange(columns) * random.uniform(0.02, 0.6))
        for phase in range(4)
    )
    return (waves + 4) / 8 * high


def padded(array, blank, positions):
    """Rows at whole positions, blank outside."""
    inside = (positions >= 0) & (positions < len(array))
    rows = array[np.clip(positions, 0, len(array) - 1)].astype(float)
    return np.where(inside[:, None], rows, blank)


def between(array, blank, positions):
    """Rows at broken positions, interpolated linearly."""
    low = np.floor(positions).astype(int)
    weight = (positions - low)[:, None]
    return (1 - weight) * padded(array, blank, low) + weight * padded(array, blank, low + 1)


def test_scale_and_shift_are_bilinear():
    strip = smooth(LENGTH, 100, 255).astype(np.uint8)
    centres, factors = np.array([150, 20, 290, 151], np.int32), np.array([0.95, 1.03, 1.05, 1.0])
    shifts = np.array([5, -3, 0, 1])
    augmentation = dataclasses.replace(NO_AUGMENTATION, scale=0.05, shift_pixels=5)
    draw = Known([factors], shifts, 4)
    sheet = cut_sheet(source(strip, 255, 4), tf.constant(centres), augmentation, draw).numpy()
    assert sheet.dtype == np.uint8 and sheet.shape == (4, 80, 100)
    for cut, centre, factor, shift in zip(sheet, centres, factors, shifts, strict=True):
        columns = centre - 0.5 + (np.arange(100) - 49.5) / factor
        rows = 49.5 - shift / 2 + (np.arange(80) - 39.5) / factor
        window = between(strip, 255, columns).T  # [100 rows, 100 columns]
        expected = between(window, 255, rows)
        np.testing.assert_allclose(cut, expected, atol=0.501)  # rounded to whole greys


@pytest.mark.parametrize("frames", [21, 40])
def test_stretch_and_level_are_those_of_the_magnitudes(frames):
    spectrogram = smooth(LENGTH, 92, 3.0).astype(np.float16)
    onsets, factors = np.array([100, 3, 295, 150], np.int32), np.array([2.0, 0.5, 1.3, 1.0])
    levels_db = np.array([12.0, -12.0, 3.0, 0.0])
    augmentation = Augmentation(stretch=2.0, level_db=12.0)
    draw = Known([np.log(factors), levels_db], None, 4)
    audio = cut_audio(
        source(spectrogram, 0, 4), tf.constant(onsets), frames, augmentation, draw
    ).numpy()
    assert audio.dtype == np.float32 and audio.shape == (4, 92, frames)
    for cut, onset, factor, level in zip(audio, onsets, factors, levels_db, strict=True):
        times = onset + (np.arange(frames) - frames // 2 + ONSET_SEEN_FRAMES) / factor
        times -= ONSET_SEEN_FRAMES
        stretched = between(spectrogram, 0, times).T
        expected = np.log10(1 + 10 ** (level / 20) * (10**stretched - 1))
        np.testing.assert_allclose(cut, expected, atol=2e-5)


def _clicks(seconds):
    pcm = np.zeros(int((seconds[-1] + 3) * SAMPLE_RATE), np.float32)
    pcm[np.round(seconds * SAMPLE_RATE).astype(int)] = 1
    return whole_spectrogram(pcm).T.astype(np.float16)


def _middle(excerpts):
    """Mean frame of the magnitudes in excerpts [batch, bands, frames]."""
    magnitudes = excerpts.numpy().sum(axis=(0, 1))
    return np.sum(magnitudes * np.arange(len(magnitudes))) / np.sum(magnitudes)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_onsets_of_stretched_excerpts_are_where_those_at_another_tempo_are(factor):
    """On average over where the onset lies between two frames."""
    seconds = 3 + np.arange(60) * 1.0137
    notated, played = _clicks(seconds), _clicks(seconds * factor)
    stretch = dataclasses.replace(NO_AUGMENTATION, stretch=2.0)

    def cut(spectrogram, at, augmentation, draw):
        onsets = tf.constant(onset_frame(at), tf.int32)
        return cut_audio(source(spectrogram, 0, 60), onsets, 15, augmentation, draw)

    changed = cut(notated, seconds, stretch, Known([np.full(60, np.log(factor))], None, 60))
    real = cut(played, seconds * factor, NO_AUGMENTATION, None)
    np.testing.assert_allclose(_middle(changed), _middle(real), atol=0.1)
    np.testing.assert_allclose(_middle(real), 15 // 2 - ONSET_SEEN_FRAMES, atol=0.1)
