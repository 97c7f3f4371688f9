"""Boxes of systems that hold all of their notes, not the staves alone."""

from collections.abc import Sequence

import numpy as np

from tempo_invariant.scores.places import Box

INK = 128
"""Darker pixels are ink."""

GAP_PIXELS = 16
"""Ink that is further away, two spaces of a staff, belongs to something else: a title for one."""

EDGE_PIXELS = 40
"""How far a system reaches towards the edge of a page, at most: five ledger lines."""

MARGIN_PIXELS = 6
SIDE_PIXELS = 20
"""Width that is added on either side, for the brace."""


def grow_boxes(image: np.ndarray, boxes: Sequence[Box]) -> list[Box]:
    """Grows the boxes of a page to the ink that belongs to the systems.

    A box grows from one row of ink to the next, up to half-way to the neighbouring system. Towards
    the edge of the page there may be a title, so there it ends before a row without ink.

    Args:
        image: Grey page uint8 [rows, columns].
        boxes: Boxes of its systems, from the top line to the bottom line of each.

    Returns:
        The grown boxes, in the order of `boxes`; no two overlap that did not before.
    """
    rows, columns = image.shape
    grown = []
    for box in boxes:
        above = [other.bottom for other in boxes if other.centre_row < box.centre_row]
        below = [other.top for other in boxes if other.centre_row > box.centre_row]
        highest = (max(above) + box.top) / 2 if above else box.top - EDGE_PIXELS
        lowest = (min(below) + box.bottom) / 2 if below else box.bottom + EDGE_PIXELS
        left, right = np.clip([round(box.left), round(box.right)], 0, columns)
        ink = (image[:, left:right] < INK).any(axis=1)
        top, bottom = np.clip([round(box.top), round(box.bottom)], 0, rows)
        up = _reach(ink[max(0, round(highest)) : top][::-1], whole=not above)
        down = _reach(ink[bottom : max(0, round(lowest))], whole=not below)
        sides = max(0, box.left - SIDE_PIXELS), min(columns, box.right + SIDE_PIXELS)
        grown.append(Box(max(0, box.top - up), sides[0], min(rows, box.bottom + down), sides[1]))
    return grown


def _reach(ink: np.ndarray, whole: bool) -> int:
    """Returns how far a box grows: to where ink goes on without a gap, and a margin.

    Args:
        ink: Whether rows have ink, bool [rows] outwards from the system.
        whole: Whether the box must end before a row without ink, if there is one.
    """
    blank = np.flatnonzero(~ink)
    if whole and len(blank):
        ink = ink[: blank[-1]]
    inked = np.flatnonzero(ink)
    ends = np.flatnonzero(np.diff(inked, prepend=-1) > GAP_PIXELS)
    inked = inked[: ends[0]] if len(ends) else inked
    reach = int(inked[-1]) + 1 if len(inked) else 0
    return min(reach + MARGIN_PIXELS, len(ink))
