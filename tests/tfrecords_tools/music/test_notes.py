"""MIDI files that claim what no music is."""

import io

import mido
import pytest

from tempo_invariant.errors import UserError
from tfrecords_tools.music.notes import Music, Note, TempoMark, midi_bytes, notes_of_midi, read_midi
from tfrecords_tools.music.performing import played_music


def with_division(data, division):
    """A MIDI file with another number of ticks a quarter; negative: of frames a second."""
    return data[:12] + division.to_bytes(2, "big", signed=True) + data[14:]


def test_time_that_is_none_is_refused():
    data = midi_bytes(Music((Note(0, 60, 384),), ()))
    assert notes_of_midi(with_division(data, 384)).notes == (Note(0, 60, 384),)
    for division in (0, -6400):
        with pytest.raises(UserError, match="its time is counted in frames"):
            notes_of_midi(with_division(data, division))


def test_music_of_years_is_refused(tmp_path):
    track = mido.MidiTrack()
    for time, velocity in ((0, 60), (2**28 - 1, 0)):
        track.append(mido.Message("note_on", note=60, velocity=velocity, time=time))
    midi = mido.MidiFile(ticks_per_beat=1)
    midi.tracks.append(track)
    midi.save(tmp_path / "long.midi")
    with pytest.raises(UserError, match="long.midi: not a piece of music: it lasts for 37,283 h"):
        read_midi(tmp_path / "long.midi")
    with pytest.raises(UserError, match="no such file"):
        read_midi(tmp_path / ("x" * 300))


def test_music_too_long_to_be_played_is_refused():
    hour = Music((Note(0, 60, 384 * 3600),), (TempoMark(0, 1_000_000),))
    assert played_music(hour, 1.0).notes == hour.notes
    with pytest.raises(UserError, match="the music would last for 2.0 hours, longer than 1.5"):
        played_music(hour, 0.5)


def test_damage_inside_a_track_is_told_in_one_line():
    data = midi_bytes(Music((Note(0, 60, 384),), ()))
    place = data.index(b"MTrk") + 8
    for damage in (b"\x00\xff\x59\x02\x7f\x7f", b"\x00\xff\x51\x00", b"\x00\xf5", b"\xff" * 9):
        with pytest.raises(UserError, match="not a MIDI file: ") as error:
            notes_of_midi(data[:place] + damage + data[place:])
        assert str(error.value).isprintable()
    assert io.BytesIO(data).read(4) == b"MThd"
