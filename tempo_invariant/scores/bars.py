"""The numbers of the bars of a score, counted along its bar lines.

Printed numbers cannot be read, so bars are counted from the first system on. The count stops, and
the rest has no numbers, where it would be a guess: at a stroke that may or may not be a bar line,
at a system that does not end with one, at a gap where a system may have been missed, where a repeat
sign or a double bar may part a bar, and where the first bar may be a pickup or a whole one. It
begins anew with an indented system after a double bar, as every movement does.
"""

import bisect
import dataclasses
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tempo_invariant.scores.bar_lines import BarredSystem, find_bar_lines
from tempo_invariant.scores.places import Box

# Widths in staff spaces.
_NARROWEST_BAR = 2.0

_PREFIX = (4.0, 10.0)
"""Width of clef and key signature, where it cannot be measured: least and most."""

_SLACK = 0.7
"""Uncertainty of that width where three systems or more tell it."""

_TIME_SIGNATURE = 3.0

_COURTESY = 6.0
"""A key or time signature after the last bar line of a system is at most so wide."""

_INDENTS = (2.0, 4.0)
"""A system that begins so much farther right than others may begin, or begins, a movement."""

# Widths relative to a usual bar.
_PICKUP = 0.35
_WHOLE = 0.65
"""Up to the one, the first bar is a pickup; from the other on it is whole."""

_NOT_PARTED = (0.6, 0.8)
"""Beside a repeat sign or a double bar, narrower bars may be parts of one: in music without, and
with, a pickup."""


class BarStart(NamedTuple):
    """The column of a page where a bar begins, and its number; None where it is not known."""

    column: float
    number: int | None


Bars = tuple[BarStart, ...]
"""The bars of a system, from its left end on."""


def find_bars(pages: Sequence[np.ndarray], boxes: Sequence[Sequence[Box]]) -> list[list[Bars]]:
    """Finds and counts the bars of a score.

    Args:
        pages: Pages uint8 [rows, columns] each, straight.
        boxes: Boxes of the systems of every page, in reading order.

    Returns:
        The bars of every system of every page; see `number_bars`.
    """
    return number_bars(
        [
            [find_bar_lines(page, box) for box in systems]
            for page, systems in zip(pages, boxes, strict=True)
        ]
    )


def number_bars(pages: Sequence[Sequence[BarredSystem]]) -> list[list[Bars]]:
    """Counts the bars of a score.

    Args:
        pages: Systems of every page in reading order.

    Returns:
        The bars of every system of every page. The first whole bar of the score, or of a movement,
        is bar 1, and a pickup before it is bar 0.
    """
    indents: list[float] = []
    for page in pages:
        margin = min((system.box.left for system in page), default=0)
        indents += [(s.box.left - margin) / max(s.space, 1) for s in page]
    begins = [i for i, indent in enumerate(indents) if not i or indent > _INDENTS[0]]
    systems = _mark_gaps(pages)
    numbered: list[Bars] = []
    for first, end in itertools.pairwise([*begins, len(systems)]):
        # The last movement has ended with a double bar, unless this one is none.
        ended = first == 0 or (systems[first - 1].lines and systems[first - 1].lines[-1].heavy)
        certain = first == 0 or (ended and indents[first] > _INDENTS[1])
        numbered += _number_movement(systems[first:end], bool(certain))
    rest = iter(numbered)
    return [[next(rest) for _ in page] for page in pages]


def _mark_gaps(pages: Sequence[Sequence[BarredSystem]]) -> list[BarredSystem]:
    """Returns all systems, uncertain where one more may stand between two of them."""
    pairs = [pair for page in pages for pair in itertools.pairwise(page)]
    gaps = [after.box.top - before.box.bottom for before, after in pairs]
    heights = [system.box.height for page in pages for system in page]
    most = np.median(gaps or [0.0]) + np.median(heights or [0.0])
    missing = {id(after) for (_, after), gap in zip(pairs, gaps, strict=True) if gap > most}
    return [
        dataclasses.replace(system, certain=system.certain and id(system) not in missing)
        for page in pages
        for system in page
    ]


def bar_at(bars: Bars, column: float) -> int | None:
    """Returns the number of the bar at a column of a system, None where it is not known."""
    after = bisect.bisect([start.column for start in bars], column)
    return bars[max(after, 1) - 1].number if bars else None


