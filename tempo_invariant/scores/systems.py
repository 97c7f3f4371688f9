"""Finding the systems of a score page by image analysis.

The page is straightened, its staff space is measured and its staves are found; staves that a
vertical line joins (the line at the left of a system, or bar lines through both) make a system.
Nothing here knows notes, and nothing is learnt.

Staves have five lines, all of one size on a page. The page may be skewed by up to four degrees.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from tempo_invariant.geometry import PAGE_WIDTH, PAPER
from tempo_invariant.scores.page_image import ink, skew_degrees, staff_spaces, turn_back, turned
from tempo_invariant.scores.places import Box, around
from tempo_invariant.scores.staves import LINE_INK, MIN_STAFF_SPACES, find_staves

SPACES = (5.3, 7.2)
USUAL_SPACE = 7.0
"""Range of the training pages' staff spaces, and that of three quarters of them, in pixels."""

_LEAST_SKEW_DEGREES = 0.06
"""Smaller angles, less than a pixel over the width of a page, are left alone."""

_MOST_APART_SPACES = 60.0
"""Neighbouring staves of a system are no farther apart, in staff spaces; usual are five to ten."""

_ANALYSIS_WIDTH = 1670
"""Wider pages are measured at this width, in pixels."""


@dataclass(frozen=True)
class _Measured:
    """A page made straight and, for speed, perhaps smaller.

    Attributes:
        dark: Ink [rows, columns].
        scale: Pixels of `dark` for one of the page.
        degrees: Angle in degrees by which the page sloped down to the right.
        space: Staff space in pixels of `dark`; None when there are no staves.
        staves: Boxes of the staves in pixels of `dark`.
    """

    dark: np.ndarray
    scale: float
    degrees: float
    space: float | None
    staves: Sequence[Box]


def _measure(page: np.ndarray) -> _Measured:
    scale = min(1.0, _ANALYSIS_WIDTH / page.shape[1])
    if scale < 1:
        size = (_ANALYSIS_WIDTH, max(1, round(page.shape[0] * scale)))
        page = np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX, reducing_gap=2))
    dark = ink(page)
    degrees = skew_degrees(dark)
    if abs(degrees) < _LEAST_SKEW_DEGREES:
        degrees = 0.0
    straight = turn_back(dark, degrees)
    space, staves = _most_staves(straight)
    if space is None:
        return _Measured(dark, scale, 0.0, None, [])
    return _Measured(straight, scale, degrees, space, staves)


def _most_staves(straight: np.ndarray) -> tuple[float | None, list[Box]]:
    """Returns the staff space that yields the longest staves, and these staves."""
    best: tuple[float | None, list[Box]] = (None, [])
    longest = 0.0
    for space in staff_spaces(straight):
        staves = find_staves(straight, space)
        length = sum(staff.width for staff in staves)
        if length > longest:
            best, longest = (space, staves), length
        if len(best[1]) > 2:  # no doubt
            break
    return best


