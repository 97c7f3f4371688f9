"""Notes in ticks with a tempo map, and MIDI files of them.

One piano channel; a pitch is struck only after it was released. Times in ticks, 384 a quarter, as
in LilyPond's MIDI.
"""

import bisect
import io
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import mido
import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.scores.dynamics import UNMARKED

TICKS_PER_QUARTER = 384
PIANO_KEYS = range(21, 109)
"""MIDI pitches of the keys of a piano."""

LONGEST_SECONDS = 24 * 3600.0
"""Longest music that is read; damaged files claim years."""

DEFAULT_MICROSECONDS = 500_000
"""Length of a quarter in a MIDI file without a tempo."""


class Note(NamedTuple):
    """A note: start and length (of the key being down) in ticks, MIDI pitch, MIDI velocity.

    The velocity of a notated note is what the score's dynamics ask for.
    """

    tick: int
    pitch: int
    length: int
    velocity: int = UNMARKED


class Pedal(NamedTuple):
    """The sustain pedal is down from tick `press` to tick `release`."""

    press: int
    release: int


class TempoMark(NamedTuple):
    """From `tick` on, a quarter lasts `microseconds`."""

    tick: int
    microseconds: int


@dataclass(frozen=True)
class Music:
    """Notes, sorted by tick and pitch, each (tick, pitch) once, and a tempo map.

    Music as played (see `expression`) has a pedal, one press after the other, and its notes are in
    the order of the notated ones.
    """

    notes: tuple[Note, ...]
    tempo: tuple[TempoMark, ...]
    pedal: tuple[Pedal, ...] = ()

    def at_tempo(self, factor: float) -> "Music":
        """Returns the music `factor` times as fast."""
        tempo = self.tempo or (TempoMark(0, DEFAULT_MICROSECONDS),)
        marks = (TempoMark(mark.tick, round(mark.microseconds / factor)) for mark in tempo)
        return Music(self.notes, tuple(marks), self.pedal)

    def without_dynamics(self) -> "Music":
        """Returns the music with the velocity of music without marks, as MSMD is played."""
        notes = tuple(note._replace(velocity=UNMARKED) for note in self.notes)
        return replace(self, notes=notes)

    def sounding_lengths(self) -> np.ndarray:
        """Returns the ticks that notes sound, held by the pedal till struck again: int [notes]."""
        presses = [pedal.press for pedal in self.pedal]
        following: dict[int, int] = {}
        lengths = np.zeros(len(self.notes), np.int64)
        for index in sorted(range(len(self.notes)), key=lambda i: self.notes[i].tick, reverse=True):
            note = self.notes[index]
            end = note.tick + note.length
            pressed = bisect.bisect_left(presses, end) - 1
            if pressed >= 0:
                end = max(end, self.pedal[pressed].release)
            lengths[index] = min(end, following.get(note.pitch, end)) - note.tick
            following[note.pitch] = note.tick
        return lengths

    def seconds(self, ticks: Sequence[int] | np.ndarray) -> np.ndarray:
        """Returns the times of `ticks` in seconds from the start."""
        marks = [(mark.tick, mark.microseconds) for mark in sorted(self.tempo)]
        if not marks or marks[0][0] > 0:
            marks.insert(0, (0, DEFAULT_MICROSECONDS))
        starts = np.array([tick for tick, _ in marks])
        rates = np.array([microseconds for _, microseconds in marks]) / 1e6 / TICKS_PER_QUARTER
        times = np.concatenate([[0.0], np.cumsum(np.diff(starts) * rates[:-1])])
        ticks = np.asarray(ticks)
        index = np.searchsorted(starts, ticks, side="right") - 1
        return times[index] + (ticks - starts[index]) * rates[index]


def notes_of_midi(data: bytes) -> Music:
    """Reads notes of all tracks but percussion, without the pedal.

    Notes of several voices that start together on one pitch become one, as long as the longest;
    a note that is struck again while it sounds ends there.

    Raises:
        UserError: The data is no MIDI file, or its music lasts for more than a day.
    """
    try:
        midi = mido.MidiFile(file=io.BytesIO(data))
    except Exception as error:  # of any kind: damaged bytes lead Mido to a dozen of them
        raise UserError(f"not a MIDI file: {one_line(error)}") from error
    if midi.ticks_per_beat <= 0:  # frames of film a second
        raise UserError("not a MIDI file with a tempo: its time is counted in frames")
    scale = TICKS_PER_QUARTER / midi.ticks_per_beat
    found: list[Note] = []
    tempo: dict[int, int] = {}
    for track in midi.tracks:
        tick = 0
        sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
        for message in track:
            tick += message.time
            if message.type == "set_tempo":
                tempo[round(tick * scale)] = message.tempo
            elif message.type not in ("note_on", "note_off") or message.channel == 9:
                continue
            elif message.type == "note_on" and message.velocity:
                struck = (tick, message.velocity)
                sounding.setdefault((message.channel, message.note), []).append(struck)
            elif sounding.get((message.channel, message.note)):
                start, velocity = sounding[message.channel, message.note].pop(0)
                length = max(1, round((tick - start) * scale))
                found.append(Note(round(start * scale), message.note, length, velocity))
    marks = tuple(TempoMark(tick, microseconds) for tick, microseconds in sorted(tempo.items()))
    music = Music(merge(found), marks)
    seconds = music.seconds([note.tick + note.length for note in music.notes])
    if len(seconds) and seconds.max() > LONGEST_SECONDS:
        raise UserError(f"not a piece of music: it lasts for {seconds.max() / 3600:,.0f} hours")
    return music


