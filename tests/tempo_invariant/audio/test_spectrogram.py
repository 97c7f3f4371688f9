"""The front end against madmom, and decoding of good and bad audio files."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from tempo_invariant.audio import bands, spectrogram
from tempo_invariant.errors import UserError

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
    assert spectrogram.spectrogram(scaled).shape == expected.shape == (92, 41)
    np.testing.assert_allclose(spectrogram.spectrogram(scaled), expected, atol=tolerance)
    np.testing.assert_allclose(spectrogram.whole_spectrogram(scaled), expected, atol=tolerance)


def test_frames_start_at_the_floor_of_the_fractional_hop():
    """A click in exactly one sample is in the frames whose 2,048 samples hold it, and no other."""
    for frame in (3, 1001):
        start = int(frame * 1102.5)
        pcm = np.zeros(start + 4000, np.float32)
        pcm[start + 1] = 1.0  # sample 0 of a frame has window weight 0
        loud = spectrogram.whole_spectrogram(pcm).max(axis=0)
        assert loud[frame] > 0
        assert loud[frame + 1] == 0
        np.testing.assert_allclose(
            spectrogram.spectrogram(pcm).numpy().max(axis=0), loud, atol=1e-7
        )


def test_symbolic_shapes_and_batch():
    traced = tf.function(
        spectrogram.spectrogram, input_signature=[tf.TensorSpec([None, None], tf.float32)]
    )
    pcm = golden_signal() / np.float32(32768)
    batch = traced(tf.constant(np.stack([pcm, pcm[::-1]])))
    np.testing.assert_allclose(batch[0], spectrogram.spectrogram(pcm), atol=1e-6)
    np.testing.assert_allclose(batch[1], spectrogram.spectrogram(pcm[::-1].copy()), atol=1e-6)
    assert batch.dtype == tf.float32
    constants = [n for n in traced.get_concrete_function().graph.as_graph_def().node]
    assert max(node.ByteSize() for node in constants) < 4096


def test_bands_of_pitches():
    """A pure tone is loudest in the band of its pitch."""
    for pitch in (57, 69, 81, 93):
        tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * np.arange(4410) / 22050)
        loudest = spectrogram.spectrogram(tone).numpy()[:, 1].argmax()
        assert abs(loudest - bands.band_of_pitch(pitch)) < 1


@pytest.mark.parametrize(
    ("name", "subtype", "tolerance"),
    [
        ("a.wav", "PCM_16", 1e-3),
        ("a.wav", "PCM_24", 1e-3),
        ("a.wav", "PCM_U8", 0.02),
        ("a.wav", "FLOAT", 1e-3),
        ("a.flac", "PCM_16", 1e-3),
        ("a.ogg", "VORBIS", 0.05),
        ("a.mp3", "MPEG_LAYER_III", 0.05),
    ],
)
def test_both_readers_give_mono_at_22050_hz(tmp_path, name, subtype, tolerance):
    seconds = np.arange(44100) / 44100
    tone = 0.5 * np.sin(2 * np.pi * 441 * seconds)
    soundfile.write(tmp_path / name, np.stack([tone, 0.5 * tone], 1), 44100, subtype=subtype)
    expected = 0.375 * np.sin(2 * np.pi * 441 * np.arange(22050) / 22050)
    dataset = tf.data.Dataset.from_tensors(str(tmp_path / name)).map(spectrogram.decode_audio)
    for pcm in (spectrogram.load_audio(tmp_path / name), next(iter(dataset)).numpy()):
        assert abs(len(pcm) - 22050) <= 1
        np.testing.assert_allclose(pcm[2000:20000], expected[2000:20000], atol=tolerance)


def test_files_of_different_rates_follow_each_other(tmp_path):
    for rate in (8000, 22050, 48000):
        soundfile.write(tmp_path / f"{rate}.wav", np.full(rate // 2, 0.25), rate)
    paths = [str(tmp_path / f"{rate}.wav") for rate in (48000, 8000, 22050)]
    read = list(tf.data.Dataset.from_tensor_slices(paths).map(spectrogram.decode_audio))
    assert [len(pcm) for pcm in read] == [11025] * 3
    for pcm in read:
        np.testing.assert_allclose(pcm[1000:10000], 0.25, atol=2e-3)


def test_unusable_audio_gives_one_line(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxxWAVEjunkjunkjunk")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 22050)
    soundfile.write(tmp_path / "silent.wav", np.zeros(22050), 22050)
    soundfile.write(tmp_path / "short.wav", np.full(100, 0.5), 22050)
    for name, reason in {
        "bad.wav": "not a readable audio file",
        "empty.wav": "empty file",
        "none.wav": "no audio samples",
        "silent.wav": "is silent",
        "missing.wav": "no such audio file",
    }.items():
        with pytest.raises(UserError, match=f"{name}: .*{reason}") as caught:
            spectrogram.load_audio(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert len(spectrogram.load_audio(tmp_path / "silent.wav", allow_silence=True)) == 22050
    assert spectrogram.spectrogram(spectrogram.load_audio(tmp_path / "short.wav")).shape == (92, 1)
