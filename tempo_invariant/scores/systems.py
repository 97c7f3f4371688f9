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
from tempo_invariant.scores.page_image import (
    ink,
    profile_width,
    sheared,
    skew_degrees,
    staff_spaces,
    turn_back,
    turned,
)
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
"""The staff space of wider pages is measured at this width, in pixels."""

_NO_DOUBT = 3
"""So many staves that are equally spaced are no accident."""


@dataclass(frozen=True)
class NormalPage:
    """A page as the model expects it.

    Attributes:
        image: Grey page uint8 [rows, columns]: straight, even, with staves as large as in training.
        scale: Pixels of `image` for one pixel of the page.
        degrees: Angle in degrees by which the page sloped down to the right.
        space: Staff space in pixels of `image`; None when there are no staves.
        page_shape: Rows and columns of the page.
        systems: Boxes of the systems on `image` in reading order, from the top line of the first
            staff to the bottom line of the last.
    """

    image: np.ndarray
    scale: float
    degrees: float
    space: float | None
    page_shape: tuple[int, ...]
    systems: tuple[Box, ...]

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of the page lie on `image`."""
        away = (np.asarray(points) - np.array(self.page_shape) / 2) * self.scale
        return turned(away, -self.degrees) + np.array(self.image.shape) / 2

    def place_back(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of `image` lie on the page."""
        away = turned(np.asarray(points) - np.array(self.image.shape) / 2, self.degrees)
        return away / self.scale + np.array(self.page_shape) / 2


def normalise(page: np.ndarray) -> NormalPage:
    """Makes a page straight and even, with staves as large as in training, and finds its systems.

    A page that is like that already, such as a training page, stays as it is.

    Args:
        page: Grey page uint8 [rows, columns], any size, skewed by up to four degrees.
    """
    scale = min(1.0, _ANALYSIS_WIDTH / page.shape[1])
    analysed = _resized(page, scale)
    width = profile_width(analysed)
    profile = ink(analysed, width)
    degrees = skew_degrees(profile, width)
    if abs(degrees) < _LEAST_SKEW_DEGREES:
        degrees = 0.0
    best: _Seen | None = None
    for space in staff_spaces(sheared(profile, width, degrees)):
        seen = _look_closer(analysed, scale, degrees, space)
        if best is None or seen.length > best.length:
            best = seen
        if len(best.staves) >= _NO_DOUBT:
            break
    if best is None or not best.staves:
        normal_scale = PAGE_WIDTH / page.shape[1]
        smaller = min(scale, normal_scale)
        best = _Seen(ink(_resized(page, smaller)), smaller, normal_scale, 0.0, None, ())
    return _normal_page(best, page.shape)


@dataclass(frozen=True)
class _Seen:
    """A straight page, as large as a normal page or smaller than the page, with its staves.

    Attributes:
        dark: Ink [rows, columns].
        scale: Pixels of `dark` for one of the page.
        normal_scale: Pixels of the normal page for one of the page.
        degrees: Angle in degrees by which the page sloped down to the right.
        space: Staff space in pixels of `dark`; None when there are no staves.
        staves: Boxes of the staves in pixels of `dark`.
    """

    dark: np.ndarray
    scale: float
    normal_scale: float
    degrees: float
    space: float | None
    staves: Sequence[Box]

    @property
    def length(self) -> float:
        """Length of all staves in pixels of the page."""
        return sum(staff.width for staff in self.staves) / self.scale


def _look_closer(analysed: np.ndarray, scale: float, degrees: float, space: float) -> _Seen:
    """Seeks the staves of one staff space.

    Args:
        analysed: Grey page uint8 [rows, columns].
        scale: Pixels of `analysed` for one of the page.
        degrees: Angle in degrees by which the page slopes down to the right.
        space: Staff space in pixels of `analysed`.
    """
    usual = PAGE_WIDTH / analysed.shape[1]
    normal_scale = usual if SPACES[0] <= space * usual <= SPACES[1] else USUAL_SPACE / space
    # Text is told from staves at the size of a page, however far apart its lines are.
    smaller = min(1.0, max(normal_scale, usual))
    dark = turn_back(ink(_resized(analysed, smaller)), degrees)
    staves = find_staves(dark, space * smaller)
    return _Seen(dark, scale * smaller, scale * normal_scale, degrees, space * smaller, staves)


def _resized(page: np.ndarray, scale: float) -> np.ndarray:
    if scale == 1:
        return page
    rows, columns = (max(1, round(side * scale)) for side in page.shape)
    image = Image.fromarray(page)
    return np.asarray(image.resize((columns, rows), Image.Resampling.BICUBIC, reducing_gap=3))


def _normal_page(seen: _Seen, page_shape: tuple[int, ...]) -> NormalPage:
    dark, enlarged = seen.dark, seen.normal_scale / seen.scale
    if enlarged != 1:
        rows, columns = (max(1, round(side * enlarged)) for side in dark.shape)
        resized = Image.fromarray(dark).resize((columns, rows), Image.Resampling.BICUBIC)
        dark = np.clip(np.asarray(resized), 0, 1)
    image = np.rint(PAPER * (1 - dark)).astype(np.uint8)
    space, systems = None, []
    if seen.space is not None:
        space = seen.space * enlarged
        for group in group_staves(seen.dark, seen.staves, seen.space):
            systems.append(Box(*(side * enlarged for side in around(group))))
    ordered = tuple(_reading_order(systems))
    return NormalPage(image, seen.normal_scale, seen.degrees, space, page_shape, ordered)


def find_systems(page: np.ndarray) -> list[Box]:
    """Finds the systems of a page, in reading order.

    Args:
        page: Grey page uint8 [rows, columns], as `normalise` takes it.

    Returns:
        The boxes of the systems in pixels of `page`; on a skewed page, the upright boxes around
        them.
    """
    normal = normalise(page)
    boxes = []
    for top, left, bottom, right in normal.systems:
        corners = [(row, column) for row in (top, bottom) for column in (left, right)]
        placed = normal.place_back(np.array(corners))
        boxes.append(Box(*map(float, [*placed.min(axis=0), *placed.max(axis=0)])))
    return boxes


def group_staves(dark: np.ndarray, staves: Sequence[Box], space: float) -> list[list[Box]]:
    """Groups the staves that vertical lines join: each group is a system.

    Args:
        dark: Ink of a straight page, [rows, columns].
        staves: Boxes of its staves, from top to bottom.
        space: Staff space in pixels.
    """
    wide = ndimage.maximum_filter1d(dark, 2 * round(0.15 * space) + 1, axis=1)
    groups: list[list[Box]] = []
    for staff in staves:
        for group in reversed(groups):
            if _joined(wide, group[-1], staff, space):
                group.append(staff)
                break
        else:
            groups.append([staff])
    return groups


def _joined(wide: np.ndarray, upper: Box, lower: Box, space: float) -> bool:
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
    region = wide[max(0, round(upper.top)) : round(lower.bottom), left:right]
    # Where there is ink everywhere, there is as much of it on average.
    columns = np.flatnonzero(region.mean(axis=0) > LINE_INK)
    smooth = ndimage.uniform_filter1d(region[:, columns], max(1, round(space)), axis=0)
    crossing = columns[smooth.min(axis=0, initial=1) > LINE_INK]
    if not crossing.size:
        return False
    return bool(crossing[0] < 3 * space or np.ptp(crossing) > MIN_STAFF_SPACES * space)


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
