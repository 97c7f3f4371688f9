"""Joins drawn note heads with the notes that are played.

LilyPond's MIDI has 384 ticks a quarter, and grace notes sound at 9/40 of their written length
before the beat, so a head is played at tick (moment + grace * 9/40) * 1536, rounded down. A score
whose MIDI differs from its page (repeats played out, hands missing, no MIDI at all) is played from
its heads, each once.
"""

import bisect
import itertools
import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.scores.drawn import DrawnHead
from tempo_invariant.scores.dynamics import LEVELS, UNMARKED
from tfrecords_tools.music.notes import Music, Note, TempoMark, merge, read_midi

TICKS_PER_WHOLE = 1536
GRACE = Fraction(9, 40)
"""Share of their written time that grace notes take."""

MINIMUM_SHARE = 0.9
"""Share of notes with a head, and of heads with a note, below which the heads are played."""

DEFAULT_QUARTERS_PER_MINUTE = 60
"""LilyPond's tempo for a score that has no mark."""

_LILYPOND_UNMARKED = (90, 94, 96, 110, 127)
"""LilyPond's velocities of notes without a mark: plain ones, staccato, staccatissimo, accented,
and marcato; the last also of all notes from sf to the next mark."""

_LILYPOND_LEVELS = ((53, 62, 69, 77, 86, 95, 101, 107), tuple(LEVELS.values()))
"""LilyPond's velocities of ppp to fff, with those of `dynamics`."""

_GAP_TICKS = 384
"""Silence between two scores of one file."""


@dataclass(frozen=True)
class AlignedHead:
    """A drawn note head with what is known of its time.

    Attributes:
        drawn: Head as it is engraved.
        moment: Time in quarter notes from the start of the piece.
        event: Index of the head's note in `Alignment.music.notes`; None for a head that is not
            struck (it continues a tie, is hidden, or is missing from the MIDI).
    """

    drawn: DrawnHead
    moment: float
    event: int | None


@dataclass(frozen=True)
class Alignment:
    """The music of a piece and the heads that write it.

    Attributes:
        music: All scores of the piece, one after the other.
        pages: Heads of every page, hidden ones too, in the order in which they are drawn.
        from_midi: Number of scores that are played from LilyPond's MIDI.
        scores: Number of scores.
    """

    music: Music
    pages: tuple[tuple[AlignedHead, ...], ...]
    from_midi: int
    scores: int

    @property
    def heads(self) -> Iterator[AlignedHead]:
        """The heads of all pages."""
        return itertools.chain.from_iterable(self.pages)


def head_tick(head: DrawnHead) -> int:
    """Returns the tick, from the start of its score, at which a head is played."""
    return math.floor((head.moment + head.grace * GRACE) * TICKS_PER_WHOLE)


def align(
    pages: Sequence[Sequence[DrawnHead]],
    midis: Sequence[Path],
    tempi: Sequence[tuple[int, Fraction, Fraction]] = (),
) -> Alignment:
    """Joins the heads of a piece with the notes of its MIDI files, score by score.

    Args:
        pages: Drawn heads of every page; hidden ones (without a box) are never joined.
        midis: Paths of the MIDI files, in the order of the scores.
        tempi: Tempo marks as in `Engraving`, for scores that are played from their heads.

    Raises:
        UserError: There is nothing to play.
    """
    heads = [head for page in pages for head in page]
    played = [_read_midi(path) for path in midis]
    aligned: dict[int, AlignedHead] = {}
    notes: list[Note] = []
    marks: list[TempoMark] = []
    used: set[int] = set()
    offset = 0
    scores = sorted({head.score for head in heads})
    for position, score in enumerate(scores):
        ticks = _ticks(heads, score)
        chosen = _choose_midi(heads, ticks, played, used, position)
        if chosen is None:
            music = _play_heads(heads, ticks, _marks_of_score(score, tempi, played, position))
        else:
            used.add(chosen)
            music = played[chosen]
        aligned |= _align_score(heads, ticks, music, len(notes), offset)
        notes += [note._replace(tick=note.tick + offset) for note in music.notes]
        marks += [mark._replace(tick=mark.tick + offset) for mark in music.tempo]
        offset = _start_after(notes)
    if not notes:
        raise UserError("the score has no notes")
    ordered = iter(aligned[i] for i in range(len(heads)))
    by_page = tuple(tuple(itertools.islice(ordered, len(page))) for page in pages)
    return Alignment(Music(tuple(notes), tuple(marks)), by_page, len(used), len(scores))


def _start_after(notes: Sequence[Note]) -> int:
    """Returns the tick at which the next score starts."""
    end = max((note.tick + note.length for note in notes), default=0)
    return -(-end // _GAP_TICKS) * _GAP_TICKS + _GAP_TICKS


def _align_score(
    heads: Sequence[DrawnHead],
    ticks: Mapping[int, int],
    music: Music,
    first_event: int,
    offset: int,
) -> dict[int, AlignedHead]:
    """Joins the heads of a score with the notes of its music, by index in `heads`.

    In the piece, its first note has the index `first_event` and it starts at tick `offset`.
    """
    event_of = {(note.tick, note.pitch): i for i, note in enumerate(music.notes, first_event)}
    aligned = {}
    for i, tick in ticks.items():
        key = _find(event_of, tick, heads[i].pitch) if heads[i].box else None
        moment = (tick + offset) / (TICKS_PER_WHOLE / 4)
        aligned[i] = AlignedHead(heads[i], moment, None if key is None else event_of[key])
    return aligned


def _ticks(heads: Sequence[DrawnHead], score: int) -> dict[int, int]:
    """Returns the ticks of a score's heads, by index in `heads`, from the start of the score.

    Grace notes before the first beat start at 0.
    """
    ticks = {i: head_tick(head) for i, head in enumerate(heads) if head.score == score}
    shift = max(0, -min(ticks.values()))
    return {i: tick + shift for i, tick in ticks.items()}


def _read_midi(path: Path) -> Music:
    try:
        return _with_levels(read_midi(path))
    except UserError:
        return Music((), ())


def _with_levels(music: Music) -> Music:
    """Returns LilyPond's music with the velocities of `dynamics` in place of LilyPond's.

    Voices without marks, such as most left hands, follow the others.
    """
    marked = [note for note in music.notes if note.velocity not in _LILYPOND_UNMARKED]
    ticks = [note.tick for note in marked]
    levels = np.round(np.interp([note.velocity for note in marked], *_LILYPOND_LEVELS)).astype(int)
    level_of = dict(zip(marked, levels.tolist(), strict=True))
    heard = [UNMARKED, *level_of.values()]
    notes = (
        note._replace(velocity=level_of.get(note, heard[bisect.bisect_right(ticks, note.tick)]))
        for note in music.notes
    )
    return replace(music, notes=tuple(notes))


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
    velocities: dict[tuple[int, int], int] = {}
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
        velocities[key] = max(velocities.get(key, 0), 0 if start else head.velocity)
        ending[(end, head.pitch)] = key
    notes = merge(Note(*key, length, velocities[key]) for key, length in lengths.items())
    return Music(notes, tempo)
