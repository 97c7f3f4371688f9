"""Finding the systems of a score page by image analysis.

The page is straightened, its staff space is measured and its staves are found; staves that a
vertical line joins (the line at the left of a system, or bar lines through both) make a system.
Nothing here knows notes, and nothing is learnt.

Staves have five lines, all of one size on a page. A page that is bent is made flat first.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from tempo_invariant.geometry import PAGE_WIDTH, PAPER
from tempo_invariant.scores.dewarping import Flattening, find_flattening
from tempo_invariant.scores.ensembles import System, group_staves
from tempo_invariant.scores.page_image import (
    ink,
    profile_width,
    sheared,
    skew_degrees,
    staff_spaces,
    turn_back,
    turned,
)
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.staves import find_staves
from tempo_invariant.scores.stroke_slopes import looks_flat

SPACES = (5.3, 7.2)
USUAL_SPACE = 7.0
"""Range of the training pages' staff spaces, and that of three quarters of them, in pixels."""

_LEAST_SKEW_DEGREES = 0.06
"""Smaller angles, less than a pixel over the width of a page, are left alone."""

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
        found: The systems on `image`, in reading order.
        flattening: How a page that was bent has been made flat.
    """

    image: np.ndarray
    scale: float
    degrees: float
    space: float | None
    page_shape: tuple[int, ...]
    found: tuple[System, ...]
    flattening: Flattening | None = None

    @property
    def systems(self) -> tuple[Box, ...]:
        """Boxes of the systems, from the top line of the first staff to the bottom line of the
        last; see `System.box`."""
        return tuple(system.box for system in self.found)

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of the page lie on `image`."""
        if self.flattening is None:
            away = (np.asarray(points) - np.array(self.page_shape) / 2) * self.scale
        else:
            flat = self.flattening.place(points)
            away = (flat - np.array(self.flattening.shape) / 2) * self.scale
        return turned(away, -self.degrees) + np.array(self.image.shape) / 2

    def place_back(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of `image` lie on the page."""
        away = turned(np.asarray(points) - np.array(self.image.shape) / 2, self.degrees)
        if self.flattening is None:
            return away / self.scale + np.array(self.page_shape) / 2
        flat = away / self.scale + np.array(self.flattening.shape) / 2
        return self.flattening.place_back(flat)


def normalise(page: np.ndarray) -> NormalPage:
    """Makes a page straight and even, with staves as large as in training, and finds its systems.

    A page that is like that already, such as a training page, stays as it is.

    Args:
        page: Grey page uint8 [rows, columns], any size, bent or skewed by up to ten degrees.
    """
    scale = min(1.0, _ANALYSIS_WIDTH / page.shape[1])
    analysed = _resized(page, scale)
    width = profile_width(analysed)
    profile = ink(analysed, width)
    flattening = None if looks_flat(profile, width) else find_flattening(ink(analysed))
    if flattening is not None:
        analysed = flattening.apply(analysed, PAPER)
        flattening = flattening.enlarged(1 / scale)
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
        flattening = None
    return _normal_page(best, page.shape, flattening)


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


def _normal_page(
    seen: _Seen, page_shape: tuple[int, ...], flattening: Flattening | None
) -> NormalPage:
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
            staves = (Box(*(side * enlarged for side in staff)) for staff in group.staves)
            systems.append(System(tuple(staves), group.bars))
    found = tuple(_reading_order(systems))
    return NormalPage(image, seen.normal_scale, seen.degrees, space, page_shape, found, flattening)


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


def _reading_order(systems: Sequence[System]) -> list[System]:
    """Sorts systems from top to bottom, on a double page the left page first."""
    ordered: list[list[System]] = []
    reach = -np.inf
    for system in sorted(systems, key=lambda system: system.box.left):
        if system.box.left >= reach:
            ordered.append([])
        ordered[-1].append(system)
        reach = max(reach, system.box.right)
    return [one for column in ordered for one in sorted(column, key=lambda one: one.box.top)]
