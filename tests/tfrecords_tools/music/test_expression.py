"""Tests of expressive playing."""

import io

import mido
import numpy as np
import pretty_midi
import pytest

from tfrecords_tools.music.expression import SPREAD_SECONDS, express, interpret, ritard
from tfrecords_tools.music.notes import Music, Note, TempoMark, merge, midi_bytes, notes_of_midi

QUARTER = 384
MARCH = (TempoMark(0, 500_000),)
"""A quarter lasts half a second."""

GOLDEN = [(34, 66), (39, 55), (39, 58), (17, 72), (545, 49), (539, 53), (514, 67), (1019, 61)]
"""Onsets in milliseconds and velocities of the chorale's first notes."""


def chorale(bars=16):
    """Quarter chords of four voices in 4/4, the bass in half notes, at 120 quarters a minute."""
    notes = []
    for k in range(4 * bars):
        tick = k * QUARTER
        notes += [Note(tick, 43 + k % 8, 2 * QUARTER)] if k % 2 == 0 else []
        notes += [Note(tick, pitch, QUARTER) for pitch in (57, 62 + k % 3, 72 + k % 5)]
    return Music(merge(notes), MARCH)


def dense(seed):
    """Random notes: grace notes a few ticks apart, repeated ones, sudden tempo changes."""
    random = np.random.RandomState(seed)
    ticks = np.cumsum(random.choice([1, 5, 48, 96, 384, 1200], 400))
    pitches = random.randint(40, 90, (400, 3))
    notes = [
        Note(int(tick), int(pitch), int(random.choice([1, 20, 96, 384, 2000])))
        for tick, chord in zip(ticks, pitches, strict=True)
        for pitch in {*chord[: random.randint(1, 4)], 60}
    ]
    marks = [TempoMark(int(tick), int(random.randint(2e5, 2e6))) for tick in ticks[::50]]
    return Music(merge(notes), tuple(marks))


def onsets(played):
    """Seconds at which the notes of played music sound."""
    return played.seconds([note.tick for note in played.notes])


def test_the_seed_is_all_that_it_depends_on():
    music = chorale()
    first = express(music, "a")
    assert express(chorale(), "a") == first
    assert express(music, "b") != first
    # Names are seeds: what was built once must come out the same ever after.
    assert [note[:1] + note[3:] for note in first.notes[:8]] == GOLDEN
    seconds = np.array([onsets(express(music, seed)) for seed in "abcdef"])
    assert seconds.std(axis=0).max() > 0.2


def test_no_note_and_one_note_can_be_played():
    assert express(Music((), MARCH), "a") == Music((), MARCH)
    assert len(express(Music((Note(7, 60, 1),), MARCH), "a").notes) == 1


@pytest.mark.parametrize("tempo", [0.5, 1.0, 2.0])
def test_notes_keep_their_order_and_chords_stay_together(tempo):
    for seed in range(3):
        music = dense(seed).at_tempo(tempo)
        played = express(music, str(seed))
        assert [note.pitch for note in played.notes] == [note.pitch for note in music.notes]
        assert min(note.tick for note in played.notes) >= 0
        assert min(note.length for note in played.notes) >= 1
        chords: dict[int, list[int]] = {}
        for notated, note in zip(music.notes, played.notes, strict=True):
            chords.setdefault(notated.tick, []).append(note.tick)
        ordered = [chords[tick] for tick in sorted(chords)]
        for earlier, later in zip(ordered, ordered[1:], strict=False):
            assert max(earlier) <= min(later) + 1  # a grace note may last under a millisecond
            assert max(earlier) - min(earlier) <= 1000 * SPREAD_SECONDS
        previous: dict[int, Note] = {}
        for note in played.notes:  # a pitch is struck only after it was released
            if note.pitch in previous:
                assert note.tick >= previous[note.pitch].tick + previous[note.pitch].length
            previous[note.pitch] = note