class _Widths(NamedTuple):
    """Widths in staff spaces: of a usual bar; of clef and key signature, and its uncertainty."""

    bar: float
    prefix: float
    slack: float


class _Bar(NamedTuple):
    """A bar before it is numbered.

    Attributes:
        column: Column of the page where it begins.
        width: Width of the music in it in staff spaces; NaN where the bar lines are uncertain.
        slack: Uncertainty of the width.
        heavy: Whether a repeat sign or a double bar ends it.
    """

    column: float
    width: float
    slack: float
    heavy: bool


def _number_movement(systems: Sequence[BarredSystem], known: bool) -> list[Bars]:
    """Counts the bars of a movement; of one that is not `known` to begin here, none is."""
    widths = _measure(systems)
    of_systems = [
        _find_bars(system, widths, 0 if index else _TIME_SIGNATURE)
        for index, system in enumerate(systems)
    ]
    bars = [bar for found in of_systems for bar in found]
    number = _first_number(of_systems[0], widths) if known else None
    whole = _NOT_PARTED[number == 0]
    numbers = []
    for bar, following in zip(bars, [*bars[1:], None], strict=True):
        number = None if np.isnan(bar.width) else number
        numbers.append(number)
        both = (bar.width, following.width) if following else (np.inf,)
        if number is not None:
            parted = bar.heavy and min(both) < whole * widths.bar
            number = None if parted else number + 1
    rest = iter(numbers)
    return [tuple(BarStart(bar.column, next(rest)) for bar in found) for found in of_systems]


def _measure(systems: Sequence[BarredSystem]) -> _Widths:
    """Measures the bars of a movement, and how much clefs and key signatures take.

    The bars at the left ends of systems are as wide as others, but for clef and key signature.
    """
    inner, prefixes, first = [], [], []
    for number, system in enumerate(systems):
        lines = system.lines if system.certain else ()
        gaps = [after.left - line.right for line, after in itertools.pairwise(lines)]
        inner += [gap / system.space for gap in gaps]
        if number and lines and not lines[0].heavy:
            first.append((lines[0].left - system.box.left) / system.space)
            prefixes += [first[-1] - float(np.median(gaps)) / system.space] if gaps else []
    least, most = _PREFIX
    middle = (least + most) / 2
    bar = float(np.median(inner or [width - middle for width in first] or [np.nan]))
    if len(prefixes) >= 3:
        return _Widths(bar, min(max(float(np.median(prefixes)), least), 2 * most), _SLACK)
    return _Widths(bar, middle, most - middle)


def _find_bars(system: BarredSystem, widths: _Widths, more: float) -> list[_Bar]:
    """Returns the bars of a system.

    Args:
        system: The system.
        widths: Widths of the movement.
        more: Staff spaces that the time signature takes.
    """
    left, space = system.box.left, system.space
    unknown = [_Bar(left, np.nan, 0, False)]
    if not system.certain or system.lines[-1].right < system.box.right - _COURTESY * space:
        return unknown
    bars: list[_Bar] = []
    column, begin, slack = left, left + (widths.prefix + more) * space, widths.slack
    for line in system.lines:
        width = (line.left - begin) / space
        if line.heavy and not bars and width - slack < _NARROWEST_BAR:
            if width + slack > 1.5 * _NARROWEST_BAR:
                return unknown  # a repeat sign after the clef, or at the end of a bar
            begin, slack = line.right, 0.0
            continue
        if width + slack < _NARROWEST_BAR:
            return unknown
        bars.append(_Bar(column, width, slack, line.heavy))
        column, begin, slack = line.left, line.right, 0.0
    return bars or unknown


def _first_number(bars: Sequence[_Bar], widths: _Widths) -> int | None:
    """Tells from the bars of the first system whether it begins with a pickup.

    Returns:
        0 for a pickup, 1 for a whole bar, None for what may be either.
    """
    usual = float(np.median([bar.width for bar in bars[1:]])) if len(bars) > 2 else widths.bar
    if bars[0].width + bars[0].slack < _PICKUP * usual:
        return 0
    return 1 if bars[0].width - bars[0].slack > _WHOLE * usual else None
