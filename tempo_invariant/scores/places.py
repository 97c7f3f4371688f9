"""Where a vector of an index comes from: the types of its rows."""

from dataclasses import dataclass

import numpy as np

SHEET = np.dtype(
    [("document", "<i4"), ("page", "<i2"), ("system", "<i2"), ("x", "<f4"), ("box", "<i4", (4,))]
)
"""A snippet: number of the score, page and system from 1, column of its centre in page pixels, and
the system's box (top, left, bottom, right) on the page."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of a page: of a system, from its top line to its bottom line."""

    top: float
    left: float
    bottom: float
    right: float

    @property
    def centre_row(self) -> float:
        """Row of the vertical centre."""
        return (self.top + self.bottom) / 2


@dataclass(frozen=True)
class Place:
    """Where a snippet was cut.

    Attributes:
        system: index of its system on the page, from 0.
        box: what the snippet shows of this system, in pixels of the page: its rows, and its
            columns as far as the system reaches.
        column: the column of the page that the snippet is centred on.
    """

    system: int
    box: Box
    column: float
