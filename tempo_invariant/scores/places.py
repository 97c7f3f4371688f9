"""Boxes and places on the pages of a score, and the rows of an index that hold them."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

NO_BAR = -1
"""Stands for the number of a bar that is not known."""

SHEET = np.dtype(
    [
        ("document", "<i4"),
        ("page", "<i2"),
        ("system", "<i2"),
        ("x", "<f4"),
        ("box", "<i4", (4,)),
        ("bar", "<i4"),
    ]
)
"""A snippet: number of the score, page and system from 1, column of its centre in page pixels, the
system's box (top, left, bottom, right) on the page, and the number of the bar or `NO_BAR`."""


class Box(NamedTuple):
    """A rectangle in pixels of a page; that of a system spans from its top to its bottom line."""

    top: float
    left: float
    bottom: float
    right: float

    @property
    def height(self) -> float:
        """Number of rows."""
        return self.bottom - self.top

    @property
    def width(self) -> float:
        """Number of columns."""
        return self.right - self.left

    @property
    def centre_row(self) -> float:
        """Row of the vertical centre."""
        return self.top + self.height / 2

    @property
    def centre_column(self) -> float:
        """Column of the horizontal centre."""
        return self.left + self.width / 2


def around(boxes: Iterable[Box]) -> Box:
    """Returns the smallest box around one or more boxes."""
    tops, lefts, bottoms, rights = zip(*boxes, strict=True)
    return Box(min(tops), min(lefts), max(bottoms), max(rights))


@dataclass(frozen=True)
class Place:
    """A place in a score.

    Attributes:
        page: Number of the page, from 1.
        system: Number of the system on the page, from 1.
        x: Column of the page.
        box: Box of the system on the page.
        bar: Number of the bar, from 0 for a pickup; None where it is not known.
    """

    page: int
    system: int
    x: float
    box: Box
    bar: int | None = None

    @classmethod
    def from_row(cls, row: Any) -> "Place":
        """Returns the place that a row of type `SHEET` holds."""
        box = Box(*(int(side) for side in row["box"]))
        bar = None if row["bar"] == NO_BAR else int(row["bar"])
        return cls(int(row["page"]), int(row["system"]), float(row["x"]), box, bar)

    def row(self, document: int = 0) -> tuple:
        """Returns the row of type `SHEET`, with the box in whole pixels."""
        box = [round(side) for side in self.box]
        bar = NO_BAR if self.bar is None else self.bar
        return (document, self.page, self.system, self.x, box, bar)
