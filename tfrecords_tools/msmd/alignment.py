"""Joins drawn note heads with the notes that are played.

LilyPond's MIDI has 384 ticks a quarter, and grace notes sound at 9/40 of their written length
before the beat, so a head is played at tick (moment + grace * 9/40) * 1536, rounded down. A score
whose MIDI says something else than its page (repeats played out, hands missing, none at all) is
played from its heads, each once.
"""

import math
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from tempo_invariant.errors import UserError
from tempo_invariant.scores.svg import DrawnHead
from tfrecords_tools.music.notes import Music, Note, TempoMark, merge, notes_of_midi

TICKS_PER_WHOLE = 1536
GRACE = Fraction(9, 40)
"""Share of their written time that grace notes take."""

MINIMUM_SHARE = 0.9
"""Share of notes with a head, and of heads with a note, below which the heads are played."""

DEFAULT_QUARTERS_PER_MINUTE = 60
"""LilyPond's tempo for a score that has no mark."""

_GAP_TICKS = 384
"""Silence between two scores of one file."""


@dataclass(frozen=True)
class Alignment:
    """What is played and by which head it is written.

    Attributes:
        music: all scores of the piece, one after the other.
        events: for each head, the index of its note in `music.notes`; None for one that is not
            struck (it continues a tie, or the MIDI leaves it out).
        moments: for each head, its time in quarter notes from the start of the piece.
        from_midi: how many of the scores are played from LilyPond's MIDI.
        scores: number of scores.
    """

    music: Music
    events: tuple[int | None, ...]
    moments: tuple[float, ...]
    from_midi: int
    scores: int


def head_tick(head: DrawnHead) -> int:
    """Returns the tick, from the start of its score, at which a head is played."""
    return math.floor((head.moment + head.grace * GRACE) * TICKS_PER_WHOLE)


