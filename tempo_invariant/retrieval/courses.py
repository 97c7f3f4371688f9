"""The course of a recording through a score: where it is at which time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempo_invariant.scores.places import Place

COURSE = np.dtype(
    [("seconds", "<f8"), ("page", "<i4"), ("system", "<i4"), ("bar", "<i4"), ("x", "<f8")]
    + [("y", "<f8"), ("similarity", "<f4"), ("leap", "?")]
)
"""A window of a recording: the time, page and system from 1, bar, column of the page and row of the
system's centre in page pixels, the similarity of sound and page from -1 to 1, and whether the
recording leaps there (goes back or leaves something out). Page and system are 0 and x and y not a
number where the recording is nowhere in the score; the bar is -1 where it is not known."""


@dataclass(frozen=True, kw_only=True)
class TimedPlace(Place):
    """Where in a score a recording is at a time.

    Attributes:
        seconds: Time in the recording.
        similarity: Similarity of sound and page there, from -1 to 1.
    """

    seconds: float
    similarity: float

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields, and the row of the system's centre as `y`, as JSON can hold them."""
        return {
            "seconds": _plain(self.seconds, 3),
            "page": self.page,
            "system": self.system,
            "bar": self.bar,
            "x": _plain(self.x, 1),
            "y": self.box.centre_row,
            "box": list(self.box),
            "similarity": _plain(self.similarity, 3),
        }


def timed_place(seconds: float, place: Place, similarity: float) -> TimedPlace:
    """Returns a place with the time at which a recording is there."""
    return TimedPlace(
        place.page,
        place.system,
        place.x,
        place.box,
        place.bar,
        seconds=seconds,
        similarity=similarity,
    )


def make_course(
    seconds: Sequence[float] | np.ndarray,
    places: Iterable[Place | None],
    similarities: Sequence[float] | np.ndarray,
    leaps: Sequence[bool] | np.ndarray,
) -> np.ndarray:
    """Joins what is known about the windows of a recording.

    Args:
        seconds: Times of the windows, ascending [windows].
        places: Places of the windows; None where the recording is nowhere in the score.
        similarities: Similarities of sound and page [windows].
        leaps: Whether the recording leaps there [windows].

    Returns:
        `COURSE` [windows].
    """
    nowhere = (0, 0, -1, np.nan, np.nan)
    rows = []
    for time, place, similarity, leap in zip(seconds, places, similarities, leaps, strict=True):
        where = nowhere
        if place is not None:
            bar = -1 if place.bar is None else place.bar
            where = (place.page, place.system, bar, place.x, place.box.centre_row)
        rows.append((time, *where, similarity, leap))
    return np.array(rows, COURSE)


def course_lists(course: np.ndarray) -> dict[str, list]:
    """Returns a course as lists that JSON can hold, with None where there is no value."""
    there = course["page"] > 0
    known = there & (course["bar"] >= 0)
    return {
        "seconds": [_plain(value, 3) for value in course["seconds"]],
        "page": _where(there, course["page"]),
        "system": _where(there, course["system"]),
        "bar": _where(known, course["bar"]),
        "x": [_plain(value, 1) for value in course["x"]],
        "y": [_plain(value, 1) for value in course["y"]],
        "similarity": [_plain(value, 3) for value in course["similarity"]],
    }


def leap_seconds(course: np.ndarray) -> list[float]:
    """Returns the times at which the recording goes back or leaves something out."""
    return [_plain(value, 3) for value in course["seconds"][course["leap"]]]


def _where(known: np.ndarray, values: np.ndarray) -> list[int | None]:
    return [int(value) if there else None for there, value in zip(known, values, strict=True)]


def _plain(value: float, digits: int) -> Any:
    """Returns a number rounded, or None for one that is not finite, which JSON cannot hold."""
    return round(float(value), digits) if np.isfinite(value) else None
