"""Finding the staves of a straight score page.

Staves are traced as five lines that run together from left to right. All staves of a page have
lines at the same distance, the staff space.
"""

import itertools
from collections.abc import Iterator, Sequence

import numpy as np
from scipy import ndimage

from tempo_invariant.scores.places import Box

BLOCK = 8
"""Pixel columns that are averaged before lines are sought."""

MIN_STAFF_SPACES = 10.0
"""A staff is at least this long, in staff spaces."""

_FIVE = (-2, -1, 0, 1, 2)
"""The lines of a staff, in staff spaces from the middle one."""

_GAPS = (-1.5, -0.5, 0.5, 1.5)
_LINES_AND_NEXT = (-3, *_FIVE, 3)
_GAPS_AND_NEXT = (-3.5, -2.5, *_GAPS, 2.5, 3.5)

_FAINTEST_LINE = 0.05
"""Contrast of the palest line, of 1."""

_LEAST_LINE = 0.3
"""Contrast of each line of a staff, relative to the darkest one."""

_MOST_OUTSIDE = (0.5, 0.9)
"""Share of the columns with a ledger line or beam: on one side of a staff, and on the other."""

_LEAST_COVERAGE = (0.75, 0.9)
"""Share of the columns in which a line is there: where no text can be, and where it can."""

_TEXT_SPACE = 9.0
"""Lines of text are at least this far apart, in pixels, and far thicker than staff lines."""

_THRESHOLD = 0.4
"""A path gains where five lines are darker than this (usually they are 1), else it loses."""

_DRIFT_COST = 0.15
"""Loss for every row that a staff moves up or down."""

_BEND_BLOCKS, _LEAST_BEND = 5, 1.0
"""Blocks over which a path's bend is averaged, and the least one in pixels that is followed."""

_MAX_GAP_SPACES = 8.0
"""Largest gap between pieces of one staff, in staff spaces."""

LINE_INK = 0.25
"""A vertical line has more ink than this everywhere, averaged over one staff space."""

_MOST_PATHS = 200
"""More are not examined, best ones first: no page has as many staves, but pages of patterns do."""

_SHIFTS = np.arange(-1.5, 1.6, 0.25)
"""Distances in pixels at which a staff is sought from its path."""

_STRETCHES = np.linspace(0.97, 1.03, 5)
"""How far the lines of one staff are apart, relative to those of the page."""


def find_staves(dark: np.ndarray, space: float) -> list[Box]:
    """Finds the staves of a straight page, from top to bottom.

    Args:
        dark: Ink as `page_image.ink` measures it, [rows, columns].
        space: Staff space in pixels.

    Returns:
        The boxes of the staves: outer rows of the outer lines, and columns of their ends.
    """
    profile = _blocks(dark)
    staves: list[Box] = []
    for first, path in itertools.islice(_paths(_comb(profile, space), space), _MOST_PATHS):
        staff = _trace(dark, profile, path, first, space)
        if staff is not None and not any(_touch(staff, other, space) for other in staves):
            staves.append(staff)
    return sorted(_merge(dark, staves, space), key=lambda staff: staff.top)


def _blocks(dark: np.ndarray) -> np.ndarray:
    """Averages columns in groups of `BLOCK`, without the remainder at the right."""
    count = dark.shape[1] // BLOCK
    groups = dark[:, : count * BLOCK].reshape(dark.shape[0], count, BLOCK)
    return np.einsum("ijk->ij", groups) / BLOCK


def _touch(one: Box, other: Box, space: float) -> bool:
    """Tells whether one staff is too near another, as ledger lines above it are."""
    rows = max(one.top, other.top) - min(one.bottom, other.bottom)
    columns = min(one.right, other.right) - max(one.left, other.left)
    return rows < space and columns > space


