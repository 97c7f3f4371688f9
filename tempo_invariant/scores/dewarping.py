"""Flattening the photograph of a page that is bent, as in an open book, or seen aslant.

The slope of the staff lines is measured all over the page, from the gradients of the ink, and a
smooth field is fitted: free along the page, and linear down each column, as it is for a cylinder
whose axis is the fold. The curves that follow the field become rows: in each column this moves and
stretches the rows evenly. Then the lean of the vertical strokes is measured and taken out; where
they converge, lines are nearer to each other, too. All of it is done again on what came out.
"""

import dataclasses
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image

from tempo_invariant.scores.page_image import skew_degrees, turn_back, turned
from tempo_invariant.scores.stroke_slopes import PAGE_COLUMNS, line_slopes, measure_lean

_ALONG = (5.0, 5.0, 8.0, 8.0)
"""Standard deviations of the smoothing along the strokes, in one round after the other."""

_SKEW_COLUMNS, _SHARP_COLUMNS = 8, 64
"""Columns that are averaged to measure skew, and sharpness."""

_LEAST_GAIN = 1.03
"""A page is flattened if its lines stand out so many times as sharply as if it is only turned."""

_STILL_PIXELS = 1.0
_MESH = 24
"""Distance in pixels of the points whose place is computed; between them it is interpolated."""


