"""Reading a page whichever way it lies, white on black, too.

Staff lines tell whether a page lies on its side. Whether it is upside down tell the ends of its
staves: a clef stands at the left one, and often a brace before it.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from tempo_invariant.geometry import PAPER
from tempo_invariant.scores.places import Box, around
from tempo_invariant.scores.systems import NormalPage, normalise

_CLEF_SPACES = (0.4, 3.2)
_BRACE_SPACES = (-1.6, -0.3)
"""Where a clef and a brace are, in staff spaces from the end of a staff."""

_GAPS = (-1.5, -0.5, 0.5, 1.5)
"""The middle of the gaps between the lines of a staff, in staff spaces from its centre."""

_TURNED = -0.1
"""Pages with less ink at the left ends, than at the right ends, of their staves are upside down."""

_DARK = 100
"""A page whose median is darker is tried as white on black."""


@dataclass(frozen=True)
class PageReading:
    """A page as it is read.

    Attributes:
        normal: The page as the model expects it, upright.
        quarter_turns: Quarter turns, counter-clockwise, that made it upright.
        notes: What is to be said about it, if anything.
    """

    normal: NormalPage
    quarter_turns: int = 0
    notes: tuple[str, ...] = ()


def read_page(page: np.ndarray) -> PageReading:
    """Reads a page: makes it upright, straight and even, and finds its systems.

    Args:
        page: Grey page uint8 [rows, columns].
    """
    first = normalise(page)
    attempts = ((turns, tried, normalise(tried)) for turns, tried in _attempts(page))
    readings = itertools.chain([(0, page, first)], attempts)
    turns, page, normal = next((r for r in readings if r[2].found), (0, page, first))
    if not normal.found:
        return PageReading(normal)
    if _is_upside_down(normal):
        again = normalise(np.ascontiguousarray(np.rot90(page, 2)))
        if again.found:
            normal, turns = again, (turns + 2) % 4
    found = dict.fromkeys(system.note for system in normal.found if system.note)
    notes = [f"turned by {90 * min(turns, 4 - turns)} degrees"] if turns else []
    return PageReading(normal, turns, (*notes, *found))


def by_pages(notes: Iterable[tuple[int, str]]) -> list[str]:
    """Returns a line for every text, which names the numbers of its pages: "pages 1-3, 5: ..."."""
    pages: dict[str, list[int]] = {}
    for number, text in notes:
        pages.setdefault(text, []).append(number)
    lines = []
    for text, numbers in pages.items():
        runs: list[list[int]] = []
        for number in numbers:
            if runs and number == runs[-1][-1] + 1:
                runs[-1].append(number)
            else:
                runs.append([number])
        named = ", ".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs)
        lines.append(f"page{'s' * (len(numbers) > 1)} {named}: {text}")
    return lines


def _attempts(page: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Yields other ways of looking at a page without systems, with the quarter turns."""
    on_its_side = np.ascontiguousarray(np.rot90(page))
    if np.median(page[::4, ::4]) < _DARK:
        yield 0, PAPER - page
        yield 1, PAPER - on_its_side
    yield 1, on_its_side


def _is_upside_down(normal: NormalPage) -> bool:
    assert normal.space is not None
    # All staves of a system are as long as the longest one that was found.
    around_systems = [(around(system.staves), system.staves) for system in normal.found]
    staves = [
        Box(staff.top, box.left, staff.bottom, box.right)
        for box, of_system in around_systems
        for staff in of_system
    ]
    dark = 1 - normal.image.astype(np.float32) / PAPER
    as_it_is = _ink_at_left(dark, staves, normal.space)
    width = dark.shape[1]
    mirrored = [Box(s.top, width - s.right, s.bottom, width - s.left) for s in staves]
    return as_it_is - _ink_at_left(dark[:, ::-1], mirrored, normal.space) < _TURNED


def _ink_at_left(dark: np.ndarray, staves: Sequence[Box], space: float) -> float:
    """Measures the ink of clefs and braces: between the lines of staves, and before them."""
    ink = 0.0
    for staff in staves:
        rows = np.round(staff.centre_row + np.multiply(_GAPS, space)).astype(int)
        for begin, end in (_CLEF_SPACES, _BRACE_SPACES):
            columns = np.arange(round(staff.left + begin * space), round(staff.left + end * space))
            inside = columns[(columns >= 0) & (columns < dark.shape[1])]
            if inside.size:
                ink += float(dark[np.clip(rows, 0, len(dark) - 1)][:, inside].mean())
    return ink / len(staves)
