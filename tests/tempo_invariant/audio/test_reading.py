"""The one reader of recordings: formats and rates, and files that cannot be used."""

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import decoding, reading
from tempo_invariant.errors import UserError

FORMATS = [
    ("a.wav", "PCM_16", 1e-3),
    ("a.wav", "PCM_24", 1e-3),
    ("a.wav", "PCM_32", 1e-3),
    ("a.wav", "PCM_U8", 0.02),
    ("a.wav", "FLOAT", 1e-3),
    ("a.flac", "PCM_16", 1e-3),
    ("a.ogg", "VORBIS", 0.05),
    ("a.mp3", "MPEG_LAYER_III", 0.05),
]
"""File name, libsndfile's name of the encoding, and how far samples may be from the tone."""


def write_tone(path, subtype: str) -> np.ndarray:
    """Writes a second of a tone in stereo at 44,100 Hz; returns what it is at 22,050 Hz, mono."""
    tone = 0.5 * np.sin(2 * np.pi * 441 * np.arange(44100) / 44100)
    soundfile.write(path, np.stack([tone, 0.5 * tone], 1), 44100, subtype=subtype)
    return 0.375 * np.sin(2 * np.pi * 441 * np.arange(22050) / 22050)


@pytest.mark.parametrize(("name", "subtype", "tolerance"), FORMATS)
def test_every_format_becomes_mono_at_22050_hz(tmp_path, name, subtype, tolerance):
    expected = write_tone(tmp_path / name, subtype)
    pcm = np.concatenate(list(reading.read_blocks(tmp_path / name)))
    # FFmpeg takes 128 samples too many from the end of Vorbis that has only one page of sound.
    assert pcm.dtype == np.float32 and abs(len(pcm) - 22050) <= (64 if "ogg" in name else 1)
    np.testing.assert_allclose(pcm[2000:20000], expected[2000:20000], atol=tolerance)


def test_the_gain_is_in_decibels_and_samples_are_clipped(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(22050, 0.25), 22050, "FLOAT")
    (pcm,) = reading.read_blocks(tmp_path / "a.wav", gain_db=6.0)
    np.testing.assert_allclose(pcm, 0.25 * 10**0.3, rtol=1e-6)
    (pcm,) = reading.read_blocks(tmp_path / "a.wav", gain_db=60.0)
    np.testing.assert_array_equal(pcm, np.float32(reading.LOUDEST))


def test_reading_begins_at_a_time(tmp_path):
    samples = np.arange(3 * 22050) / 2**17
    soundfile.write(tmp_path / "a.wav", samples, 22050, "FLOAT")
    pcm = np.concatenate(list(reading.read_blocks(tmp_path / "a.wav", start_seconds=1.5)))
    np.testing.assert_allclose(pcm, samples[33075:], rtol=1e-6)


def test_a_long_recording_comes_in_blocks(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(25 * 22050, 0.25), 22050)
    lengths = [len(block) for block in reading.read_blocks(tmp_path / "a.wav")]
    assert len(lengths) == 3 and sum(lengths) == 25 * 22050
    assert max(lengths) <= decoding.BLOCK_SECONDS * 22050


def test_the_length_is_what_is_there(tmp_path):
    soundfile.write(tmp_path / "a.flac", np.zeros((48000, 2)), 48000)
    info = reading.audio_info(tmp_path / "a.flac")
    assert info == (48000, 2, 48000) and info.seconds == 1.0


def test_unusable_audio_gives_one_line(tmp_path):
    (tmp_path / "bad.wav").write_bytes(b"RIFFxxxxWAVEjunkjunkjunk")
    (tmp_path / "empty.wav").write_bytes(b"")
    soundfile.write(tmp_path / "none.wav", np.zeros(0), 22050)
    soundfile.write(tmp_path / "nan.wav", np.full(100, np.nan), 22050, "FLOAT")
    for name, reason in {
        "bad.wav": "not a readable audio file",
        "empty.wav": "not a readable audio file",
        "none.wav": "no audio samples",
        "nan.wav": "not finite numbers",
        "missing.wav": "no such audio file",
    }.items():
        with pytest.raises(UserError, match=f"{name}: .*{reason}") as caught:
            list(reading.read_blocks(tmp_path / name))
        assert "\n" not in str(caught.value)
