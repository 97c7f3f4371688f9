"""Flattening the photograph of a page that is bent, as in an open book, or seen aslant.

The slope of the staff lines is measured all over the page, from the gradients of the ink, and a
smooth field is fitted: free along the page, and linear down each column, as it is for a cylinder
whose axis is the fold. The curves that follow the field become rows: in each column this moves and
stretches the rows evenly. Then the lean of the vertical strokes is measured and taken out; where
they converge, lines are nearer to each other, too. All of it is done again on what came out.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from PIL import Image
from scipy import ndimage
from scipy.interpolate import BSpline

from tempo_invariant.scores.page_image import skew_degrees, turn_back, turned

STRAIGHTENED_DEGREES = 3.7
"""Up to here a page that only slopes is left to those who turn it."""

FLAT_PIXELS = 3.0
"""Staff lines that bend less, in pixels of a page 835 pixels wide, are left as they are."""

_WIDTH = 835
"""Slopes are measured at about this width in pixels."""

_CELL_ROWS, _CELL_COLUMNS = 40, 20
"""Size in these pixels of the cells in which slopes are averaged."""

_ACROSS = 0.8
_ALONG = (5.0, 5.0, 8.0, 8.0)
"""Standard deviations of the smoothing across the strokes, and along them in one round after the
other, in these pixels."""

_SKEW_COLUMNS, _SHARP_COLUMNS = 8, 64
"""Columns that are averaged to measure skew, and sharpness."""

_LEAST_GAIN = 1.1
"""A page is flattened if its lines stand out so many times as sharply as if it is only turned."""

_STEEPEST = 0.5
"""Larger slopes are not of lines."""

_KNOTS = 9
_STIFFNESS = 1e-3
"""Number of free slopes along a page, and the resistance of the field to bending."""

_TOLERANCES = (0.2, 0.12, 0.08, 0.05, 0.03, 0.03, 0.03, 0.03)
"""Slopes farther off count little, in one fit after the other: they are of slurs, beams, text."""

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

    shape: tuple[int, int]
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

    page_shape: tuple[int, ...]
    shape: tuple[int, int]
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

    def apply(self, page: np.ndarray, paper: float = 0) -> np.ndarray:
        """Returns the flat page [rows, columns] from the page, or from its ink.

        Args:
            page: Page or ink [rows, columns].
            paper: Value of what lies beside it.
        """
        rows, columns = (np.append(np.arange(0, side, _MESH), side) for side in self.shape)
        corners = self.place_back(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
        corners = corners[..., ::-1]  # Pillow wants columns first
        around = [corners[:-1, :-1], corners[1:, :-1], corners[1:, 1:], corners[:-1, 1:]]
        quads = np.concatenate(around, axis=-1)
        mesh = [
            ((int(columns[j]), int(rows[i]), int(columns[j + 1]), int(rows[i + 1])), tuple(quad))
            for i, line in enumerate(quads.tolist())
            for j, quad in enumerate(line)
        ]
        size = (self.shape[1], self.shape[0])
        method, resampling = Image.Transform.MESH, Image.Resampling.BICUBIC
        image = Image.fromarray(page)
        flat = np.array(image.transform(size, method, mesh, resampling))
        inside = Image.new("L", image.size, 1).transform(size, method, mesh)
        flat[np.asarray(inside) == 0] = paper
        return flat


def looks_flat(profile: np.ndarray, width: int) -> bool:
    """Tells roughly, in little time, whether the lines of a page are straight and nearly level.

    Args:
        profile: Mean ink of groups of columns, [rows, groups].
        width: Number of columns in a group.
    """
    columns = profile.shape[1] * width
    sigma = _ACROSS * columns / _WIDTH
    smooth = ndimage.gaussian_filter1d(profile, sigma, axis=0, truncate=2.5)
    down = smooth[2:] - smooth[:-2]
    down = (down[:, 1:] + down[:, :-1]) / 2
    right = (smooth[1:-1, 1:] - smooth[1:-1, :-1]) * (2 / width)
    cell = max(1, round(_CELL_ROWS * columns / _WIDTH)), max(1, round(_CELL_COLUMNS / width))
    field = _fit(*_slopes(down, right, cell), (profile.shape[0], columns))
    return field is None or field.is_flat


def find_flattening(dark: np.ndarray) -> Flattening | None:
    """Measures how a page must be flattened.

    Args:
        dark: Ink of the page as `page_image.ink` measures it, [rows, columns].

    Returns:
        How, or None for a page whose lines are straight and slope by less than four degrees.
    """
    factor = max(1, round(dark.shape[1] / _WIDTH))
    small = np.asarray(Image.fromarray(dark).reduce(factor)) if factor > 1 else dark
    field = _lines(small, (1.0, 1.0))
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
    return _enlarged(flattening, factor)


def _mean_blocks(dark: np.ndarray, width: int) -> np.ndarray:
    """Averages columns in groups of `width`, without the remainder at the right."""
    count = dark.shape[1] // width
    return dark[:, : count * width].reshape(dark.shape[0], count, width).mean(axis=2)


def _sharpness(dark: np.ndarray) -> float:
    """Measures how sharply long lines stand out that run along the rows."""
    return float((np.diff(_mean_blocks(dark, _SHARP_COLUMNS), axis=0) ** 2).sum())


def _enlarged(flattening: Flattening, factor: int) -> Flattening:
    """Returns the flattening of a page that is `factor` times as large."""
    if factor == 1:
        return flattening
    steps = tuple(
        _Step(
            _times(step.shape, factor),
            step.shift * factor,
            step.stretch,
            step.lean,
            step.spread / factor,
        )
        for step in flattening.steps
    )
    shapes = _times(flattening.page_shape, factor), _times(flattening.shape, factor)
    return Flattening(*shapes, flattening.degrees, steps)


def _times(shape: Sequence[int], factor: int) -> tuple[int, int]:
    return shape[0] * factor, shape[1] * factor


@dataclass(frozen=True)
class _Field:
    """Slopes of the staff lines, rows per column: `even + uneven * row`, rows from the middle.

    Attributes:
        even: Float [points], at even distances from the left to the right edge ...
        uneven: ... and how they change from row to row.
        width: Columns of the page.
        seen: Share of the evidence in each column, float [points].
        rows: Rows, from the middle, between which the evidence lies.
    """

    even: np.ndarray
    uneven: np.ndarray
    width: int
    seen: np.ndarray
    rows: tuple[float, float]

    @property
    def degrees(self) -> float:
        """Usual slope of the lines."""
        return float(np.degrees(np.arctan(self.seen @ self.even)))

    @property
    def bend(self) -> float:
        """How far the lines leave straight ones, in pixels of a page `_WIDTH` wide."""
        bends = []
        inside = self.seen > 0.2 * self.seen.max()
        for row in self.rows:
            slopes = self.even + self.uneven * row
            curve = np.cumsum(slopes - self.seen @ self.even)[inside]
            bends.append(np.ptp(curve) * _WIDTH / len(self.even))
        return float(max(bends))

    @property
    def is_flat(self) -> bool:
        """Whether the lines are straight and nearly level."""
        return abs(self.degrees) < STRAIGHTENED_DEGREES and self.bend < FLAT_PIXELS

    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns how far the lines are shifted and stretched in each column, [points] each."""
        step = self.width / (len(self.even) - 1)
        stretch = np.exp(_integral(self.uneven) * step)
        shift = stretch * _integral(self.even / stretch) * step
        # Stretched by 1 and shifted by 0 on the average.
        stretch = stretch / np.exp(self.seen @ np.log(stretch))
        return shift - stretch * (self.seen @ shift), stretch


