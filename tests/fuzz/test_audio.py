"""Damaged recordings by the hundred: each is read, with warnings or without, or refused."""

import io
import logging
import tempfile
from pathlib import Path

import pytest
import soundfile

from tests import fuzzing
from tests.audio_files import encode, sound

FORMATS = {
    "wav": ("pcm_s16le", "wav", {}, fuzzing.COUNT),
    "flac": ("flac", "flac", {}, fuzzing.COUNT),
    "mp3": ("libmp3lame", "mp3", {}, fuzzing.COUNT),
    "m4a": ("aac", "ipod", {"movflags": "faststart"}, fuzzing.COUNT),
    "aac": ("aac", "adts", {}, fuzzing.COUNT),
    "opus": ("libopus", "ogg", {"page_duration": "100000"}, fuzzing.COUNT),
    "webm": ("libopus", "webm", {}, 100),
    "wma": ("wmav2", "asf", {}, 100),
    "aiff": ("pcm_s16be", "aiff", {}, 100),
}
SECONDS = 2.0


def read(content: bytes) -> None:
    """Reads a recording, which may not become longer than it was by more than the silent gaps."""
    from tempo_invariant.audio import reading, timeline

    logging.disable()
    with tempfile.NamedTemporaryFile(suffix=".audio") as file:
        Path(file.name).write_bytes(content)
        samples = sum(map(len, reading.read_blocks(file.name)))
    # Sampling rates from 1 kHz may be claimed of what has 48; nothing is repeated.
    assert samples <= (100 * SECONDS + timeline.MOST_SILENCE_SECONDS) * 22050


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_damaged_recordings_break_nothing(name):
    codec, file_format, options, count = FORMATS[name]
    rate = 48000 if codec == "libopus" else 44100
    content = encode(sound(SECONDS, rate), rate, codec, file_format, options)
    fuzzing.check(read, fuzzing.damaged_each(content, count))


@pytest.mark.slow
def test_damaged_vorbis_breaks_nothing():
    stream = io.BytesIO()
    soundfile.write(stream, sound(SECONDS), 44100, "VORBIS", format="OGG")
    fuzzing.check(read, fuzzing.damaged_each(stream.getvalue(), 100))
