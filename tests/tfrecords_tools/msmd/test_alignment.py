"""Tests of the join between drawn note heads and MIDI notes."""

import io
from fractions import Fraction

import mido
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores.drawn import DrawnHead
from tempo_invariant.scores.places import Box
from tfrecords_tools.msmd.alignment import align
from tfrecords_tools.music.notes import Note

BOX = Box(0.0, 0.0, 8.0, 10.0)


def head(moment, pitch, *, score=0, grace=0, length="1/4", tied=False, box=BOX):
    return DrawnHead(
        score, 0, Fraction(moment), Fraction(grace), Fraction(length), pitch, tied, box
    )


def events(alignment):
    return [head.event for head in alignment.heads]


def midi_file(tmp_path, name, notes, tempo=500_000):
    """Writes notes (tick, pitch, length) with mido alone; 90 is LilyPond's usual velocity."""
    messages = [(0, mido.MetaMessage("set_tempo", tempo=tempo))]
    for tick, pitch, length, *velocity in notes:
        loud = velocity[0] if velocity else 90
        messages.append((tick, mido.Message("note_on", note=pitch, velocity=loud)))
        messages.append((tick + length, mido.Message("note_on", note=pitch, velocity=0)))
    messages.sort(key=lambda m: (m[0], getattr(m[1], "velocity", 0) > 0))
    track, now = mido.MidiTrack(), 0
    for tick, message in messages:
        track.append(message.copy(time=tick - now))
        now = tick
    midi = mido.MidiFile(ticks_per_beat=384, type=0)
    midi.tracks.append(track)
    buffer = io.BytesIO()
    midi.save(file=buffer)
    path = tmp_path / name
    path.write_bytes(buffer.getvalue())
    return path


def test_heads_find_their_notes_and_ties_and_hidden_heads_do_not(tmp_path):
    heads = [
        head(0, 60, length="1/2"),
        head("1/2", 60, tied=True),  # continues the half note: nothing is struck
        head("1/4", 64),
        head("1/4", 67, box=None),  # hidden
        *(head(Fraction(3, 4) + Fraction(k, 4), 70 + k) for k in range(12)),
    ]
    notes = [(0, 60, 1152), (384, 64, 384), (384, 67, 384)]
    notes += [(1152 + 384 * k, 70 + k, 384) for k in range(12)]
    result = align([heads], [midi_file(tmp_path, "a.midi", notes)])
    assert result.from_midi == 1
    struck = {i: result.music.notes[e] for i, e in enumerate(events(result)) if e is not None}
    assert struck[0][:2] == (0, 60) and struck[2][:2] == (384, 64)
    assert 1 not in struck and 3 not in struck
    assert len(struck) == 14
    assert [*result.heads][2].moment == 1.0  # quarter notes


def test_grace_notes_take_nine_fortieths_before_the_beat(tmp_path):
    # An eighth is 192 ticks; 192 * 9 / 40 = 43.2, so it sounds at floor(340.8).
    heads = [head(0, 60), head("1/4", 72, grace="-1/8", length="1/8"), head("1/4", 71)]
    midi = midi_file(tmp_path, "a.midi", [(0, 60, 384), (340, 72, 43), (384, 71, 384)])
    result = align([heads], [midi])
    assert [result.music.notes[e].tick for e in events(result)] == [0, 340, 384]
    # Without MIDI the heads are played, at the same places.
    alone = align([heads], [])
    assert [(note.tick, note.length) for note in alone.music.notes] == [
        (0, 384),
        (340, 43),
        (384, 384),
    ]


def test_ticks_of_tuplets_may_be_rounded_either_way(tmp_path):
    heads = [head(Fraction(k, 20), 60, length="1/20") for k in range(5)]  # a tick is 1/76.8
    notes = [(0, 60, 76), (77, 60, 76), (153, 60, 77), (230, 60, 77), (308, 60, 76)]
    result = align([heads], [midi_file(tmp_path, "a.midi", notes)])
    assert events(result) == [0, 1, 2, 3, 4]
    assert [note.tick for note in align([heads], []).music.notes] == [0, 76, 153, 230, 307]


