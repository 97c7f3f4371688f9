"""Recordings in a page and beside it."""

import io
from urllib.parse import unquote_to_bytes

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio.recordings import Recording, open_recording
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.answers.sound import sound_url
from tests.answer_pages import decode
from tests.fake_embedder import melody

TUNE = melody(np.arange(20, 140), 4)


def is_tune(data):
    samples, rate = soundfile.read(io.BytesIO(data))
    return rate == 22050 and np.abs(samples - TUNE).max() < 1e-3


def test_a_page_holds_the_file_as_it_is(tmp_path):
    soundfile.write(tmp_path / "take.mp3", TUNE, 22050)
    kind, data = decode(sound_url(open_recording(tmp_path / "take.mp3"), tmp_path / "a.html"))
    assert kind == "data:audio/mpeg;base64" and data == (tmp_path / "take.mp3").read_bytes()


def test_what_browsers_do_not_play_what_is_large_and_samples_become_flac(tmp_path):
    for name in ("take.aiff", "take.wav"):
        soundfile.write(tmp_path / name, TUNE, 22050, subtype="DOUBLE" if "wav" in name else None)
    sources = [tmp_path / "take.aiff", tmp_path / "take.wav", TUNE]
    for source in sources:
        recording = open_recording(source, 22050)
        kind, data = decode(sound_url(recording, tmp_path / "a.html", limit=200_000))
        assert kind == "data:audio/flac;base64" and is_tune(data)
    assert not list(tmp_path.glob("a.*"))
    loud = open_recording(10 * TUNE, 22050)
    assert np.abs(soundfile.read(io.BytesIO(decode(sound_url(loud, "a.html"))[1]))[0]).max() <= 1


@pytest.mark.parametrize("embed", [True, False])
def test_what_a_page_cannot_hold_lies_beside_it(tmp_path, embed):
    soundfile.write(tmp_path / "take 1#.WAV", TUNE, 22050)
    page = tmp_path / "out" / "über follow.html"
    for source, suffix in ((tmp_path / "take 1#.WAV", "wav"), (TUNE, "flac")):
        recording = open_recording(source, 22050)
        url = sound_url(recording, page, embed, limit=1000)
        assert url.isascii() and unquote_to_bytes(url).decode() == f"über follow.{suffix}"
        assert is_tune(page.with_suffix(f".{suffix}").read_bytes())


def test_a_recording_that_lies_beside_the_page_stays_as_it_is(tmp_path):
    path = tmp_path / "follow.flac"
    soundfile.write(path, np.stack([TUNE, TUNE], axis=1), 44100)
    before = path.read_bytes()
    for embed in (True, False):
        assert sound_url(open_recording(path), tmp_path / "follow.html", embed, 10) == "follow.flac"
        assert path.read_bytes() == before


def test_a_recording_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UserError, match="none.wav: cannot be read"):
        sound_url(Recording("none.wav", tmp_path / "none.wav"), tmp_path / "a.html")
