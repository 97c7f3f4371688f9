"""Damaged MIDI files, read and played in another tempo."""

import io

import mido
import pytest

from tests import fuzzing
from tfrecords_tools.music.notes import (
    Music,
    Note,
    Pedal,
    TempoMark,
    merge,
    midi_bytes,
    notes_of_midi,
)
from tfrecords_tools.music.performing import played_music


def play(data: bytes) -> None:
    """Reads a file, and writes what would be played."""
    music = notes_of_midi(data)
    played = played_music(music, 0.5, "seed")
    played.sounding_lengths()
    again = notes_of_midi(midi_bytes(played, tail_seconds=1.5))
    assert len(again.notes) <= len(music.notes)


def midi_file() -> bytes:
    """Sixty notes with tempo marks, and a track of text."""
    notes = merge(Note(96 * i, 48 + i % 30, 90 + i % 7) for i in range(60))
    music = Music(notes, (TempoMark(0, 500_000), TempoMark(2000, 400_000)), (Pedal(10, 300),))
    midi = mido.MidiFile(file=io.BytesIO(midi_bytes(music)))
    words = mido.MetaMessage("text", text="A waltz", time=3)
    midi.type = 1
    midi.tracks.append(mido.MidiTrack([words, mido.MetaMessage("key_signature", key="Bb")]))
    stream = io.BytesIO()
    midi.save(file=stream)
    return stream.getvalue()


@pytest.mark.slow
def test_damaged_midi_files():
    data = midi_file()
    play(data)
    fuzzing.check(play, fuzzing.damaged_each(data))
