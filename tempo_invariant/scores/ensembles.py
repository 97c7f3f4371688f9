"""What plays in a system: a piano, a voice, a voice with a piano, or more.

The bar lines tell: they run from staff to staff through what belongs together, while the line at
the left end joins all staves of a system.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tempo_invariant.scores.places import Box, around
from tempo_invariant.scores.staves import LINE_INK, MIN_STAFF_SPACES

_MOST_APART_SPACES = 60.0
"""Neighbouring staves of a system are no farther apart, in staff spaces; usual are five to ten."""

_LEFT_END_SPACES = 1.5
"""A line that is not farther inside a staff is that at the left of the system."""

_INDENT_SPACES = 6.0
"""A staff may begin so much farther left than it is seen, if others do."""

_EDGE_SPACES = 5.0
"""A line that goes on so far above a system is not one of its."""

_SAME_LINE_SPACES = 2.0
"""Columns that are nearer belong to one bar line."""


@dataclass(frozen=True)
class System:
    """A system.

    Attributes:
        staves: Boxes of its staves, from top to bottom.
        bars: Number of bar lines that run on to the next staff, for each staff but the last.
    """

    staves: tuple[Box, ...]
    bars: tuple[int, ...] = ()

    @property
    def piano(self) -> slice | None:
        """The two staves that a piano plays below or above others; None where there are none."""
        joined = [2 * count > max(self.bars) for count in self.bars]
        if len(self.staves) < 3 or joined.count(True) != 1:
            return None
        first = joined.index(True)
        return slice(first, first + 2)

    @property
    def box(self) -> Box:
        """Box around the staves that are used: those of the piano, if it has company."""
        return around(self.staves[self.piano or slice(None)])

    @property
    def note(self) -> str | None:
        """What is to be said about systems of this kind; None for those of a piano."""
        if self.piano:
            return "a piano with other staves: its two are used"
        if self.bars == (0,):
            return "systems of 2 staves that no bar line joins"
        count = len(self.staves)
        return None if count == 2 else f"systems of {count} {'staff' if count == 1 else 'staves'}"


def group_staves(dark: np.ndarray, staves: Sequence[Box], space: float) -> list[System]:
    """Groups the staves that vertical lines join: each group is a system.

    Args:
        dark: Ink of a straight page, [rows, columns].
        staves: Boxes of its staves, from top to bottom.
        space: Staff space in pixels.
    """
    wide = ndimage.maximum_filter1d(dark, 2 * round(0.15 * space) + 1, axis=1)
    groups: list[list[Box]] = []
    bars: list[list[int]] = []
    for staff in staves:
        near = (other.left for other in staves if staff.left - other.left < _INDENT_SPACES * space)
        begin = min(left for left in near if left <= staff.left)
        for group, counts in zip(reversed(groups), reversed(bars), strict=True):
            crossing = _crossing(wide, group[-1], staff, begin, space)
            crossing = crossing[~_goes_on(wide, crossing, group[0].top, space)]
            # One line at the left end is enough; elsewhere two are needed, since two stems of
            # different systems may happen to meet.
            at_left = crossing < max(group[-1].left, staff.left) + _LEFT_END_SPACES * space
            if at_left.any() or _extent(crossing) > MIN_STAFF_SPACES * space:
                group.append(staff)
                counts.append(_count(crossing[~at_left], _SAME_LINE_SPACES * space))
                break
        else:
            groups.append([staff])
            bars.append([])
    return [System(tuple(g), tuple(b)) for g, b in zip(groups, bars, strict=True)]


def _crossing(wide: np.ndarray, upper: Box, lower: Box, begin: float, space: float) -> np.ndarray:
    """Returns the columns in which ink runs from the top of one staff to the bottom of another."""
    common = min(upper.right, lower.right) - max(upper.left, lower.left)
    apart = lower.top - upper.bottom
    if common < MIN_STAFF_SPACES * space or not 0 <= apart <= _MOST_APART_SPACES * space:
        return np.empty(0, int)
    left = max(0, round(min(upper.left, begin) - 1.5 * space))
    right = round(min(upper.right, lower.right) + 1.5 * space)
    region = wide[max(0, round(upper.top)) : round(lower.bottom), left:right]
    # Where there is ink everywhere, there is as much of it on average.
    columns = np.flatnonzero(region.mean(axis=0) > LINE_INK)
    smooth = ndimage.uniform_filter1d(region[:, columns], max(1, round(space)), axis=0)
    return left + columns[smooth.min(axis=0, initial=1) > LINE_INK]


def _goes_on(wide: np.ndarray, columns: np.ndarray, top: float, space: float) -> np.ndarray:
    """Tells where ink goes on above the top of a system, as the edge of a page does.

    Args:
        wide: Ink [rows, columns].
        columns: Columns to look at.
        top: Row of the top line of the system.
        space: Staff space in pixels.
    """
    rows = np.arange(max(0, round(top - _EDGE_SPACES * space)), max(0, round(top)))
    if len(rows) < _EDGE_SPACES * space / 2 or not columns.size:
        return np.zeros(len(columns), bool)
    above = np.zeros((len(rows), len(columns)), wide.dtype)
    for lean in (-2, 0, 2):
        above = np.maximum(above, wide[rows][:, np.clip(columns + lean, 0, wide.shape[1] - 1)])
    smooth = ndimage.uniform_filter1d(above, max(1, round(space)), axis=0)
    return smooth.min(axis=0) > LINE_INK


def _extent(columns: np.ndarray) -> int:
    return int(np.ptp(columns)) if columns.size else 0


def _count(columns: np.ndarray, apart: float) -> int:
    """Counts groups of columns that are at least `apart` from each other."""
    return sum(1 for a, b in itertools.pairwise([-np.inf, *columns]) if b - a >= apart)
