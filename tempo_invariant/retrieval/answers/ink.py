"""Boxes of systems that hold all of their notes, not the staves alone."""

from collections.abc import Sequence

import numpy as np

from tempo_invariant.scores.places import Box

INK = 128
"""Darker pixels are ink."""

GAP_PIXELS = 16
"""Ink that is further away, two spaces of a staff, belongs to something else: a title for one."""

MARGIN_PIXELS = 6
SIDE_PIXELS = 14
"""Width that is added on either side, for the brace."""


def grow_boxes(image: np.ndarray, boxes: Sequence[Box]) -> list[Box]:
    """Grows the boxes of a page to the ink that belongs to the systems.

    A box grows from one row of ink to the next, up to half-way to the neighbouring system.

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
        highest = (max(above) + box.top) / 2 if above else 0
        lowest = (min(below) + box.bottom) / 2 if below else rows
        left, right = max(0, round(box.left)), min(columns, round(box.right))
        ink = (image[:, left:right] < INK).any(axis=1)
        top, bottom = np.clip([round(box.top), round(box.bottom)], 0, rows)
        up = _reach(ink[round(max(0, highest)) : top][::-1])
        down = _reach(ink[bottom : round(min(rows, lowest))])
        grown.append(
            Box(
                max(min(highest, box.top), top - up - MARGIN_PIXELS),
                max(0, box.left - SIDE_PIXELS),
                min(max(lowest, box.bottom), bottom + down + MARGIN_PIXELS),
                min(columns, box.right + SIDE_PIXELS),
            )
        )
    return grown


def _reach(ink: np.ndarray) -> int:
    """Returns how far ink goes on, away from a system, without a gap: bool [rows] outwards."""
    inked = np.flatnonzero(ink)
    gaps = np.diff(inked, prepend=-1)
    ends = np.flatnonzero(gaps > GAP_PIXELS)
    inked = inked[: ends[0]] if len(ends) else inked
    return int(inked[-1]) + 1 if len(inked) else 0
