"""Likely reasons why a note has no note head, or a head no note.

The alignment itself is not stored, so the reasons are inferred from what stands or sounds near the
note or head.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from tempo_invariant.scores.strips import Placement
from tfrecords_tools.inspection.pages import musical_time
from tfrecords_tools.msmd.layout import Performance

NEAR_SECONDS = 0.3
"""A note and a head no farther apart than this may belong together."""

STRETCH_SECONDS = 2.0
"""Music this far from every aligned note is another passage."""

_SAME_SECONDS = 0.03

_SHIFTED = "at another time than {} of its pitch: a grace note, an arpeggio or a wrong time"
_ROUNDED = "less than 30 ms from {} of its pitch: joined too strictly, as grace notes are rounded"
_OTHER_PITCH = "{} of another pitch stands there: a transposition, an octave sign or a wrong pitch"


def shown_events(performance: Performance, placements: Sequence[Placement]) -> set[int]:
    """Returns the rows of the notes that a note head shows.

    Heads without the row of their note are matched by pitch and onset frame.
    """
    rows = {
        (int(frame), int(pitch)): row
        for row, (frame, pitch) in enumerate(
            zip(performance.onsets, performance.notes[:, 1], strict=False)
        )
    }
    shown = set()
    for placement in placements:
        onset = placement.head.onsets.get(performance.name)
        if onset is not None and not placement.head.tied:
            known = 0 <= onset.event < len(performance.notes)
            key = (onset.frame, placement.head.pitch)
            shown.add(onset.event if known else rows.get(key, -1))
    return shown - {-1}


def reasons(performance: Performance, placements: Sequence[Placement]) -> Counter[str]:
    """Counts the likely reasons for the notes without a head and the heads without a note.

    Args:
        performance: Performance whose alignment is examined.
        placements: All note heads on the strip.
    """
    shown = shown_events(performance, placements)
    loose = np.array([row for row in range(len(performance.notes)) if row not in shown], int)
    heads = [placement for placement in placements if not placement.head.tied]
    idle = [placement for placement in heads if performance.name not in placement.head.onsets]
    seconds = _seconds_of(idle, heads, performance)
    found: Counter[str] = Counter()
    pitches = np.array([placement.head.pitch for placement in idle], int)
    found.update(
        f"note {_reason_of_note(performance, row, shown, seconds, pitches)}" for row in loose
    )
    played_systems = {(p.page, p.system) for p in heads if performance.name in p.head.onsets}
    for placement, time in zip(idle, seconds, strict=True):
        if (placement.page, placement.system) not in played_systems:
            found["head in a system that is not played: another ending or score"] += 1
        else:
            found[f"head {_reason_of_head(performance, placement.head.pitch, time, loose)}"] += 1
    return found


def _reason_of_note(
    performance: Performance,
    row: int,
    shown: set[int],
    head_seconds: np.ndarray,
    head_pitches: np.ndarray,
) -> str:
    """Returns the reason for a note that no head shows."""
    onset, pitch = performance.notes[row, :2]
    distance = np.abs(head_seconds - onset)
    same = head_pitches == pitch
    if (distance[same] < NEAR_SECONDS).any():
        return (_ROUNDED if distance[same].min() < _SAME_SECONDS else _SHIFTED).format("a head")
    if (distance[~same] < _SAME_SECONDS).any():
        return _OTHER_PITCH.format("a head")
    starts, pitches = performance.notes[:, 0], performance.notes[:, 1]
    before = onset - starts[pitches == pitch]
    if ((before > 0) & (before < NEAR_SECONDS)).any():
        return "struck again at once: a tremolo, a trill or another ornament"
    known = starts[sorted(shown)]
    if not len(known) or np.abs(known - onset).min() > STRETCH_SECONDS:
        return "in a passage without any head: a repeat played out, or not on the pages"
    return "without any head of its pitch nearby"


def _reason_of_head(performance: Performance, pitch: int, time: float, loose: np.ndarray) -> str:
    """Returns the reason for a head at `time`, NaN if unknown, that no note plays."""
    if np.isnan(time):
        return "whose time is not known"
    starts, pitches, lengths = performance.notes[:, :3].T
    distance = np.abs(starts[loose] - time)
    same = pitches[loose] == pitch
    if (distance[same] < NEAR_SECONDS).any():
        return (_ROUNDED if distance[same].min() < _SAME_SECONDS else _SHIFTED).format("a note")
    sounding = (pitches == pitch) & (starts < time - _SAME_SECONDS)
    if (sounding & (starts + lengths > time - _SAME_SECONDS)).any():
        return "whose pitch sounds already: a tie that is not marked, or struck in another voice"
    if (distance[~same] < _SAME_SECONDS).any():
        return _OTHER_PITCH.format("a note")
    return "whose pitch is not played near its time"


def _seconds_of(
    wanted: Sequence[Placement], heads: Sequence[Placement], performance: Performance
) -> np.ndarray:
    """Returns when heads would sound, interpolated between the aligned ones.

    They are placed by musical time if all have one, else by the column of the strip.
    """
    if not wanted:
        return np.zeros(0)
    by_moment = all(placement.head.moment is not None for placement in heads)

    def place(placement: Placement) -> float:
        time = musical_time(placement.head, "") if by_moment else None
        return placement.column if time is None else time

    known = {
        place(p): p.head.onsets[performance.name].seconds
        for p in heads
        if performance.name in p.head.onsets
    }
    if not known:
        return np.full(len(wanted), np.nan)
    places = sorted(known)
    return np.interp([place(p) for p in wanted], places, [known[p] for p in places])