@dataclass(frozen=True)
class NormalPage:
    """A page as the model expects it.

    Attributes:
        image: Grey page uint8 [rows, columns]: straight, even, with staves as large as in training.
        scale: Pixels of `image` for one pixel of the page.
        degrees: Angle in degrees by which the page sloped down to the right.
        space: Staff space in pixels of `image`; None when there are no staves.
        page_shape: Rows and columns of the page.
    """

    image: np.ndarray
    scale: float
    degrees: float
    space: float | None
    page_shape: tuple[int, ...]

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of the page lie on `image`."""
        away = (np.asarray(points) - np.array(self.page_shape) / 2) * self.scale
        return turned(away, -self.degrees) + np.array(self.image.shape) / 2


def normalise(page: np.ndarray) -> NormalPage:
    """Makes a page straight and even, with staves as large as those of the training pages.

    A page that is like that already, such as a training page, stays as it is.

    Args:
        page: Grey page uint8 [rows, columns].
    """
    measured = _measure(page)
    scale = PAGE_WIDTH / page.shape[1]
    space = None
    if measured.space is not None:
        page_space = measured.space / measured.scale
        if not SPACES[0] <= page_space * scale <= SPACES[1]:
            scale = USUAL_SPACE / page_space
        space = page_space * scale
    dark = measured.dark
    rows, columns = (max(1, round(size * scale / measured.scale)) for size in dark.shape)
    if dark.shape != (rows, columns):
        resized = Image.fromarray(dark).resize((columns, rows), Image.Resampling.BICUBIC)
        dark = np.clip(np.asarray(resized), 0, 1)
    image = np.rint(PAPER * (1 - dark)).astype(np.uint8)
    return NormalPage(image, scale, measured.degrees, space, page.shape)


def group_staves(dark: np.ndarray, staves: Sequence[Box], space: float) -> list[list[Box]]:
    """Groups the staves that vertical lines join: each group is a system.

    Args:
        dark: Ink of a straight page, [rows, columns].
        staves: Boxes of its staves, from top to bottom.
        space: Staff space in pixels.
    """
    groups: list[list[Box]] = []
    for staff in staves:
        for group in reversed(groups):
            if _joined(dark, group[-1], staff, space):
                group.append(staff)
                break
        else:
            groups.append([staff])
    return groups


def _joined(dark: np.ndarray, upper: Box, lower: Box, space: float) -> bool:
    """Tells whether vertical lines run from the top of one staff to the bottom of another.

    One at the left end is enough; elsewhere two are needed, since two stems of different systems
    may happen to meet.
    """
    left = max(0, round(max(upper.left, lower.left) - 1.5 * space))
    right = round(min(upper.right, lower.right) + 1.5 * space)
    if right - left < MIN_STAFF_SPACES * space or lower.top < upper.bottom:
        return False
    if lower.top - upper.bottom > _MOST_APART_SPACES * space:
        return False
    region = dark[max(0, round(upper.top)) : round(lower.bottom), left:right]
    wide = ndimage.maximum_filter1d(region, 2 * round(0.15 * space) + 1, axis=1)
    smooth = ndimage.uniform_filter1d(wide, max(1, round(space)), axis=0)
    crossing = np.flatnonzero(smooth.min(axis=0) > LINE_INK)
    if not crossing.size:
        return False
    return bool(crossing[0] < 3 * space or np.ptp(crossing) > MIN_STAFF_SPACES * space)


def find_systems(page: np.ndarray) -> list[Box]:
    """Finds the systems of a page, in reading order.

    Args:
        page: Grey page uint8 [rows, columns], any size, skewed by up to four degrees.

    Returns:
        The boxes of the systems, from the top line of the first staff to the bottom line of the
        last, in pixels of `page`; on a skewed page, the upright boxes around them.
    """
    measured = _measure(page)
    if measured.space is None:
        return []
    boxes = []
    for group in group_staves(measured.dark, measured.staves, measured.space):
        top, left, bottom, right = around(group)
        corners = np.array([(row, column) for row in (top, bottom) for column in (left, right)])
        away = turned(corners - np.array(measured.dark.shape) / 2, measured.degrees)
        corners = away / measured.scale + np.array(page.shape) / 2
        boxes.append(Box(*map(float, [*corners.min(axis=0), *corners.max(axis=0)])))
    return _reading_order(boxes)


def _reading_order(boxes: Sequence[Box]) -> list[Box]:
    """Sorts systems from top to bottom, on a double page the left page first."""
    ordered: list[list[Box]] = []
    reach = -np.inf
    for box in sorted(boxes, key=lambda box: box.left):
        if box.left >= reach:
            ordered.append([])
        ordered[-1].append(box)
        reach = max(reach, box.right)
    return [box for column in ordered for box in sorted(column, key=lambda box: box.top)]