def read_midi(path: Path) -> Music:
    """Reads the notes of a MIDI file, see `notes_of_midi`.

    Raises:
        UserError: The file is missing or no MIDI file.
    """
    if not os.path.isfile(path):
        raise UserError(f"{path}: no such file")
    try:
        return notes_of_midi(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def merge(notes: Iterable[Note]) -> tuple[Note, ...]:
    """Sorts notes; the longest of equal ones stays, and each ends where it is struck again."""
    longest: dict[tuple[int, int], Note] = {}
    for note in notes:
        key = (note.tick, note.pitch)
        longest[key] = max(longest.get(key, note), note, key=lambda n: n.length)
    following: dict[int, int] = {}
    result = []
    for (tick, pitch), note in sorted(longest.items(), reverse=True):
        length = min(note.length, following.get(pitch, tick + note.length) - tick)
        result.append(note._replace(length=length))
        following[pitch] = tick
    return tuple(reversed(result))


def midi_bytes(
    music: Music,
    program: int = 0,
    tail_seconds: float = 0.0,
    tunings: Sequence[np.ndarray] = (),
    dry: bool = False,
) -> bytes:
    """Writes a MIDI file: all notes on one channel, and the pedal as controller 64.

    Args:
        music: Notes to write.
        program: General MIDI program, 0 for the grand piano.
        tail_seconds: Silence in seconds after the last note, for its sound to fade.
        tunings: Cents by which each key is too high, [128]; with several of them, all notes sound
            once in each, on a channel of its own.
        dry: Whether the synthesiser's reverberation and chorus are switched off.
    """
    events: list[tuple[int, int, str, dict[str, Any]]] = [
        (mark.tick, 0, "set_tempo", {"tempo": min(mark.microseconds, 0xFFFFFF)})
        for mark in music.tempo
    ]
    for channel in range(max(1, len(tunings))):
        head = [("program_change", {"program": program})]
        if dry:
            head += [_control(91, 0), _control(93, 0)]
        if len(tunings):
            head += _tuning_messages(channel, tunings[channel])
            head.append(_control(7, round(100 / len(tunings) ** 0.5)))
        voice = [(0, 1, *message) for message in head]
        for note in merge(music.notes):
            stop = {"note": note.pitch, "velocity": 0}
            start = {"note": note.pitch, "velocity": note.velocity}
            voice.append((note.tick + note.length, 2, "note_on", stop))
            voice.append((note.tick, 3, "note_on", start))
        for pedal in music.pedal:
            for tick, order, value in ((pedal.release, 2, 0), (pedal.press, 4, 127)):
                voice.append((tick, order, *_control(64, value)))
        for tick, order, kind, values in voice:
            on_channel = {} if kind == "sysex" else {"channel": channel}
            events.append((tick, order, kind, values | on_channel))
    events.sort(key=lambda event: event[:2])
    track = mido.MidiTrack()
    now = 0
    for tick, _, kind, values in events:
        message = mido.MetaMessage if kind == "set_tempo" else mido.Message
        track.append(message(kind, time=tick - now, **values))
        now = tick
    last = max(music.tempo, default=TempoMark(0, DEFAULT_MICROSECONDS)).microseconds
    tail = round(tail_seconds * 1e6 / last * TICKS_PER_QUARTER)
    track.append(mido.MetaMessage("end_of_track", time=tail))
    midi = mido.MidiFile(type=0, ticks_per_beat=TICKS_PER_QUARTER)
    midi.tracks.append(track)
    buffer = io.BytesIO()
    midi.save(file=buffer)
    return buffer.getvalue()


def _control(control: int, value: int) -> tuple[str, dict[str, Any]]:
    return "control_change", {"control": control, "value": value}


def _tuning_messages(program: int, cents: np.ndarray) -> list[tuple[str, dict[str, Any]]]:
    """Returns the messages that tune the keys of a piano, by the MIDI Tuning Standard.

    They describe a tuning program, one note at a time, and choose it for a channel (registered
    parameter 3).
    """
    data = [0x7F, 0x7F, 0x08, 0x02, program, len(PIANO_KEYS)]
    for key in PIANO_KEYS:
        semitone, fraction = divmod(round((key + cents[key] / 100) * 2**14), 2**14)
        data += [key, semitone, fraction >> 7, fraction & 0x7F]
    chosen = ((101, 0), (100, 3), (6, program))
    return [("sysex", {"data": data}), *(_control(*pair) for pair in chosen)]