def _comb(profile: np.ndarray, space: float) -> np.ndarray:
    """Measures in every block of columns how much each row is the middle of five lines.

    Args:
        profile: Mean ink [rows, blocks].
        space: Staff space in pixels.

    Returns:
        [rows, blocks], about 1 on the middle line of a staff whose lines are as dark as most of the
        page; less where there are more than five.
    """
    # A line is darker than what lies half a space above and below it.
    lines = profile - (_moved(profile, space / 2) + _moved(profile, -space / 2)) / 2
    five = np.mean([_moved(lines, k * space) for k in _FIVE], axis=0)
    usual = 0.8 * np.partition(five, -five.shape[1], axis=None)[-five.shape[1]]  # one staff's
    lines = np.minimum(lines / max(float(usual), _FAINTEST_LINE), 1.3)
    five = np.mean([_moved(lines, k * space) for k in _FIVE], axis=0)
    outside = _moved(lines, -3 * space) + _moved(lines, 3 * space)
    return five - 0.25 * np.maximum(outside, 0)


def _moved(array: np.ndarray, distance: float) -> np.ndarray:
    """Moves an array [rows, columns] up by `distance` rows; zeros come in from outside."""
    whole = int(np.floor(distance))
    share = array.dtype.type(distance - whole)
    reach = abs(whole) + 1
    padded = np.pad(array, [(reach, reach), (0, 0)])
    upper, lower = (padded[reach + whole + k :][: len(array)] for k in (0, 1))
    return upper * (1 - share) + lower * share


def _paths(match: np.ndarray, space: float) -> Iterator[tuple[int, np.ndarray]]:
    """Yields the paths from left to right along which staves are most likely, best first.

    Local alignment: a path gains where `match` is above `_THRESHOLD` and loses elsewhere; it
    begins and ends where that is best, and bridges short gaps. From block to block it may go one
    row up or down. Rows that a path has used are used up.

    Args:
        match: Likelihood of a staff as from `_comb`, [rows, blocks].
        space: Staff space in pixels.

    Yields:
        The first block of a path, and its row in this and each following block.
    """
    gain = np.ascontiguousarray(match.T) - _THRESHOLD
    least = MIN_STAFF_SPACES * space / BLOCK * (1 - _THRESHOLD) / 2
    reach = round(3.5 * space)
    while True:
        total = _align(gain)
        end, row = (int(i) for i in np.unravel_index(int(np.argmax(total)), total.shape))
        if total[end, row] < least:
            return
        path = _way_back(total, end, row)
        block = end + 1 - len(path)
        begin, end = _unbroken(gain[block + np.arange(len(path)), path], space)
        first, rows = block + begin, path[begin:end]
        for index, middle in enumerate(rows):
            gain[first + index, max(0, middle - reach) : middle + reach + 1] = -1.0
        yield first, rows


def _unbroken(gain: np.ndarray, space: float) -> tuple[int, int]:
    """Returns the slice of a path's gains with the largest sum and without a long gap."""
    width = max(1, round(_MAX_GAP_SPACES * space / BLOCK))
    best, begin, value, missing = (0.0, 0, 1), 0, 0.0, 0
    for index, one in enumerate(gain):
        missing = missing + 1 if one < 0 else 0
        value += one
        if missing >= width:
            begin, value = index + 1, 0.0
        best = max(best, (value, begin, index + 1))
    return best[1], best[2]


def _align(gain: np.ndarray) -> np.ndarray:
    """Returns the best sums of paths that end in each cell, [blocks, rows] as `gain`."""
    total = np.empty_like(gain)
    total[0] = gain[0]
    before = np.full(gain.shape[1] + 2, -np.inf, gain.dtype)
    for now, gained, last in zip(total[1:], gain[1:], total[:-1], strict=True):
        before[1:-1] = last
        np.maximum(before[:-2], before[2:], out=now)
        now -= _DRIFT_COST
        np.maximum(now, last, out=now)
        np.maximum(now, 0, out=now)
        now += gained
    return total


