"""Bar lines in the systems of a score page.

A bar line is a vertical stroke from the top line of a system's first staff to the bottom line of
its last one. Where the lines of a system run through the space between its staves, as they do in
music for piano, nothing else looks like that; elsewhere a stroke in the first and the last staff
counts that ends with the staves and has nothing beside its ends, as a stem has its note head.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tempo_invariant.geometry import PAPER
from tempo_invariant.scores.places import Box

_STAFF_SPACES = np.geomspace(3.5, 12, 120)
"""Distances of staff lines that are tried, in pixels."""

_LEAST_CONTRAST = 0.1
"""Contrast of the lines of a staff with the gaps between them, of 1."""

_FAINTEST = 0.25
"""Ink of the palest bar line, of 1."""

_MARGIN = 20
"""Pixels around a system that are looked at."""

_HALF = 0.5
_TRACE = 0.25
"""Ink, relative to the system's darkest bar line, of what is there, and of what is not."""

_PART = 0.35
"""Share of the space between two staves that is left of a bar line with something in its gap."""

_WIDE = 1.5
"""A bar that is so much wider than others of the system may lack a line."""

# The rest is in staff spaces.
_EDGE = 2.0
"""A stroke that is nearer to the left end of a system is no bar line but joins the staves."""

_CLEFS = 10.0
"""Width of what may stand there before the music: narrow strokes in it are parts of signs."""

_SAME_LINE = 1.6
"""Strokes that are nearer are one bar line: a double bar, a repeat sign."""

_HEAVY = 0.5
"""A bar line that is wider is a double bar or a repeat sign."""


@dataclasses.dataclass(frozen=True)
class BarLine:
    """A bar line: its edges in columns of the page, and whether it is more than one thin stroke."""

    left: float
    right: float
    heavy: bool


@dataclasses.dataclass(frozen=True)
class BarredSystem:
    """A system with its bar lines.

    Attributes:
        box: Box of the system.
        space: Staff space in pixels; 0 where no staves are found.
        lines: Bar lines from left to right, without what joins the staves at the left end.
        certain: Whether these are all bar lines, and nothing else.
    """

    box: Box
    space: float
    lines: tuple[BarLine, ...]
    certain: bool


def find_bar_lines(page: np.ndarray, box: Box) -> BarredSystem:
    """Finds the bar lines of a system.

    Args:
        page: Grey page uint8 [rows, columns], straight.
        box: Box of the system, from its top to its bottom line.
    """
    row, column = round(box.top) - _MARGIN, round(box.left) - _MARGIN
    dark = _cut(page, row, column, round(box.bottom) + _MARGIN, round(box.right) + _MARGIN)
    staves = _find_staves(dark.mean(axis=1), box.top - row, box.bottom - row)
    if staves is None:
        return BarredSystem(box, 0.0, (), False)
    wide = ndimage.maximum_filter1d(dark, 3, axis=1)
    strokes, certain = _strokes(_Sums(_sums(dark), _sums(wide)), staves)
    # The strokes are a pixel wider on both sides than they are drawn; see `_strokes`.
    lines = tuple(
        BarLine(column + left + 1, column + right - 1, right - left - 2 > _HEAVY * staves.space)
        for left, right in _joined(strokes, _SAME_LINE * staves.space)
    )
    return BarredSystem(box, staves.space, lines, certain and bool(lines))


def _cut(page: np.ndarray, top: int, left: int, bottom: int, right: int) -> np.ndarray:
    """Returns the ink float32 of a part of a page; past its edges is paper."""
    rows, columns = page.shape
    inside = page[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)]
    padding = [(max(-top, 0), max(bottom - rows, 0)), (max(-left, 0), max(right - columns, 0))]
    return 1 - np.pad(inside, padding, constant_values=PAPER).astype(np.float32) / PAPER


class _Staves(NamedTuple):
    """The outer staves of a system: staff space, row of the first top and the last bottom line."""

    space: float
    top: float
    bottom: float


def _find_staves(profile: np.ndarray, top: float, bottom: float) -> _Staves | None:
    """Measures the outer staves of a system, or returns None where there aren't any.

    Args:
        profile: Mean ink of every row, [rows].
        top: Row where the top line is, about.
        bottom: Row where the bottom line is, about.
    """
    spaces = _STAFF_SPACES[_STAFF_SPACES * 4 < bottom - top + 2]
    if not len(spaces):
        return None
    shifts = np.linspace(-0.4, 0.4, 13)
    rows = np.arange(len(profile)) + 0.5

    def contrasts(edge: float, sign: int) -> np.ndarray:
        """Returns the ink of lines less that of gaps, [spaces, shifts]."""

        def ink(multiples: np.ndarray) -> np.ndarray:
            away = (shifts[:, None] + multiples) * spaces[:, None, None]
            return np.interp(edge + sign * away, rows, profile).mean(axis=2)

        return ink(np.arange(5)) - ink(np.arange(6) - 0.5)

    both = contrasts(top, 1), contrasts(bottom, -1)
    best = int(np.argmax(both[0].max(axis=1) + both[1].max(axis=1)))
    if min(both[0][best].max(), both[1][best].max()) < _LEAST_CONTRAST:
        return None
    space = float(spaces[best])
    shift, rise = (float(shifts[one[best].argmax()]) * space for one in both)
    return _Staves(space, top + shift, bottom - rise)


