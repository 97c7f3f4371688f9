"""Slopes of the strokes on a page: of its staff lines, and of its stems and bar lines.

They are measured all over the page from the gradients of the ink. For the lines a smooth field is
fitted: free along the page, and linear down each column, as it is for a page that is bent like a
cylinder.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage
from scipy.interpolate import BSpline

PAGE_COLUMNS = 835
"""Slopes are measured at about this width in pixels."""

STRAIGHTENED_DEGREES = 3.7
"""Up to here a page that only slopes is left to those who turn it."""

FLAT_PIXELS = 2.5
"""Staff lines that bend less, in pixels of a page 835 pixels wide, are left as they are."""

_CELL_ROWS, _CELL_COLUMNS = 40, 20
"""Size in these pixels of the cells in which slopes are averaged."""

_ACROSS = 0.8
"""Standard deviation of the smoothing across strokes, in these pixels."""

_THICK = 4
"""Strokes that are thicker, in these pixels, are no lines: beams, note heads."""

_STEEPEST = 0.5
"""Larger slopes are not of lines."""

_KNOTS = 9
_STIFFNESS = 1e-3
"""Number of free slopes along a page, and the resistance of the field to bending."""

_TOLERANCES = (0.2, 0.12, 0.08, 0.05, 0.03, 0.03, 0.03, 0.03)
"""Slopes farther off count little, in one fit after the other: they are of slurs, beams, text."""


@dataclass(frozen=True)
class LineSlopes:
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
        """How far the lines leave straight ones, in pixels of a page `PAGE_COLUMNS` wide."""
        bends = []
        inside = self.seen > 0.2 * self.seen.max()
        for row in self.rows:
            slopes = self.even + self.uneven * row
            curve = np.cumsum(slopes - self.seen @ self.even)[inside]
            bends.append(np.ptp(curve) * PAGE_COLUMNS / len(self.even))
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


def looks_flat(profile: np.ndarray, width: int) -> bool:
    """Tells roughly, in little time, whether the lines of a page are straight and nearly level.

    Args:
        profile: Mean ink of groups of columns, [rows, groups].
        width: Number of columns in a group.
    """
    scale = profile.shape[1] * width / PAGE_COLUMNS
    cell = max(1, round(_CELL_ROWS * scale)), max(1, round(_CELL_COLUMNS * scale / width))
    thin = _thin(profile, scale)
    smooth = ndimage.gaussian_filter(thin, (_ACROSS * scale, 1.0), truncate=2.5)
    down = smooth[2:] - smooth[:-2]
    down = (down[:, 1:] + down[:, :-1]) / 2
    right = (smooth[1:-1, 1:] - smooth[1:-1, :-1]) * (2 / width)
    field = _fit(*_slopes(down, right, cell), (profile.shape[0], profile.shape[1] * width))
    return field is None or field.is_flat


def _thin(dark: np.ndarray, scale: float = 1.0) -> np.ndarray:
    """Returns the ink of strokes that are thin in the direction of the columns."""
    return dark - ndimage.grey_opening(dark, (max(2, round(_THICK * scale)), 1))


def line_slopes(dark: np.ndarray, along: float) -> LineSlopes | None:
    """Measures the slopes of the staff lines; None where there are no lines.

    Args:
        dark: Ink of a page about `PAGE_COLUMNS` wide, [rows, columns].
        along: Standard deviation of the smoothing along the strokes: the more, the fewer note
            heads and beams count; but lines that are steep do not either.
    """
    return _fit(*_stroke_slopes(dark, along), dark.shape)


def _stroke_slopes(dark: np.ndarray, along: float) -> tuple[np.ndarray, np.ndarray]:
    """Measures the slopes of strokes that run along the rows, about.

    Args:
        dark: Ink [rows, columns].
        along: Standard deviation of the smoothing along the strokes.

    Returns:
        Slopes in rows per column, and the evidence for each, float [cell rows, cell columns].
    """
    smooth = ndimage.gaussian_filter(_thin(dark), (_ACROSS, along), truncate=2.5)
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


def _fit(slopes: np.ndarray, evidence: np.ndarray, shape: tuple[int, ...]) -> LineSlopes | None:
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
    return LineSlopes(
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


def measure_lean(dark: np.ndarray, along: float) -> tuple[float, float]:
    """Measures how many columns vertical strokes move to the right on each row.

    Returns:
        The number at the left edge, and how much more it is for each column farther right.
    """
    slopes, evidence = (part.T for part in _stroke_slopes(dark.T, along))
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
