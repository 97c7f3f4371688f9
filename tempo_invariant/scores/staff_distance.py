"""Bringing the two staves of a piano system nearer to each other.

Where staves stand far apart, notes above and below them lie outside of a snippet. Rows are taken
out between the staves until the system fits: in every column equally many, from where there is
least ink, so that what hangs on one of the staves stays with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tempo_invariant.geometry import PAPER, SYSTEM_HEIGHT
from tempo_invariant.scores.page_image import ink, profile_width, staff_spaces
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.staves import find_staves

_BLOCK = 4
"""Pixel columns in which the same rows are taken out."""

_STEEPEST = 3
"""Rows by which what is taken out may move up or down from block to block."""

_MOVE_COST = 0.3
"""Loss for every row of such a move, in pixels of ink."""

_KEPT_ROWS = 1
"""Rows next to a staff, and next to ink, that are rather not taken out."""


@dataclass(frozen=True)
class Removal:
    """Rows to take out of the system in a box of a page.

    Attributes:
        count: Number of rows, even, and the same in every column.
        first: First of them in every column of the system, int [columns].
        left: Column of the page to which `first[0]` belongs.
    """

    count: int
    first: np.ndarray
    left: int

    def row(self, row: float, column: float) -> float:
        """Returns where a place of the page is when the staves have come half-way to each other."""
        index = min(max(int(column) - self.left, 0), len(self.first) - 1)
        first = int(self.first[index])
        if row < first:
            return row + self.count / 2
        return max(row - self.count, first) + self.count / 2

    def cut(self, page: np.ndarray, top: int, height: int) -> np.ndarray:
        """Cuts the system out of a page, with its staves near; past its edges lies paper.

        Args:
            page: Page uint8 [rows, columns].
            top: Row at which the cut begins when the staves have come half-way to each other.
            height: Number of rows.

        Returns:
            uint8 [height, columns].
        """
        rows = np.arange(top, top + height)[:, None] - self.count // 2
        rows = rows + self.count * (rows >= self.first)
        cut = page[np.clip(rows, 0, len(page) - 1), self.left + np.arange(len(self.first))]
        return np.where((rows >= 0) & (rows < len(page)), cut, np.uint8(PAPER))


def find_removals(page: np.ndarray, boxes: Sequence[Box]) -> list[Removal | None]:
    """Finds out which rows to take out of the systems of a page.

    Args:
        page: Straight grey page uint8 [rows, columns].
        boxes: Boxes of its systems, from the top to the bottom line.

    Returns:
        For each system what is to be taken out; None where it fits or has not just two staves.
    """
    if all(box.height <= SYSTEM_HEIGHT for box in boxes):
        return [None] * len(boxes)
    dark = ink(page)
    staves = _staves(page, dark)
    return [_removal(dark, box, staves) for box in boxes]


def _staves(page: np.ndarray, dark: np.ndarray) -> list[Box]:
    for space in staff_spaces(ink(page, profile_width(page))):
        if staves := find_staves(dark, space):
            return staves
    return []


def _removal(dark: np.ndarray, box: Box, staves: Sequence[Box]) -> Removal | None:
    count = 2 * int(np.ceil((box.height - SYSTEM_HEIGHT) / 2))
    inside = [
        staff
        for staff in staves
        if box.top < staff.centre_row < box.bottom and box.left < staff.centre_column < box.right
    ]
    left, right = max(0, round(box.left)), min(dark.shape[1], round(box.right))
    if count <= 0 or len(inside) != 2 or right <= left:
        return None
    begin, end = round(inside[0].bottom) + _KEPT_ROWS, round(inside[1].top) - _KEPT_ROWS
    count = min(count, (end - begin) // 2 * 2)
    if count <= 0:
        return None
    between = dark[begin:end, left:right]
    between = ndimage.maximum_filter1d(between, 2 * _KEPT_ROWS + 1, axis=0)
    blocks = np.add.reduceat(between, np.arange(0, right - left, _BLOCK), axis=1)
    sums = np.cumsum(np.pad(blocks, [(1, 0), (0, 0)]), axis=0)
    first = _cheapest_path((sums[count:] - sums[:-count]).T)
    return Removal(count, begin + np.repeat(first, _BLOCK)[: right - left], left)


def _cheapest_path(cost: np.ndarray) -> np.ndarray:
    """Returns for each row of cost [rows, choices] an index: the path of the least loss."""
    choices = cost.shape[1]
    moves = np.arange(-_STEEPEST, _STEEPEST + 1)
    penalty = _MOVE_COST * np.abs(moves)[:, None]
    before = moves[:, None] + np.arange(choices)
    outside = (before < 0) | (before >= choices)
    before = np.clip(before, 0, choices - 1)
    total = cost[0] + 1e-3 * np.abs(np.arange(choices) - (choices - 1) / 2)
    best = np.zeros(cost.shape, int)
    for index in range(1, len(cost)):
        sums = np.where(outside, np.inf, total[before] + penalty)
        chosen = sums.argmin(axis=0)
        best[index] = before[chosen, np.arange(choices)]
        total = cost[index] + sums[chosen, np.arange(choices)]
    path = [int(total.argmin())]
    for back in best[:0:-1]:
        path.append(int(back[path[-1]]))
    return np.array(path[::-1])
