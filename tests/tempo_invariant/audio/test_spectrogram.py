"""The front end against madmom, and its frames and bands against their definitions."""

from pathlib import Path

import numpy as np
import tensorflow as tf

from tempo_invariant.audio import bands, spectrogram

GOLDEN = Path(__file__).parents[2] / "golden" / "madmom.npz"


def golden_signal() -> np.ndarray:
    """Chirp, seven tones and noise; the 16-bit samples that madmom 0.17 was run on."""
    samples = int(2.03 * 22050)
    seconds = np.arange(samples) / 22050
    noise = np.random.RandomState(1).randn(samples)
    wave = 0.25 * np.sin(2 * np.pi * (50 * seconds + 4950 / 4.06 * seconds**2))
    for index, pitch in enumerate([45, 52, 57, 61, 69, 76, 88]):
        hertz, since = 440 * 2 ** ((pitch - 69) / 12), seconds - 0.25 * index
        decay = np.where(since >= 0, np.exp(-3 * np.maximum(since, 0)), 0)
        partials = [np.sin(2 * np.pi * hertz * k * seconds) / k for k in (1, 2, 3)]
        wave += 0.12 * decay * sum(partials)
    wave += 0.02 * noise
    return np.clip(np.round(wave * 32767 * 0.7), -32768, 32767).astype(np.int16)


def test_spectrogram_equals_madmom():
    pcm = golden_signal()
    golden = np.load(GOLDEN)
    assert pcm.astype(np.int64) @ np.arange(len(pcm)) == golden["checksum"]
    expected = golden["spectrogram"]
    scaled = pcm / np.float32(32768)
    tolerance = 1e-4 * expected.max()
    found = spectrogram.whole_spectrogram(scaled)
    assert found.shape == expected.shape == (92, 41) and found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=tolerance)


def test_frames_start_at_the_floor_of_the_fractional_hop():
    """A click in exactly one sample is in the frames whose 2,048 samples hold it, and no other."""
    for frame in (3, 1001):
        start = int(frame * 1102.5)
        pcm = np.zeros(start + 4000, np.float32)
        pcm[start + 1] = 1.0  # sample 0 of a frame has window weight 0
        loud = spectrogram.whole_spectrogram(pcm).max(axis=0)
        assert loud[frame] > 0
        assert loud[frame + 1] == 0


def test_a_graph_of_it_holds_no_large_constant():
    traced = tf.function(
        spectrogram.frames_to_bands, input_signature=[tf.TensorSpec([None, None, 2048])]
    )
    pcm = golden_signal() / np.float32(32768)
    frames = np.stack([pcm[:2048], pcm[1102 : 1102 + 2048]])
    bands_of_batch = traced(tf.constant(np.stack([frames, frames[::-1]])))
    expected = spectrogram.whole_spectrogram(pcm)[:, :2]
    np.testing.assert_allclose(bands_of_batch[0], expected, atol=1e-6)
    np.testing.assert_allclose(bands_of_batch[1], expected[:, ::-1], atol=1e-6)
    nodes = traced.get_concrete_function().graph.as_graph_def().node
    assert max(node.ByteSize() for node in nodes) < 4096


def test_a_recording_shorter_than_a_frame_has_one():
    assert spectrogram.whole_spectrogram(np.full(100, 0.5, np.float32)).shape == (92, 1)


def test_bands_of_pitches():
    """A pure tone is loudest in the band of its pitch."""
    for pitch in (57, 69, 81, 93):
        tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(4410) / 22050)
        loudest = spectrogram.whole_spectrogram(tone)[:, 1].argmax()
        assert abs(loudest - bands.band_of_pitch(pitch)) < 1
