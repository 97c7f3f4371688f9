"""Finding the systems of a score page by image analysis.

The page's light, skew and staff space are measured first (see `page_image`). Staves are traced as
five lines that run together from left to right, and staves that a vertical line joins (the line
at the left of a system, or a bar line through both) make a system. Nothing here knows notes, and
nothing is learnt.

Staves have five lines, all of one size on a page. The page may be skewed by up to four degrees.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from tempo_invariant.page_image import BLOCK, blocks, measure, turn_back, turned

MIN_STAFF_SPACES = 10.0
"""A staff is at least this long, in staff spaces."""

_FIVE = (-2, -1, 0, 1, 2)
"""The lines of a staff, in staff spaces from the middle one."""

_FAINTEST_LINE = 0.05
"""Contrast (of 1) of lines below which a page has none."""

_LEAST_LINE = 0.3
"""Each line of a staff is at least so dark, where the usual line is 1."""

_THRESHOLD = 0.4
"""A staff gains where five lines are darker than this (usual ones are 1) and loses elsewhere."""

_DRIFT_COST = 0.15
"""Loss for every row that a staff moves up or down."""

_MAX_GAP_SPACES = 8.0
"""Pieces of one staff are not farther apart, in staff spaces."""

_LINE_INK = 0.25
"""A vertical line has everywhere more ink than this, averaged over one staff space."""

_START = 2
"""Marks in `_align` where a path begins."""


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
class Staff:
    """Five lines on a straightened page: outer rows of the outer lines, and columns of the ends."""

    top: float
    left: float
    bottom: float
    right: float


def find_staves(dark: np.ndarray, space: float) -> list[Staff]:
    """Finds the staves of a straight page, from top to bottom.

    Args:
        dark: ink as from `ink`, [rows, columns].
        space: staff space in pixels.
    """
    lines, match = _comb(blocks(dark, BLOCK), space)
    staves = [
        _staff(dark, path, first, space)
        for first, path in _paths(match - _THRESHOLD, space)
        if _has_all_lines(lines, path, first, space)
    ]
    return sorted(_merge(staves, space), key=lambda staff: staff.top)


def _comb(profile: np.ndarray, space: float) -> tuple[np.ndarray, np.ndarray]:
    """Tells where lines, and where five of them, lie in every block of columns.

    Args:
        profile: mean ink [rows, blocks].
        space: staff space in pixels.

    Returns:
        Two arrays [rows, blocks]: about 1 on a staff line, and about 1 on the middle line of a
        staff, when lines are as dark as they mostly are on the page.
    """
    # A line is darker than what lies half a space above and below it.
    beside = (_moved(profile, space / 2) + _moved(profile, -space / 2)) / 2
    lines = profile - beside
    five = sum(_moved(lines, k * space) for k in _FIVE) / 5
    lines = np.minimum(lines / max(float(np.percentile(five, 99)), _FAINTEST_LINE), 1.3)
    five = sum(_moved(lines, k * space) for k in _FIVE) / 5
    outside = _moved(lines, -3 * space) + _moved(lines, 3 * space)
    return lines, five - 0.25 * np.maximum(outside, 0)


def _moved(array: np.ndarray, distance: float) -> np.ndarray:
    """Reads an array [rows, columns] so many rows below; past its end is nothing."""
    return ndimage.shift(array, (-distance, 0), order=1, mode="constant", prefilter=False)


def _has_all_lines(lines: np.ndarray, path: np.ndarray, first: int, space: float) -> bool:
    """Tells whether each of the five lines shows along a path, not only their sum."""
    blocks = first + np.arange(len(path))
    means = [np.maximum(_sample(lines, path + k * space, blocks), 0).mean() for k in _FIVE]
    return min(means) > _LEAST_LINE


def _paths(gain: np.ndarray, space: float) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the paths from left to right along which `gain` sums up to most, best first.

    Local alignment: a path begins and ends where that is best, and bridges gaps that pay. From
    block to block it may go one row up or down. Rows that a path has used are used up.

    Args:
        gain: [rows, blocks], positive where a staff is likely.

    Yields:
        The first block of a path, and its row in this and each following block.
    """
    gain = gain.copy()
    least = MIN_STAFF_SPACES * space / BLOCK * (1 - _THRESHOLD) / 2
    reach = round(3.5 * space)
    while True:
        total, step = _align(gain)
        row, block = np.unravel_index(int(np.argmax(total)), total.shape)
        if total[row, block] < least:
            return
        path = [int(row)]
        while block > 0 and step[row, block] != _START:
            row += step[row, block]
            block -= 1
            path.append(int(row))
        path.reverse()
        for index, middle in enumerate(path):
            gain[max(0, middle - reach) : middle + reach + 1, block + index] = -1.0
        yield int(block), np.array(path)


