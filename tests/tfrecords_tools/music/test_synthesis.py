"""Tests of synthesis: all soundfonts at one level."""

import shutil
import struct

import numpy as np
import pytest

from tfrecords_tools.music.notes import Music, Note, TempoMark
from tfrecords_tools.music.performing import Sound, render_audio
from tfrecords_tools.music.synthesis import default_soundfont, level_gain


def _quieter(soundfont: bytes, factor: float) -> bytes:
    """Returns a soundfont whose samples are smaller."""
    start = soundfont.index(b"smpl") + 8
    [size] = struct.unpack("<I", soundfont[start - 4 : start])
    samples = np.frombuffer(soundfont[start : start + size], "<i2")
    smaller = np.round(samples * factor).astype("<i2").tobytes()
    return soundfont[:start] + smaller + soundfont[start + size :]


@pytest.mark.skipif(not shutil.which("fluidsynth"), reason="needs FluidSynth")
def test_a_quiet_soundfont_is_played_at_the_level_of_the_others(tmp_path):
    original = tmp_path / "original.sf2"
    shutil.copy(default_soundfont(), original)
    quiet = tmp_path / "quiet.sf2"
    quiet.write_bytes(_quieter(original.read_bytes(), 0.05))
    assert level_gain(str(original)) == level_gain(str(default_soundfont())) == 1
    chords = tuple(Note(384 * k, pitch, 380, 96) for k in range(4) for pitch in (48, 55, 64))
    music = Music(chords, (TempoMark(0, 500_000),))
    usual, lifted = (render_audio(music, Sound(str(path))) for path in (original, quiet))
    difference = 10 * np.log10(np.mean(lifted**2) / np.mean(usual**2))
    assert abs(difference) < 2  # it was -26 dB
    assert 0.001 < np.abs(lifted).max() < 1
