"""When a recording is in which system of a score."""

import dataclasses
from collections.abc import Iterable
from itertools import groupby

from tempo_invariant.scores.places import Box, Place


@dataclasses.dataclass(frozen=True)
class Visit:
    """A stretch of time in one system.

    Attributes:
        page: Number of the page, from 1.
        system: Number of the system on the page, from 1.
        box: Box of the system on the page.
        first: First full second of the recording.
        last: Last full second of the recording.
        columns: Column of the page at every second from `first` to `last`.
    """

    page: int
    system: int
    box: Box
    first: int
    last: int
    columns: tuple[float, ...]

    @property
    def label(self) -> str:
        """From when to when."""
        return f"{clock(self.first)}–{clock(self.last)}"

    @property
    def line(self) -> str:
        """When, and where, as a line of text."""
        where = f"page {self.page}, system {self.system}"
        return f"{self.label}  {where}, x {self.columns[0]:.0f}–{self.columns[-1]:.0f}"


def clock(seconds: float) -> str:
    """Returns minutes and seconds, 83 as 1:23."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def find_visits(places: Iterable[tuple[int, Place]]) -> list[Visit]:
    """Joins the places of successive seconds that are in one system; see `place_by_second`."""
    visits = []
    for (page, system, box), group in groupby(
        places, key=lambda item: (item[1].page, item[1].system, item[1].box)
    ):
        seconds, inside = zip(*group, strict=True)
        columns = tuple(place.x for place in inside)
        visits.append(Visit(page, system, box, seconds[0], seconds[-1], columns))
    return visits
