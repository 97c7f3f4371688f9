"""Recordings that are files, and samples in memory."""

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import decoding
from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.errors import UserError


def tone(rate, seconds=25):
    return 0.5 * np.sin(2 * np.pi * 440 * np.arange(seconds * rate) / rate)


@pytest.mark.parametrize("rate", [22050, 16000, 44100])
def test_samples_sound_as_their_file(tmp_path, rate):
    stereo = np.stack([tone(rate), np.zeros(25 * rate)], axis=1)
    soundfile.write(tmp_path / "take.wav", stereo, rate, subtype="FLOAT")
    file = open_recording(tmp_path / "take.wav")
    assert file.name == str(tmp_path / "take.wav")
    of_file = np.concatenate(list(file.blocks(gain_db=-6)))
    memory = open_recording(stereo, rate)
    for _ in range(2):  # it can be read again
        blocks = list(memory.blocks(gain_db=-6))
        assert max(map(len, blocks)) <= 1.1 * decoding.BLOCK_SECONDS * 22050
        assert np.allclose(np.concatenate(blocks), of_file, atol=1e-6)


@pytest.mark.parametrize("kind", ["int16", "int32", "float64"])
def test_samples_are_scaled_by_their_type(kind):
    full = 1 if kind == "float64" else np.iinfo(kind).max
    samples = (tone(22050, 3) * full).astype(kind)
    assert np.allclose(
        np.concatenate(list(open_recording(samples, 22050).blocks())), tone(22050, 3), atol=1e-4
    )


@pytest.mark.parametrize(
    "source,rate,message",
    [
        (np.zeros(100), None, "need their sampling rate"),
        (np.zeros(100), 0, "need their sampling rate"),
        (np.zeros((1, 2, 3)), 22050, r"must be \[samples\]"),
        (np.zeros(100, bool), 22050, "received bool"),
        ("nowhere.wav", None, "nowhere.wav: no such audio file"),
        ("/", None, "/: a folder, and no audio file"),
    ],
)
def test_what_is_no_recording_is_refused(source, rate, message):
    with pytest.raises(UserError, match=message):
        open_recording(source, rate)


@pytest.mark.parametrize("samples", [np.zeros(0), np.full(9, np.nan), np.zeros((0, 2), np.int16)])
def test_samples_that_hold_nothing_are_refused(samples):
    with pytest.raises(UserError, match="take: holds"):
        list(open_recording(samples, 22050, "take").blocks())