@dataclass(frozen=True)
class _Step:
    """What one measurement takes out; rows count from the middle of the page.

    Attributes:
        shape: Rows and columns of the page before and after.
        shift: Rows that each column lies too low, float [columns] ...
        stretch: ... and how many times too far its rows are apart.
        lean: Columns that vertical strokes move to the right on each row, at the left edge.
        spread: How much more for each column farther right.
    """

    shape: tuple[float, ...]
    shift: np.ndarray
    stretch: np.ndarray
    lean: float
    spread: float

    def before(self, points: np.ndarray) -> np.ndarray:
        """Returns where points [..., 2] were."""
        rows, columns = points[..., 0] - self.shape[0] / 2, points[..., 1]
        rows = rows / (1 - self.spread * rows)
        columns = columns + (self.lean + self.spread * columns) * rows
        shift, stretch = self._at(columns)
        return np.stack([stretch * rows + shift + self.shape[0] / 2, columns], axis=-1)

    def after(self, points: np.ndarray) -> np.ndarray:
        """Returns where points [..., 2] are now."""
        columns = points[..., 1]
        shift, stretch = self._at(columns)
        rows = (points[..., 0] - self.shape[0] / 2 - shift) / stretch
        columns = (columns - self.lean * rows) / (1 + self.spread * rows)
        rows = rows / (1 + self.spread * rows)
        return np.stack([rows + self.shape[0] / 2, columns], axis=-1)

    def _at(self, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        known = np.linspace(0, self.shape[1], len(self.shift))
        return np.interp(columns, known, self.shift), np.interp(columns, known, self.stretch)

    @cached_property
    def farthest(self) -> float:
        """The farthest that points of the page move, in pixels."""
        sides = (np.linspace(0, side, 9) for side in self.shape)
        points = np.stack(np.meshgrid(*sides, indexing="ij"), axis=-1)
        return float(np.abs(self.before(points) - points).max())


@dataclass(frozen=True)
class Flattening:
    """How a page is made flat: it is turned, and then goes through some steps.

    Attributes:
        page_shape: Rows and columns of the page.
        shape: Rows and columns of the flat page.
        degrees: Angle in degrees by which the page slopes down to the right.
    """

    page_shape: tuple[float, ...]
    shape: tuple[float, ...]
    degrees: float
    steps: tuple[_Step, ...] = ()

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of the page lie on the flat page."""
        away = np.asarray(points, float) - np.array(self.page_shape) / 2
        points = turned(away, -self.degrees) + np.array(self.shape) / 2
        for step in self.steps:
            points = step.after(points)
        return points

    def place_back(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of the flat page lie on the page."""
        points = np.asarray(points, float)
        for step in reversed(self.steps):
            points = step.before(points)
        away = points - np.array(self.shape) / 2
        return turned(away, self.degrees) + np.array(self.page_shape) / 2

    def enlarged(self, factor: float) -> "Flattening":
        """Returns the flattening of a page that is `factor` times as large."""
        page_shape, shape = (
            (shape[0] * factor, shape[1] * factor) for shape in (self.page_shape, self.shape)
        )
        steps = tuple(
            dataclasses.replace(
                step, shape=shape, shift=step.shift * factor, spread=step.spread / factor
            )
            for step in self.steps
        )
        return Flattening(page_shape, shape, self.degrees, steps)

    def apply(self, page: np.ndarray, paper: float = 0) -> np.ndarray:
        """Returns the flat page [rows, columns] from the page, or from its ink.

        Args:
            page: Page or ink [rows, columns].
            paper: Value of what lies beside it.
        """
        shape = [round(side) for side in self.shape]
        rows, columns = (np.append(np.arange(0, side, _MESH), side) for side in shape)
        corners = self.place_back(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
        corners = corners[..., ::-1]  # Pillow wants columns first
        around = [corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]]
        quads = np.concatenate(around, axis=-1)
        mesh = [
            ((int(columns[j]), int(rows[i]), int(columns[j + 1]), int(rows[i + 1])), tuple(quad))
            for i, line in enumerate(quads.tolist())
            for j, quad in enumerate(line)
        ]
        size = (shape[1], shape[0])
        method, resampling = Image.Transform.MESH, Image.Resampling.BICUBIC
        image = Image.fromarray(page)
        flat = np.array(image.transform(size, method, mesh, resampling))
        inside = Image.new("L", image.size, 1).transform(size, method, mesh)
        flat[np.asarray(inside) == 0] = paper
        return flat


def find_flattening(dark: np.ndarray) -> Flattening | None:
    """Measures how a page must be flattened.

    Args:
        dark: Ink of the page as `page_image.ink` measures it, [rows, columns].

    Returns:
        How, or None for a page whose lines are straight and slope by less than four degrees.
    """
    factor = max(1, round(dark.shape[1] / PAGE_COLUMNS))
    small = np.asarray(Image.fromarray(dark).reduce(factor)) if factor > 1 else dark
    field = line_slopes(small, 1.0)
    if field is None:
        return None
    flattening = Flattening(small.shape, turn_back(small, field.degrees).shape, field.degrees)
    flat = flattening.apply(small)
    for along in _ALONG:
        step = _measure(flat, along)
        if step is None:
            break
        flattening = dataclasses.replace(flattening, steps=(*flattening.steps, step))
        flat = flattening.apply(small)
        if step.farthest < _STILL_PIXELS:
            break
    blocks = _mean_blocks(small, _SKEW_COLUMNS)
    turned_only = turn_back(small, skew_degrees(blocks, _SKEW_COLUMNS))
    if _sharpness(flat) < _LEAST_GAIN * _sharpness(turned_only):
        return None
    return flattening.enlarged(factor)


def _mean_blocks(dark: np.ndarray, width: int) -> np.ndarray:
    """Averages columns in groups of `width`, without the remainder at the right."""
    count = dark.shape[1] // width
    return dark[:, : count * width].reshape(dark.shape[0], count, width).mean(axis=2)


def _sharpness(dark: np.ndarray) -> float:
    """Measures how sharply long lines stand out that run along the rows."""
    return float((np.diff(_mean_blocks(dark, _SHARP_COLUMNS), axis=0) ** 2).sum())


def _measure(dark: np.ndarray, along: float) -> _Step | None:
    """Measures what is still to be done to a page, with so much smoothing along the strokes."""
    field = line_slopes(dark, along)
    if field is None:
        return None
    shift, stretch = field.curves()
    lean, spread = measure_lean(dark, along)
    return _Step((dark.shape[0], dark.shape[1]), shift, stretch, lean, spread)
