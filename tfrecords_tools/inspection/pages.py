"""Violations of the order of systems and of the geometry of strips."""

from collections import Counter
from collections.abc import Sequence
from itertools import groupby, pairwise

import numpy as np

from tempo_invariant.geometry import STRIP_HEIGHT
from tempo_invariant.scores.msmd import Score
from tempo_invariant.scores.mung import NoteHead, Page
from tempo_invariant.scores.strips import Placement

KINDS = {
    "overlap": "systems that overlap the one above",
    "no_system": "note heads without a system",
    "page": "note heads that reach past the page",
    "strip": "note heads that reach past the 200 rows of their system",
    "width": "note heads left or right of their system",
    "column": "moments left of an earlier one in their system",
    "order": "systems that start before the one above ends",
}
"""Kinds of violations, each with what is counted."""

_PIXELS = 1.0
"""Smaller deviations come from rounding boxes to whole pixels."""


def check_pages(score: Score, placements: Sequence[Placement], performance: str) -> Counter[str]:
    """Counts the violations of order and geometry in a piece.

    Args:
        score: Score of the piece.
        placements: Note heads of the piece on the strip.
        performance: Name of the performance whose onsets stand for unknown musical times.

    Returns:
        Number of violations by kind (see `KINDS`), without kinds that do not occur.
    """
    found: Counter[str] = Counter()
    for page in score.pages:
        found.update(_violations_of_page(page, *score.size(page.number)))
    found.update(_violations_of_time(placements, performance))
    return found


def _violations_of_page(page: Page, height: int, width: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for above, below in pairwise(page.systems):
        found["overlap"] += below.box.top < above.box.bottom - _PIXELS
    systems = {system.id: system for system in page.systems}
    for head in page.note_heads:
        top, left, bottom, right = head.box
        found["page"] += min(top, left, height - bottom, width - right) < -_PIXELS
        system = systems.get(head.system)
        if system is None:
            found["no_system"] += 1
            continue
        first = int(system.box.centre_row) - STRIP_HEIGHT // 2
        found["strip"] += min(top - first, first + STRIP_HEIGHT - bottom) < -_PIXELS
        inside = system.box.left <= head.column <= system.box.right
        found["width"] += not inside
    return +found


def _violations_of_time(placements: Sequence[Placement], performance: str) -> Counter[str]:
    """Counts steps back in time along the strip, without heads whose time is unknown."""
    found: Counter[str] = Counter()
    latest = -np.inf
    timed = [
        (time, p) for p in placements if (time := musical_time(p.head, performance)) is not None
    ]
    for _, group in groupby(timed, key=lambda item: (item[1].page, item[1].system)):
        columns: dict[float, list[float]] = {}
        for time, placement in group:
            columns.setdefault(round(time, 3), []).append(placement.column)
        times = sorted(columns)
        middles = [float(np.median(columns[time])) for time in times]
        found["column"] += sum(right < left - _PIXELS for left, right in pairwise(middles))
        found["order"] += times[0] < latest
        latest = max(latest, times[-1])
    return +found


def musical_time(head: NoteHead, performance: str) -> float | None:
    """Returns the time of a head in quarter notes or, where that is unknown, in seconds."""
    if head.moment is not None:
        return head.moment
    onset = head.onsets.get(performance)
    return None if onset is None else onset.seconds