def _integral(values: np.ndarray) -> np.ndarray:
    """Returns the integral up to each point, by the trapezoidal rule, for steps of 1."""
    return np.concatenate([[0.0], np.cumsum((values[1:] + values[:-1]) / 2)])


def _measure(dark: np.ndarray, along: float) -> _Step | None:
    """Measures what is still to be done to a page, with so much smoothing along the strokes."""
    field = _lines(dark, (_ACROSS, along))
    if field is None:
        return None
    shift, stretch = field.curves()
    lean, spread = _lean(dark, along)
    return _Step((dark.shape[0], dark.shape[1]), shift, stretch, lean, spread)


def _lines(dark: np.ndarray, sigmas: tuple[float, float]) -> _Field | None:
    """Fits the slopes of the lines on a page; see `_stroke_slopes`."""
    return _fit(*_stroke_slopes(dark, sigmas), dark.shape)


def _stroke_slopes(dark: np.ndarray, sigmas: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Measures the slopes of strokes that run along the rows, about.

    Args:
        dark: Ink [rows, columns].
        sigmas: Standard deviations of the smoothing along the columns and along the rows.

    Returns:
        Slopes in rows per column, and the evidence for each, float [cell rows, cell columns].
    """
    smooth = ndimage.gaussian_filter(dark, sigmas, truncate=2.5)
    down = smooth[2:, 1:-1] - smooth[:-2, 1:-1]
    right = smooth[1:-1, 2:] - smooth[1:-1, :-2]
    return _slopes(down, right, (_CELL_ROWS, _CELL_COLUMNS))


def _slopes(
    down: np.ndarray, right: np.ndarray, cell: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns slopes, and the evidence for each, from the gradients of the ink in each cell."""
    used = np.abs(right) < _STEEPEST * np.abs(down)
    down = np.where(used, down, 0)
    evidence = _cell_sums(down * down, cell)
    return _cell_sums(-right * down, cell) / np.maximum(evidence, 1e-9), evidence


def _cell_sums(values: np.ndarray, cell: tuple[int, int]) -> np.ndarray:
    rows, columns = (side // size for side, size in zip(values.shape, cell, strict=True))
    inside = values[: rows * cell[0], : columns * cell[1]]
    return inside.reshape(rows, cell[0], columns, cell[1]).sum(axis=(1, 3))


def _fit(slopes: np.ndarray, evidence: np.ndarray, shape: tuple[int, ...]) -> _Field | None:
    """Fits the field of slopes of a page of `shape`; None where there are no lines."""
    rows, columns = slopes.shape
    strong = evidence[evidence > 0.05 * evidence.max(initial=0)]
    if not len(strong) or rows < 3 or columns < 3:
        return None
    evidence = np.minimum(evidence, np.median(strong)).ravel()
    evidence /= evidence.sum()
    across, down = shape[1], ((np.arange(rows) + 0.5) / rows - 0.5) * shape[0]
    splines = _splines((np.arange(columns) + 0.5) / columns)
    even = np.broadcast_to(splines, (rows, *splines.shape))
    design = np.concatenate([even, even * (down / across)[:, None, None]], axis=2)
    found, weights = _robust_fit(design.reshape(rows * columns, -1), slopes.ravel(), evidence)
    points = _splines(np.linspace(0, 1, 4 * columns + 1))
    weights = weights.reshape(rows, columns)
    seen = np.interp(np.linspace(0, columns, len(points)), np.arange(columns) + 0.5, weights.sum(0))
    used = down[
        np.cumsum(weights.sum(1)).searchsorted([0.02 * weights.sum(), 0.98 * weights.sum()])
    ]
    return _Field(
        points @ found[:_KNOTS],
        points @ found[_KNOTS:] / across,
        across,
        seen / seen.sum(),
        (float(used[0]), float(used[1])),
    )


def _splines(at: np.ndarray) -> np.ndarray:
    """Returns the values [points, knots] of the splines that make up a field, between 0 and 1."""
    knots = np.concatenate([[0] * 3, np.linspace(0, 1, _KNOTS - 2), [1] * 3])
    return BSpline.design_matrix(np.clip(at, 0, 1), knots, 3).toarray()


def _robust_fit(
    design: np.ndarray, slopes: np.ndarray, evidence: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fits slopes by splines, whose bending costs; returns coefficients and final weights."""
    bending = np.diff(np.eye(_KNOTS), 2, axis=0)
    penalty = np.kron(np.eye(2), _STIFFNESS * bending.T @ bending)
    penalty += np.diag([1e-9] * _KNOTS + [_STIFFNESS] * _KNOTS)
    weights = evidence / (1 + ((slopes - _median(slopes, evidence)) / _TOLERANCES[0]) ** 2)
    for tolerance in _TOLERANCES:
        weighted = design * weights[:, None]
        found = np.linalg.solve(weighted.T @ design + penalty, weighted.T @ slopes)
        weights = evidence / (1 + ((slopes - design @ found) / tolerance) ** 2)
    return found, weights


def _median(values: np.ndarray, weights: np.ndarray) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(sums, sums[-1] / 2)])


def _lean(dark: np.ndarray, along: float) -> tuple[float, float]:
    """Measures how many columns vertical strokes move to the right on each row.

    Returns:
        The number at the left edge, and how much more it is for each column farther right.
    """
    slopes, evidence = (part.T for part in _stroke_slopes(dark.T, (_ACROSS, along)))
    strong = evidence[evidence > 0.05 * evidence.max(initial=0)]
    if not len(strong):
        return 0.0, 0.0
    evidence = np.minimum(evidence, np.median(strong))
    columns = (np.arange(slopes.shape[1]) + 0.5) * dark.shape[1] / slopes.shape[1]
    design = np.stack([np.ones_like(columns), columns], axis=1)
    design = np.broadcast_to(design, (*slopes.shape, 2)).reshape(-1, 2)
    slopes, evidence = slopes.ravel(), evidence.ravel()
    weights = evidence / (1 + ((slopes - _median(slopes, evidence)) / _TOLERANCES[0]) ** 2)
    for tolerance in _TOLERANCES:
        weighted = design * weights[:, None]
        found = np.linalg.lstsq(weighted.T @ design, weighted.T @ slopes, rcond=None)[0]
        weights = evidence / (1 + ((slopes - design @ found) / tolerance) ** 2)
    return float(found[0]), float(found[1])
