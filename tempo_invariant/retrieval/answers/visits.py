"""When a recording is in which system of a score."""

import dataclasses
from collections.abc import Iterable, Sequence

from tempo_invariant.retrieval.courses import TimedPlace
from tempo_invariant.retrieval.identification import IdentifiedRecording
from tempo_invariant.scores.places import Box, Place

BACK_PIXELS = 50
"""A recording that goes so far to the left within a system comes to it once more."""


@dataclasses.dataclass(frozen=True)
class Visit:
    """A stretch of time in one system.

    Attributes:
        page: Number of the page, from 1.
        system: Number of the system on the page, from 1.
        box: Box of the system on the page.
        first: First full second of the recording.
        last: Last full second of the recording.
        columns: Columns of the page at the first second and at the last.
        bars: Numbers of the first bar and of the last; None where they are not known.
    """

    page: int
    system: int
    box: Box
    first: float
    last: float
    columns: tuple[float, float]
    bars: tuple[int, int] | None = None

    @property
    def label(self) -> str:
        """From when to when."""
        return clock_span(self.first, self.last)

    @property
    def where(self) -> str:
        """The place in words."""
        return f"page {self.page}, system {self.system}{bar_text(self.bars)}"


def clock(seconds: float) -> str:
    """Returns minutes and seconds, 83 as 1:23."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def clock_span(first: float, last: float) -> str:
    """Returns from when to when, 0 and 83 as 0:00–1:23."""
    return f"{clock(first)}–{clock(last)}"


def bar_text(bars: tuple[int, int] | None) -> str:
    """Returns the bars as they stand after a place, ", bars 5–8"; nothing if they are unknown."""
    if bars is None:
        return ""
    return f", bar {bars[0]}" if bars[0] == bars[1] else f", bars {bars[0]}–{bars[1]}"


def find_visits(places: Iterable[TimedPlace]) -> list[Visit]:
    """Joins the places of successive seconds that are in one system."""
    runs: list[list[TimedPlace]] = []
    for place in places:
        if runs and _goes_on(runs[-1][-1], place):
            runs[-1].append(place)
        else:
            runs.append([place])
    return [_visit(run) for run in runs]


def played_visits(answer: IdentifiedRecording) -> list[Visit]:
    """Returns when the recording that plays a page is in which system of it."""
    places = map(Place.from_row, answer.document.places)
    boxes = {(place.page, place.system): place.box for place in places}
    return [Visit(box=boxes[row.page, row.system], **vars(row)) for row in answer.played]


def _goes_on(before: TimedPlace, after: TimedPlace) -> bool:
    same = (before.page, before.system, before.box) == (after.page, after.system, after.box)
    soon = after.seconds - before.seconds <= 1
    return same and soon and after.x > before.x - BACK_PIXELS


def _visit(run: Sequence[TimedPlace]) -> Visit:
    first, last = run[0], run[-1]
    bars = [place.bar for place in run if place.bar is not None]
    return Visit(
        first.page,
        first.system,
        first.box,
        first.seconds,
        last.seconds,
        (first.x, last.x),
        (min(bars), max(bars)) if len(bars) == len(run) else None,
    )