def align(
    heads: Sequence[DrawnHead],
    midis: Sequence[Path],
    tempi: Sequence[tuple[int, Fraction, Fraction]] = (),
) -> Alignment:
    """Joins the heads of a piece with the notes of its MIDI files, score by score.

    Args:
        heads: all drawn heads; hidden ones (without a box) are never joined.
        midis: the MIDI files, in the order of the scores.
        tempi: tempo marks as read from the page, for scores that are played from their heads:
            score, time in whole notes, whole notes a minute.

    Raises:
        UserError: there is nothing to play.
    """
    played = [_read_midi(path) for path in midis]
    notes: list[Note] = []
    marks: list[TempoMark] = []
    events: list[int | None] = [None] * len(heads)
    moments = [0.0] * len(heads)
    offset, from_midi = 0, 0
    scores = sorted({head.score for head in heads})
    used: set[int] = set()
    for position, score in enumerate(scores):
        indices = [i for i, head in enumerate(heads) if head.score == score]
        ticks = _ticks([heads[i] for i in indices])
        keys = dict(zip(indices, ticks, strict=True))
        chosen = _choose_midi(heads, keys, played, used, position)
        if chosen is None:
            music = _play_heads(heads, keys, _marks_of_score(score, tempi, played, position))
        else:
            used.add(chosen)
            from_midi += 1
            music = played[chosen]
        index_of = {(note.tick, note.pitch): i for i, note in enumerate(music.notes, len(notes))}
        for i, tick in keys.items():
            moments[i] = (tick + offset) / (TICKS_PER_WHOLE / 4)
            if heads[i].box is not None:
                key = _find(index_of, tick, heads[i].pitch)
                events[i] = None if key is None else index_of[key]
        notes += [Note(note.tick + offset, note.pitch, note.length) for note in music.notes]
        marks += [TempoMark(mark.tick + offset, mark.microseconds) for mark in music.tempo]
        end = max((note.tick + note.length for note in notes), default=0)
        offset = -(-end // _GAP_TICKS) * _GAP_TICKS + _GAP_TICKS
    if not notes:
        raise UserError("the score has no notes")
    music = Music(tuple(notes), tuple(marks))
    return Alignment(music, tuple(events), tuple(moments), from_midi, len(scores))


def _ticks(heads: Sequence[DrawnHead]) -> list[int]:
    """Returns the ticks of a score's heads; grace notes before the first beat start at 0."""
    ticks = [head_tick(head) for head in heads]
    shift = max(0, -min(ticks, default=0))
    return [tick + shift for tick in ticks]


def _read_midi(path: Path) -> Music:
    try:
        return notes_of_midi(path.read_bytes())
    except UserError:
        return Music((), ())


def _choose_midi(
    heads: Sequence[DrawnHead],
    ticks: Mapping[int, int],
    played: Sequence[Music],
    used: set[int],
    position: int,
) -> int | None:
    """Returns the MIDI file that plays what these heads write, or None.

    Of files that fit equally well, the one at the score's own position wins.
    """
    best, best_share = None, 0.0
    for index, music in enumerate(played):
        if index in used or not music.notes:
            continue
        sounding = {(note.tick, note.pitch) for note in music.notes}
        found = {i: _find(sounding, ticks[i], heads[i].pitch) for i in ticks if heads[i].box}
        struck = [i for i in found if not heads[i].tied]
        with_head = len({key for key in found.values() if key}) / len(sounding)
        with_note = sum(found[i] is not None for i in struck) / max(1, len(struck))
        share = min(with_head, with_note) + (1e-9 if index == position else 0.0)
        if min(with_head, with_note) >= MINIMUM_SHARE and share > best_share:
            best, best_share = index, share
    return best


def _find(sounding: Container[tuple[int, int]], tick: int, pitch: int) -> tuple[int, int] | None:
    """Returns the key of the note that a head is played by; ticks may be one apart.

    LilyPond's ticks are computed in floating point.
    """
    keys = ((tick + distance, pitch) for distance in (0, 1, -1))
    return next((key for key in keys if key in sounding), None)


def _marks_of_score(
    score: int,
    tempi: Sequence[tuple[int, Fraction, Fraction]],
    played: Sequence[Music],
    position: int,
) -> tuple[TempoMark, ...]:
    """Returns the tempo marks for a score that is played from its heads.

    The marks on the page count; without one at the start, the first tempo of the score's MIDI.
    """
    marks = [
        TempoMark(round(moment * TICKS_PER_WHOLE), round(60e6 / float(tempo * 4)))
        for number, moment, tempo in tempi
        if number == score and tempo > 0
    ]
    if not marks or marks[0].tick > 0:
        first = next(iter(played[position].tempo), None) if position < len(played) else None
        default = round(60e6 / DEFAULT_QUARTERS_PER_MINUTE)
        marks.insert(0, TempoMark(0, first.microseconds if first else default))
    return tuple(marks)


def _play_heads(
    heads: Sequence[DrawnHead], ticks: Mapping[int, int], tempo: tuple[TempoMark, ...]
) -> Music:
    """Plays visible heads once each; a head on which a tie ends prolongs the note before it."""
    lengths: dict[tuple[int, int], int] = {}
    ending: dict[tuple[int, int], tuple[int, int]] = {}
    for i in sorted(ticks, key=lambda i: (ticks[i], heads[i].tied)):
        head = heads[i]
        if head.box is None:
            continue
        share = GRACE if head.grace else Fraction(1)
        end = ticks[i] + max(1, round(head.length * share * TICKS_PER_WHOLE))
        start = ending.get((ticks[i], head.pitch)) if head.tied else None
        key = start or (ticks[i], head.pitch)
        lengths[key] = max(lengths.get(key, 1), end - key[0])
        ending[(end, head.pitch)] = key
    notes = merge(Note(tick, pitch, length) for (tick, pitch), length in lengths.items())
    return Music(notes, tempo)
