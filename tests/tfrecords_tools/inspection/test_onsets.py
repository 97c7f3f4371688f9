"""Onsets in audio are found where they are, and not elsewhere."""

import numpy as np
import pytest

from tempo_invariant.audio.bands import band_of_pitch
from tempo_invariant.audio.spectrogram import whole_spectrogram
from tempo_invariant.geometry import SAMPLE_RATE, onset_frame
from tfrecords_tools.inspection.onsets import CONTROL_SHIFT, OnsetCounts, check_onsets

PITCHES = (60, 67, 72, 64)


def play(seconds, pitches, length=12.0):
    """Returns the spectrogram of decaying tones with three partials."""
    pcm = np.zeros(int(length * SAMPLE_RATE), np.float32)
    for start, pitch in zip(seconds, pitches, strict=True):
        first = int(start * SAMPLE_RATE)
        time = np.arange(len(pcm) - first) / SAMPLE_RATE
        hertz = 440 * 2 ** ((pitch - 69) / 12)
        tone = sum(np.sin(2 * np.pi * k * hertz * time) / k for k in (1, 2, 3))
        pcm[first:] += 0.1 * tone * np.exp(-4 * time)
    return whole_spectrogram(pcm)


@pytest.fixture(scope="module")
def played():
    """Twenty-five notes, a prime number of milliseconds apart, so at all places in a frame."""
    seconds = 0.2 + 0.457 * np.arange(25)
    pitches = [PITCHES[i % 4] for i in range(25)]
    return seconds, pitches, play(seconds, pitches)


def struck(seconds, pitches, shift=0):
    return {
        int(frame) + shift: [pitch]
        for frame, pitch in zip(onset_frame(seconds), pitches, strict=True)
    }


def test_every_onset_is_heard_within_a_frame_and_none_between(played):
    seconds, pitches, spectrogram = played
    counts = check_onsets(spectrogram, struck(seconds, pitches))
    assert (counts.onsets, counts.heard) == (25, 25)
    # 9 frames apart: 5 frames off is 4 from the next one, where nothing is struck.
    assert counts.shifted == counts.quiet == 50 - 1  # one place lies before the start
    assert counts.quiet_heard == counts.shifted_heard == 0


@pytest.mark.parametrize("shift", [-4, -3, 3, 4])
def test_a_wrong_alignment_is_not_heard(played, shift):
    seconds, pitches, spectrogram = played
    counts = check_onsets(spectrogram, struck(seconds, pitches, shift))
    assert counts.heard == 0


def test_the_peak_is_in_the_bands_of_the_pitch():
    # The fundamental of C4 rises at frame 10, all other bands at frame 14.
    spectrogram = np.zeros((92, 40))
    spectrogram[:, 14:] = 1.0
    band = round(float(band_of_pitch(60)))
    spectrogram[band, 10:] = 0.5
    spectrogram[band, 14:] = 0.5
    assert check_onsets(spectrogram, {11: [60]}).heard == 1
    assert check_onsets(spectrogram, {11: [64]}).heard == 0
    assert check_onsets(spectrogram, {15: [64]}).heard == 1


def test_a_tone_that_starts_with_a_frame_peaks_where_the_module_says():
    # From 1 s (frame 20) on; windows of frames 18 and 19 reach 0 and 945 samples into the sound.
    spectrogram = play([1.0], [60], 3.0)
    rise = np.diff(spectrogram, axis=1, prepend=0).clip(0).sum(axis=0)
    assert np.argmax(rise) == 20 - 1 or rise[20] > rise[19]  # half of the window at 19, all at 20
    counts = check_onsets(spectrogram, {20: [60]})
    assert counts.heard == 1 and counts.early + counts.late <= 1
    assert check_onsets(spectrogram, {22: [60]}).heard == 0
    assert check_onsets(spectrogram, {18: [60]}).heard == 0


def test_counts_by_hand():
    # One band rises at frame 10 and, by half of it, at frame 30. Onset frames 11 and 31 belong to
    # these; 15 does not. Of the places 5 frames off, 10 is struck at 11's rise (from 15), 20 is
    # quiet; 6, 16, 26 and 36 are no rises: 6 is 5, 16 is 1 and 26, 36 are 5 from a note.
    spectrogram = np.zeros((92, 60))
    spectrogram[:, 10:] = 1.0
    spectrogram[:, 30:] = 1.5
    counts = check_onsets(spectrogram, {11: [60], 31: [60], 15: [60]})
    assert counts == OnsetCounts(
        onsets=3, heard=2, shifted=6, shifted_heard=1, quiet=4, quiet_heard=0
    )
    assert counts.share == pytest.approx(2 / 3) and counts.shifted_share == pytest.approx(1 / 6)
    # With the note at 31 known but not asked for, nothing changes for 11 and 15.
    fewer = check_onsets(spectrogram, {11: [60], 15: [60]}, played=[31])
    assert (fewer.onsets, fewer.heard, fewer.quiet) == (2, 1, 2)


def test_frames_outside_and_empty_input():
    spectrogram = np.zeros((92, 20))
    assert check_onsets(spectrogram, {}) == OnsetCounts()
    assert check_onsets(spectrogram, {-3: [60], 20: [60]}) == OnsetCounts()
    silent = check_onsets(spectrogram, {4: [60], 19: [128, 300, -5]})
    assert (silent.onsets, silent.heard, silent.share) == (2, 0, 0.0)
    assert OnsetCounts().share == 0.0 and CONTROL_SHIFT == 5