def _align(gain: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best sums of paths that end in each cell, and the way back (`_START`: none)."""
    total = np.empty_like(gain)
    step = np.full(gain.shape, _START, np.int8)
    total[:, 0] = gain[:, 0]
    for block in range(1, gain.shape[1]):
        before = total[:, block - 1]
        options = np.zeros((4, len(before)), gain.dtype)
        options[1] = before
        options[2, 1:] = before[:-1] - _DRIFT_COST
        options[3, :-1] = before[1:] - _DRIFT_COST
        choice = options.argmax(axis=0)
        step[:, block] = np.array([_START, 0, -1, 1], np.int8)[choice]
        total[:, block] = options.max(axis=0) + gain[:, block]
    return total, step


def _staff(dark: np.ndarray, path: np.ndarray, first: int, space: float) -> Staff:
    """Measures where exactly the staff lies that a path follows."""
    columns = (first + np.arange(len(path)) + 0.5) * BLOCK
    slope, row = np.polyfit(columns, path, 1) if len(path) > 1 else (0.0, path[0])
    low = max(0, first - 3) * BLOCK
    high = min(dark.shape[1], (first + len(path) + 3) * BLOCK)
    inside = np.arange(low, high)
    shifts = np.arange(-1.5, 1.6, 0.25)

    def contrast(shift: float) -> np.ndarray:
        middle = row + slope * inside + shift
        lines = [_sample(dark, middle + k * space, inside) for k in _FIVE]
        gaps = [_sample(dark, middle + k * space, inside) for k in (-1.5, -0.5, 0.5, 1.5)]
        return np.sum(lines, axis=0) / 5 - np.sum(gaps, axis=0) / 4

    contrasts = np.array([contrast(shift) for shift in shifts])
    best = int(contrasts.sum(axis=1).argmax())
    begin, end = _densest(contrasts[best] - np.median(contrasts[best]) / 2)
    middle = row + slope * inside + shifts[best]
    lines = np.stack([_sample(dark, middle + k * space, inside) for k in _FIVE])
    while end < len(inside) and lines[:, end].min() > _LINE_INK:  # a thick bar line
        end += 1
    while begin > 0 and lines[:, begin - 1].min() > _LINE_INK:
        begin -= 1
    centre = middle[(begin + end) // 2] + 0.5
    half = 2.05 * space
    return Staff(centre - half, low + begin, centre + half, low + end)


def _densest(gain: np.ndarray) -> tuple[int, int]:
    """Returns the slice with the largest sum: it begins at the lowest sum before its end."""
    sums = np.concatenate([[0], np.cumsum(gain)])
    end = int(np.argmax(sums - np.minimum.accumulate(sums)))
    return int(np.argmin(sums[: end + 1])), end


def _sample(dark: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Reads `dark` at fractional rows, one for each column; past the page is paper."""
    floor = np.floor(rows).astype(int)
    share = (rows - floor).astype(dark.dtype)
    last = dark.shape[0] - 1
    value = dark[np.clip(floor, 0, last), columns] * (1 - share)
    value += dark[np.clip(floor + 1, 0, last), columns] * share
    return value * ((rows >= 0) & (rows <= last))


def _merge(staves: Sequence[Staff], space: float) -> list[Staff]:
    """Joins pieces of one staff: at one height, and not far apart."""
    merged: list[Staff] = []
    for staff in sorted(staves, key=lambda staff: staff.left):
        for index, other in enumerate(merged):
            level = abs(other.top - staff.top) < space and abs(other.bottom - staff.bottom) < space
            if level and staff.left - other.right < _MAX_GAP_SPACES * space:
                top, bottom = (other.top + staff.top) / 2, (other.bottom + staff.bottom) / 2
                merged[index] = Staff(top, other.left, bottom, max(other.right, staff.right))
                break
        else:
            merged.append(staff)
    return merged


def group_staves(dark: np.ndarray, staves: Sequence[Staff], space: float) -> list[list[Staff]]:
    """Groups the staves that vertical lines join: each group is a system.

    Args:
        dark: ink of a straight page, [rows, columns].
        staves: its staves, from top to bottom.
        space: staff space in pixels.
    """
    groups: list[list[Staff]] = []
    for staff in staves:
        for group in reversed(groups):
            if _joined(dark, group[-1], staff, space):
                group.append(staff)
                break
        else:
            groups.append([staff])
    return groups


def _joined(dark: np.ndarray, upper: Staff, lower: Staff, space: float) -> bool:
    """Tells whether a vertical line runs from the top of one staff to the bottom of another."""
    left = max(0, round(max(upper.left, lower.left) - 1.5 * space))
    right = round(min(upper.right, lower.right) + 1.5 * space)
    top, bottom = round(upper.top), round(lower.bottom)
    if right - left < MIN_STAFF_SPACES * space or lower.top < upper.bottom:
        return False
    region = dark[max(0, top) : bottom, left:right]
    wide = ndimage.maximum_filter1d(region, 2 * round(0.15 * space) + 1, axis=1)
    smooth = ndimage.uniform_filter1d(wide, max(1, round(space)), axis=0)
    return bool(smooth.min(axis=0).max() > _LINE_INK)


def find_systems(page: np.ndarray) -> list[Box]:
    """Finds the systems of a page, from top to bottom.

    Args:
        page: grey uint8 [rows, columns], any size, skewed by up to four degrees.

    Returns:
        The boxes of the systems, from the top line of the first staff to the bottom line of the
        last, in pixels of `page`; of a skewed page the boxes around them.
    """
    measured = measure(page)
    if measured.space is None:
        return []
    dark = np.asarray(turn_back(Image.fromarray(measured.dark), measured.degrees))
    staves = find_staves(dark, measured.space * measured.scale)
    boxes = []
    for group in group_staves(dark, staves, measured.space * measured.scale):
        top, left = min(staff.top for staff in group), min(staff.left for staff in group)
        bottom, right = max(staff.bottom for staff in group), max(staff.right for staff in group)
        corners = np.array([(row, column) for row in (top, bottom) for column in (left, right)])
        away = turned(corners - np.array(dark.shape) / 2, measured.degrees) / measured.scale
        corners = away + np.array(page.shape) / 2
        boxes.append(Box(*map(float, [*corners.min(axis=0), *corners.max(axis=0)])))
    return sorted(boxes, key=lambda box: (box.top, box.left))