class _Sums(NamedTuple):
    """Ink of every column summed over the rows above each row, [rows + 1, columns].

    Attributes:
        alone: That of the columns themselves.
        wide: That of the darkest of a column and its neighbours: a stroke may lean a little.
    """

    alone: np.ndarray
    wide: np.ndarray


def _sums(dark: np.ndarray) -> np.ndarray:
    sums = np.zeros((len(dark) + 1, dark.shape[1]), dark.dtype)
    dark.cumsum(axis=0, out=sums[1:])
    return sums


def _strokes(ink: _Sums, staves: _Staves) -> tuple[list[tuple[int, int]], bool]:
    """Finds the vertical strokes that are bar lines, but for the line at the left of the system.

    Args:
        ink: Ink of a system and of `_MARGIN` pixels around it.
        staves: Its outer staves.

    Returns:
        First column and end of each, and whether there is no doubt about any.
    """
    space, top, bottom = staves
    gaps = np.arange(4) + 0.25
    in_gaps = np.concatenate([top + gaps * space, bottom - (gaps + 0.5) * space])
    strength = _bands(ink.wide, in_gaps, 0.5 * space).min(axis=0)
    strength[: round(_MARGIN + _EDGE * space)] = 0
    full = float(strength.max())
    if full < _FAINTEST:
        return [], False
    steps = np.arange(top + 4 * space, bottom - 4.5 * space, 0.5 * space)
    between = _bands(ink.wide, steps, 0.5 * space)
    through = np.minimum(strength, between.min(axis=0, initial=1))
    runs = _runs(strength > _HALF * full)
    free, doubtful = _free_strokes(ink, staves, runs, full)
    if not len(steps) or through.max() <= _HALF * full:
        return free, not doubtful
    solid = through > _HALF * full
    certain = all(solid[begin:end].any() for begin, end in _runs(through > _TRACE * full))
    # A dynamic may stand in a gap of a bar line.
    broken = np.quantile(between, 1 - _PART, axis=0) > _HALF * full
    more, perhaps = (
        [run for run in chosen if broken[slice(*run)].any() and not solid[slice(*run)].any()]
        for chosen in (free, doubtful)
    )
    lines = sorted(_runs(solid) + more)
    return lines, certain and not any(_in_wide_bar(run, lines) for run in perhaps)


def _in_wide_bar(run: tuple[int, int], lines: Sequence[tuple[int, int]]) -> bool:
    """Tells whether a stroke is within a bar that is far wider than the others."""
    edges = np.array([_MARGIN, *(end for _, end in lines)])
    widths = np.diff(edges)
    after = int(np.searchsorted(edges, run[0]))
    return after < len(edges) and bool(widths[after - 1] > _WIDE * np.median(widths))


def _free_strokes(
    ink: _Sums, staves: _Staves, runs: Sequence[tuple[int, int]], full: float
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Chooses the strokes that end with the staves and have nothing beside their ends.

    Args:
        ink: Ink of a system.
        staves: Its outer staves.
        runs: First column and end of the strokes through both staves.
        full: Ink of the darkest one.

    Returns:
        Those that are chosen, and those about which there is doubt.
    """
    space, top, bottom = staves
    gaps = np.arange(4) + 0.25
    in_gaps = np.concatenate([top + gaps * space, bottom - (gaps + 0.5) * space])
    ends = np.array(
        [top - 1.2 * space, top - 0.8 * space, bottom + 0.4 * space, bottom + 0.8 * space]
    )
    beyond = _bands(ink.wide, ends, 0.4 * space) > _HALF * full
    beside = _bands(ink.alone, in_gaps, 0.5 * space)
    at_ends, in_middle = beside[[0, 3, 4, 7]].max(axis=0), np.median(beside, axis=0)
    # A note head lies beside an end of its stem; dots of repeats beside the middle of a stroke.
    free = (at_ends < _HALF * full) & (in_middle < 0.55 * full)
    clefs_end = _MARGIN + _CLEFS * space
    found, doubtful = [], []
    for begin, end in runs:
        longer = beyond[:, begin:end].any(axis=1)
        alone = free[max(0, begin - 1) : begin + 1].all() and free[end - 1 : end + 1].all()
        if longer[:2].all() or longer[2:].all():
            continue  # goes on beyond the staff
        if alone and not longer.any():
            found.append((begin, end))
        elif alone or (begin > clefs_end and end - begin - 2 < _HEAVY * space):
            doubtful.append((begin, end))
    return found, doubtful


def _bands(sums: np.ndarray, begins: np.ndarray, height: float) -> np.ndarray:
    """Returns the mean ink of every column in bands of rows, [bands, columns]."""

    def above(row: np.ndarray) -> np.ndarray:
        whole = np.clip(row.astype(int), 0, len(sums) - 2)
        share = (row - whole)[:, None]
        return sums[whole] * (1 - share) + sums[whole + 1] * share

    return (above(begins + height) - above(begins)) / height


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """Returns first column and end of every run of marked columns."""
    edges = np.flatnonzero(np.diff(np.pad(marked.astype(np.int8), 1)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


def _joined(strokes: Sequence[tuple[int, int]], nearest: float) -> list[tuple[int, int]]:
    """Joins strokes that are nearer than `nearest` columns."""
    joined: list[tuple[int, int]] = []
    for begin, end in strokes:
        if joined and begin - joined[-1][1] < nearest:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((begin, end))
    return joined
