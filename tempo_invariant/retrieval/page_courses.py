"""The course of a recording through pages that it plays at some time, or several times."""

import dataclasses
from collections.abc import Iterator
from typing import Any

import numpy as np

from tempo_invariant.retrieval import courses
from tempo_invariant.retrieval.sequence import ELSEWHERE, PathLimits, best_path
from tempo_invariant.scores.places import NO_BAR, Place

PLAYED_SHARE = 0.7
"""Similarity of a recording with pages where it plays something else, relative to where it plays
them: 0.65 and 0.75 change the ends of what is played by a second or two."""


@dataclasses.dataclass(frozen=True)
class PlayedSystem:
    """A stretch of a recording in a system of a page.

    Attributes:
        page: Number of the page, from 1.
        system: Number of the system on the page, from 1.
        first: First second of the recording at which it is played.
        last: Last one.
        columns: Columns of the page that are played then.
        bars: Numbers of the first and of the last bar that are; None: they are not known.
    """

    page: int
    system: int
    first: float
    last: float
    columns: tuple[float, float]
    bars: tuple[int, int] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON can hold them."""
        fields = dataclasses.asdict(self)
        return fields | {"columns": list(self.columns), "bars": self.bars and list(self.bars)}


def follow(
    seconds: np.ndarray,
    similarities: np.ndarray,
    pages: np.ndarray,
    limits: PathLimits,
    heard: np.ndarray,
    level: float,
) -> np.ndarray:
    """Follows a whole recording through pages; what it plays besides is nowhere on them.

    Args:
        seconds: Times of its windows [windows].
        similarities: Similarities of these with the snippets, float32 [windows, snippets].
        pages: Places of the snippets, `places.SHEET` [snippets].
        limits: Limits of the path of a recording through a score.
        heard: Windows on the path of the pages through the recording, which finds each once.
        level: Mean similarity along that path.

    Returns:
        `courses.COURSE` [windows].
    """
    costs = np.full(len(pages), limits.leap_cost)
    path = best_path(similarities, limits, costs, elsewhere=PLAYED_SHARE * level)
    positions, leaps = path.positions, path.leaps
    if (positions == ELSEWHERE).all():  # the pages take less time than a leap has to bring in
        part = slice(heard.min(), heard.max() + 1)
        path = best_path(similarities[part], limits)
        positions[part], leaps[part] = path.positions, path.leaps
    there = positions != ELSEWHERE
    places = [
        Place.from_row(pages[position]) if known else None
        for position, known in zip(positions, there, strict=True)
    ]
    along = np.where(there, similarities[np.arange(len(places)), positions], 0)
    been_there = np.r_[False, np.logical_or.accumulate(there)[:-1]]
    return courses.make_course(seconds, places, along, leaps & there & been_there)


def played_systems(course: np.ndarray, pages: np.ndarray) -> Iterator[PlayedSystem]:
    """Yields the systems of pages in the order in which a course comes to them."""
    where = course[["page", "system"]]
    new = np.r_[True, (where[1:] != where[:-1]) | course["leap"][1:]]
    for run in np.split(course, np.flatnonzero(new)[1:]):
        page, system = int(run["page"][0]), int(run["system"][0])
        if not page:
            continue
        left, right = float(run["x"].min()), float(run["x"].max())
        own = pages[(pages["page"] == page) & (pages["system"] == system)]
        bars = own["bar"][(own["x"] >= left) & (own["x"] <= right)]
        yield PlayedSystem(
            page,
            system,
            float(run["seconds"][0]),
            float(run["seconds"][-1]),
            (float(run["x"][0]), float(run["x"][-1])),
            (int(bars.min()), int(bars.max())) if (bars != NO_BAR).all() else None,
        )