def test_repeats_that_the_midi_plays_out_are_played_from_the_page_once(tmp_path):
    heads = [head(Fraction(k, 4), 60 + k) for k in range(8)]
    heads[5] = head(Fraction(5, 4), 64, tied=True)
    unfolded = [(384 * k, 60 + k % 8, 384) for k in range(16)]
    midi = midi_file(tmp_path, "a.midi", unfolded, tempo=400_000)
    result = align([heads], [midi])
    assert result.from_midi == 0
    assert len(result.music.notes) == 7
    assert result.music.notes[4] == Note(1536, 64, 768)  # the tied head prolongs the one before
    assert result.music.tempo[0].microseconds == 400_000
    marked = align([heads], [midi], [(0, Fraction(0), Fraction(30))])  # 30 wholes, 120 quarters
    assert marked.music.tempo[0].microseconds == 500_000


def test_scores_follow_each_other_in_time_whatever_the_order_of_their_midi(tmp_path):
    heads = [head(Fraction(k, 4), 60 + k) for k in range(4)]
    heads += [head(Fraction(k, 4), 80 + k, score=1) for k in range(4)]
    first = midi_file(tmp_path, "a.midi", [(384 * k, 60 + k, 384) for k in range(4)], 500_000)
    second = midi_file(tmp_path, "b.midi", [(384 * k, 80 + k, 384) for k in range(4)], 250_000)
    # The second score begins on the first page: heads stay on their pages, in their order.
    result = align([heads[:5], [], heads[5:]], [second, first])
    assert result.from_midi == 2
    assert [[head.drawn for head in page] for page in result.pages] == [heads[:5], [], heads[5:]]
    assert [head.moment for head in result.heads] == [0, 1, 2, 3, 5, 6, 7, 8]
    ticks = [result.music.notes[e].tick for e in events(result)]
    # The first score ends at 1536; one quarter of silence; the second starts at 1920.
    assert ticks == [0, 384, 768, 1152, 1920, 2304, 2688, 3072]
    seconds = result.music.seconds(ticks)
    assert seconds[4] == pytest.approx(4 * 0.5 + 0.5)
    assert seconds[7] == pytest.approx(2.5 + 3 * 0.25)


def test_a_score_without_visible_heads_has_nothing_to_play():
    with pytest.raises(UserError, match="no notes"):
        align([[head(0, 60, box=None)]], [])


def test_unisons_of_two_staves_share_one_note(tmp_path):
    heads = [head(0, 60), head(0, 60, length="1/2"), head("1/2", 62)]
    midi = midi_file(tmp_path, "a.midi", [(0, 60, 384), (768, 62, 384)])
    result = align([heads], [midi])
    assert events(result) == [0, 0, 1]


def test_the_velocities_of_lilypond_become_those_of_the_marks(tmp_path):
    heads = [head(Fraction(k, 4), pitch) for k in range(5) for pitch in (48, 72)]
    right = [(384 * k, 72, 384, loud) for k, loud in enumerate((94, 69, 82, 127, 107))]
    left = [(384 * k, 48, 384) for k in range(5)]  # has no marks
    music = align([heads], [midi_file(tmp_path, "a.midi", left + right)]).music
    levels = {note.tick // 384: set() for note in music.notes}
    for note in music.notes:
        levels[note.tick // 384].add(note.velocity)
    # Staccato, p, between mp (77 of LilyPond's) and mf (86), sf, fff.
    between = round(64 + 16 * 5 / 9)
    assert levels == {0: {64}, 1: {49}, 2: {between}, 3: {between}, 4: {127}}
    plain = align([heads], [midi_file(tmp_path, "b.midi", [n[:3] for n in left + right])]).music
    assert {note.velocity for note in plain.notes} == {64}


def test_heads_that_are_played_keep_their_dynamics():
    first = DrawnHead(0, 0, Fraction(0), Fraction(0), Fraction(1, 4), 60, False, BOX, velocity=33)
    tied = DrawnHead(0, 0, Fraction(1, 4), Fraction(0), Fraction(1, 4), 60, True, BOX, velocity=96)
    assert align([[first, tied, head("1/2", 62)]], []).music.notes == (
        Note(0, 60, 768, 33),
        Note(768, 62, 384, 64),
    )