def test_the_local_tempo_stays_near_and_phrases_end_slower():
    bars = 48
    music = Music(tuple(Note(k * QUARTER, 60 + k % 4, 300) for k in range(4 * bars)), MARCH)
    end = (4 * bars - 1) * QUARTER + 300
    slowings: list[float] = []
    for seed in "abcdefgh":
        plan = interpret(music, seed)
        # A quarter lasts half a second: the duration of each one, measured in what is played.
        durations = np.diff(onsets(express(music, seed)))
        ticks = QUARTER * np.arange(len(durations))
        body = np.ones(len(ticks), bool)
        for phrase in plan.phrases:
            share = 0.25 if phrase.end == end else 0.125
            slow = phrase.end - share * (phrase.end - phrase.start)
            body &= ~((ticks > slow - 2 * QUARTER) & (ticks < phrase.end + QUARTER))
            inside = (ticks >= phrase.start) & (ticks < phrase.end)
            slowing = inside & (ticks >= phrase.end - 2 * QUARTER)
            slowings.append(durations[slowing].mean() / np.median(durations[inside]))
        jitter = 0.02 / 0.5
        assert (durations[body] / 0.5 > 1 / 1.25 - jitter).all()
        assert (durations[body] / 0.5 < 1 / 0.8 + jitter).all()
        assert durations[body].std() > 0.01
        assert np.argmax(durations) >= len(durations) - 2  # the very end is the slowest
        assert 1.3 < durations[-1] / 0.5 < 2.4
        total = onsets(express(music, seed))[-1] + 0.3
        assert abs(total - music.seconds([end])[0]) < 0.6  # as long, but for the last note's
    assert min(slowings) > 1.0 and np.mean(slowings) > 1.1


def test_a_ritard_brakes_with_constant_power():
    place = np.linspace(0, 1, 6)
    tempo = ritard(place, 0.5)
    np.testing.assert_allclose(np.diff(tempo**3), (0.5**3 - 1) / 5)  # v^3 falls evenly
    assert (tempo[0], tempo[-1]) == (1, pytest.approx(0.5))


def test_the_melody_is_louder_and_leads():
    music = chorale(32)
    melody = np.array([note.pitch >= 72 for note in music.notes])
    inner = np.array([57 <= note.pitch < 72 for note in music.notes])
    leads = []
    for seed in range(20):
        played = express(music, str(seed))
        velocities = np.array([note.velocity for note in played.notes])
        assert abs(velocities.mean() - 64) < 0.5 and velocities.std() > 4
        assert 10 < velocities[melody].mean() - velocities[inner].mean() < 22
        seconds = onsets(played)
        leads.append(seconds[inner].reshape(-1, 2).mean(axis=1) - seconds[melody])
    assert 0.015 < np.mean(leads) < 0.04  # Goebl 2001: about 30 ms


def sounding_seconds(midi):
    """Plays a MIDI file by its events: {(start, pitch): end}, in rounded milliseconds."""
    now, pedal, ends = 0.0, False, {}
    down: dict[int, int] = {}
    held: dict[int, int] = {}

    def stop(voices, pitch):
        if pitch in voices:
            ends[voices.pop(pitch), pitch] = round(1000 * now)

    for message in mido.MidiFile(file=io.BytesIO(midi)):
        now += message.time
        if message.type == "control_change":
            assert message.control == 64
            pedal = message.value >= 64
            for pitch in list(held) if not pedal else []:
                stop(held, pitch)
        elif message.type == "note_on" and message.velocity:
            assert message.note not in down
            stop(held, message.note)
            down[message.note] = round(1000 * now)
        elif message.type == "note_on" and pedal:
            held[message.note] = down.pop(message.note)
        elif message.type == "note_on":
            stop(down, message.note)
    assert not down and not held and not pedal
    return ends


def test_the_pedal_holds_notes_until_it_is_released_or_they_are_struck_again():
    pedalled = 0
    for seed in range(4):
        music = dense(seed) if seed % 2 else chorale()
        played = express(music, str(seed))
        assert all(pedal.press < pedal.release for pedal in played.pedal)
        for earlier, later in zip(played.pedal, played.pedal[1:], strict=False):
            assert earlier.release < later.press
        lengths = played.sounding_lengths()
        computed = {
            (note.tick, note.pitch): note.tick + int(length)
            for note, length in zip(played.notes, lengths, strict=True)
        }
        assert computed == sounding_seconds(midi_bytes(played))
        pedalled += sum(lengths > [note.length for note in played.notes])
    assert pedalled > 100


def test_what_is_played_can_be_read_from_its_midi_file():
    played = express(chorale(), "a")
    midi = midi_bytes(played)
    back = notes_of_midi(midi)
    assert back.notes == tuple(sorted(played.notes))
    [instrument] = pretty_midi.PrettyMIDI(io.BytesIO(midi)).instruments
    read = sorted((round(1000 * n.start), n.pitch, n.velocity) for n in instrument.notes)
    assert read == sorted((note.tick, note.pitch, note.velocity) for note in played.notes)
    downs = [change for change in instrument.control_changes if change.value >= 64]
    assert [round(1000 * change.time) for change in downs] == [p.press for p in played.pedal]
