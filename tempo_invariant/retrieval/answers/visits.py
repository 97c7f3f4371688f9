"""When a recording is in which system of a score."""

import dataclasses
from collections.abc import Iterable
from typing import Any


@dataclasses.dataclass(frozen=True)
class Visit:
    """A stretch of time in one system.

    Attributes:
        page, system: from 1.
        box: (top, left, bottom, right) on the page.
        first, last: full seconds of the recording.
        columns: page column at every second from `first` to `last`.
    """

    page: int
    system: int
    box: tuple[int, ...]
    first: int
    last: int
    columns: tuple[float, ...]

    @property
    def label(self) -> str:
        """From when to when."""
        return f"{clock(self.first)}–{clock(self.last)}"


def clock(seconds: float) -> str:
    """Minutes and seconds, 83 as 1:23."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"


def find_visits(places: Iterable[tuple[int, Any]]) -> list[Visit]:
    """Joins the places of successive seconds that are in one system; see `place_by_second`."""
    groups: list[list[tuple[int, Any]]] = []
    for second, place in places:
        before = groups[-1][-1][1] if groups else None
        same = before is not None and all(before[key] == place[key] for key in ("page", "system"))
        if not same:
            groups.append([])
        groups[-1].append((second, place))
    return [
        Visit(
            int(group[0][1]["page"]),
            int(group[0][1]["system"]),
            tuple(int(side) for side in group[0][1]["box"]),
            group[0][0],
            group[-1][0],
            tuple(float(place["x"]) for _, place in group),
        )
        for group in groups
    ]