def _way_back(total: np.ndarray, block: int, row: int) -> np.ndarray:
    """Returns the rows of the best path that ends in a cell, from its first block on."""
    path = [row]
    last = total.shape[1] - 1
    for before in total[:block][::-1]:
        at, best, step = before.item, before.item(row), 0
        for side in (-1, 1):
            if 0 <= row + side <= last and at(row + side) - _DRIFT_COST > best:
                best, step = at(row + side) - _DRIFT_COST, side
        if best <= 0:
            break
        row += step
        path.append(row)
    return np.array(path[::-1])


def _trace(
    dark: np.ndarray, profile: np.ndarray, path: np.ndarray, first: int, space: float
) -> Box | None:
    """Measures the exact position of the staff along a path; None if it is no staff."""
    middles = (first + np.arange(len(path)) + 0.5) * BLOCK
    slope, row = np.polyfit(middles, path, 1) if len(path) > 1 else (0, path[0])
    begin, end = max(0, first - 3), min(profile.shape[1], first + len(path) + 3)

    def contrast(lines: np.ndarray, gaps: np.ndarray) -> np.ndarray:
        return lines.mean(axis=-2) - gaps.mean(axis=-2)

    # The shift is the same in all columns: their means in groups will do.
    groups = np.arange(begin, end)
    on_groups = row + slope * (groups + 0.5) * BLOCK

    def best(shifts: np.ndarray, spaces: np.ndarray) -> tuple[float, float]:
        """Returns the shift and the staff space with the largest contrast."""
        places = on_groups + shifts[:, None, None, None]
        lines, gaps = (
            _sample(profile, places + np.multiply.outer(spaces, offsets)[..., None], groups)
            for offsets in (_FIVE, _GAPS)
        )
        sums = contrast(lines, gaps).sum(axis=-1)
        shift, number = np.unravel_index(int(sums.argmax()), sums.shape)
        return float(shifts[shift]), float(spaces[number])

    shift, _ = best(_SHIFTS, np.array([space]))
    shift, space = best(shift + np.array([-0.25, 0, 0.25]), space * _STRETCHES)
    low = begin * BLOCK
    inside = np.arange(low, min(dark.shape[1], (first + len(path) + 3) * BLOCK))

    middle = row + slope * inside + shift + _bend(path - (row + slope * middles), middles, inside)

    def read(offsets: Sequence[float]) -> np.ndarray:
        rows = middle + np.array(offsets)[:, None] * space
        return _sample(dark, rows, inside)

    lines, gaps = read(_LINES_AND_NEXT), read(_GAPS_AND_NEXT)
    contrasts = contrast(lines[1:-1], gaps[2:-2])
    begin, end = _densest(contrasts - np.median(contrasts) / 2)
    part = slice(begin, end)
    if end - begin < MIN_STAFF_SPACES * space or not _is_staff(
        lines[:, part], gaps[:, part], _LEAST_COVERAGE[space > _TEXT_SPACE]
    ):
        return None
    if space > _TEXT_SPACE:
        paper, ink = gaps[2:-2, part].mean(), lines[1:-1, part].mean()
        for side in (0.2, 0.33):
            near = read([k + sign * side for k in _FIVE for sign in (-1, 1)])
            if near[:, part].mean() - paper > 0.7 * (ink - paper):
                return None
    bar = lines[1:-1].min(axis=0) > LINE_INK  # bar lines at the ends fill the gaps, too
    while begin > 0 and bar[begin - 1]:
        begin -= 1
    while end < len(inside) and bar[end]:
        end += 1
    centre = row + slope * inside[(begin + end) // 2] + shift + 0.5
    return Box(centre - 2.05 * space, low + begin, centre + 2.05 * space, low + end)


def _bend(off: np.ndarray, middles: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Returns by how many rows a staff leaves its straight part, where a page is not quite flat.

    Args:
        off: Rows by which its path is off a straight line in every block; paths go in whole rows.
        middles: Columns in the middle of the blocks.
        columns: Columns that are asked about.
    """
    smooth = ndimage.uniform_filter1d(off - np.median(off), _BEND_BLOCKS)
    bend = np.interp(columns, middles, smooth)
    return np.where(np.abs(bend) < _LEAST_BEND, 0.0, bend)


def _is_staff(lines: np.ndarray, gaps: np.ndarray, least_coverage: float) -> bool:
    """Tells a staff from other parallels, such as slurs, hairpins, tables and text.

    One line may be missing: in worn prints, a line between two rows of pixels fades.

    Args:
        lines: Ink [7, columns] along the lines and along one more on each side.
        gaps: Ink [8, columns] half way between them.
        least_coverage: Share of the columns in which a line must be there.
    """
    inner = lines[1:-1]
    contrasts = inner.mean(axis=1) - gaps[2:-2].mean()
    smooth = ndimage.uniform_filter1d(inner, 3, axis=1)
    # A thin line between two rows of pixels is paler than others.
    usual = np.minimum(np.percentile(smooth, 70, axis=1), np.percentile(smooth, 70))
    coverage = (smooth > np.maximum(usual, _FAINTEST_LINE)[:, None] / 2).mean(axis=1)
    least = max(_LEAST_LINE * contrasts.max(), _FAINTEST_LINE)
    if ((contrasts > least) & (coverage > least_coverage)).sum() < 4:
        return False
    beside = (gaps[:-1] + gaps[1:]) / 2
    alone = (lines - beside)[[0, -1]] > np.median((lines - beside)[1:-1]) / 2
    fewer, more = sorted(alone.mean(axis=1))
    return bool(fewer < _MOST_OUTSIDE[0] and more < _MOST_OUTSIDE[1])


def _densest(gain: np.ndarray) -> tuple[int, int]:
    """Returns the slice with the largest sum: it begins at the lowest sum before its end."""
    sums = np.concatenate([[0], np.cumsum(gain)])
    end = int(np.argmax(sums - np.minimum.accumulate(sums)))
    return int(np.argmin(sums[: end + 1])), end


def _sample(dark: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Reads `dark` at fractional rows [..., columns], one for each column; past it is paper."""
    last = dark.shape[0] - 1
    floor = np.floor(rows)
    share = (rows - floor).astype(dark.dtype)
    whole = floor.astype(np.intp)
    value = dark[np.clip(whole, 0, last), columns] * (1 - share)
    value += dark[np.clip(whole + 1, 0, last), columns] * share
    value[(rows < 0) | (rows > last)] = 0
    return value


def _merge(dark: np.ndarray, staves: Sequence[Box], space: float) -> list[Box]:
    """Joins pieces of one staff: at one height, and near or with its lines between them."""
    merged: list[Box] = []
    for staff in sorted(staves, key=lambda staff: staff.left):
        for index, other in enumerate(merged):
            level = abs(other.top - staff.top) < space and abs(other.bottom - staff.bottom) < space
            near = staff.left - other.right < _MAX_GAP_SPACES * space
            if level and (near or _goes_on(dark, other, staff, space)):
                top, bottom = (other.top + staff.top) / 2, (other.bottom + staff.bottom) / 2
                merged[index] = Box(top, other.left, bottom, max(other.right, staff.right))
                break
        else:
            merged.append(staff)
    return merged


def _goes_on(dark: np.ndarray, left: Box, right: Box, space: float) -> bool:
    """Tells whether five lines go on between two pieces: a beam beside them may hide it."""
    inside = np.arange(int(left.right), int(right.left))
    ends = [(piece.top + piece.bottom) / 2 - 0.5 for piece in (left, right)]
    middle = np.interp(inside, [left.right, right.left], ends)
    near = [[_sample(dark, middle + k * space + d, inside) for d in (-0.5, 0, 0.5)] for k in _FIVE]
    drawn = np.max(near, axis=1).min(axis=0) > LINE_INK
    return bool(drawn.mean() > _LEAST_COVERAGE[1])
