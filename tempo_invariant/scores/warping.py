"""Photographs of an open book, made from flat pages, so that the truth is known.

A page bends towards the fold as a cylinder does whose axis is the fold, and a pinhole camera looks
at it, perhaps aslant. The fold lies in shadow.
"""

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from tempo_invariant.geometry import PAPER

_GRID = 8
"""Distance in pixels of the points whose place is computed; between them it is interpolated."""

_INVERSION_STEPS = 30


@dataclass(frozen=True)
class Warp:
    """How a page lies before the camera; the defaults change nothing.

    Lengths are relative to the page's width.

    Attributes:
        fold_degrees: Slope of the page at the fold, in degrees.
        bend: Distance from the fold at which the slope has fallen to a third.
        fold_at_left: Whether the fold is at the left edge, else at the right one.
        roll: Rotation in degrees, clockwise on the screen.
        pitch: Angle in degrees by which the camera looks from below or, negative, from above.
        yaw: Angle in degrees by which it looks from the right or, negative, from the left.
        distance: Distance of the camera.
        shadow: Share of the light that is missing in the fold.
        table: Level of grey around the page.
    """

    fold_degrees: float = 0.0
    bend: float = 0.2
    fold_at_left: bool = True
    roll: float = 0.0
    pitch: float = 0.0
    yaw: float = 0.0
    distance: float = 2.5
    shadow: float = 0.0
    table: int = PAPER

    def place(self, points: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of a page lie in its photograph."""
        height, width = shape
        rows, columns = np.moveaxis(np.asarray(points, float), -1, 0)
        from_fold = columns / width if self.fold_at_left else 1 - columns / width
        away, depth = self._profile(from_fold)
        x = (away if self.fold_at_left else 1 - away) - 0.5
        body = np.stack([x, rows / width - height / width / 2, depth])
        pitch, yaw, roll = np.radians([self.pitch, self.yaw, self.roll])
        body = _turn(_turn(_turn(body, 1, 2, pitch), 0, 2, yaw), 0, 1, roll)
        seen = body[:2] / (1 + body[2] / self.distance) * width
        return np.stack([seen[1] + height / 2, seen[0] + width / 2], axis=-1)

    def _profile(self, arc: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns how far from the fold, and how deep, a point lies that is `arc` from it."""
        along = np.linspace(-0.5, 1.5, 2001)
        slope = np.radians(self.fold_degrees) * np.exp(-np.maximum(along, 0) / self.bend)
        step = along[1] - along[0]
        away = np.cumsum(np.cos(slope)) * step
        depth = -np.cumsum(np.sin(slope)) * step
        origin = np.interp(0, along, away)
        far = np.interp(1, along, depth)
        return np.interp(arc, along, away) - origin, np.interp(arc, along, depth) - far


def draw(generator: np.random.Generator) -> Warp:
    """Draws a warp, between a page that lies nearly flat and one that is hard to read."""
    return Warp(
        fold_degrees=float(generator.uniform(5, 50)),
        bend=float(generator.uniform(0.1, 0.35)),
        fold_at_left=bool(generator.integers(2)),
        roll=float(generator.uniform(-10, 10)),
        pitch=float(generator.uniform(-12, 12)),
        yaw=float(generator.uniform(-8, 8)),
        distance=float(generator.uniform(1.8, 3.5)),
        shadow=float(generator.uniform(0.1, 0.7)),
        table=int(generator.choice([40, 120, PAPER])),
    )


def photograph(page: np.ndarray, warp: Warp) -> tuple[np.ndarray, np.ndarray]:
    """Photographs a page, as large as it lies there, with a little of the table around it.

    Args:
        page: Grey page uint8 [rows, columns].
        warp: How it lies.

    Returns:
        The photograph uint8 [rows, columns], and the offset [2] that takes `Warp.place` to its
        pixels.
    """
    height, width = page.shape
    edge = np.linspace(0, 1, 50)
    border = np.concatenate(
        [np.stack(side, axis=-1) for side in ((edge, 0 * edge), (edge, 1 + 0 * edge))]
        + [np.stack(side, axis=-1) for side in ((0 * edge, edge), (1 + 0 * edge, edge))]
    )
    outline = warp.place(border * page.shape, page.shape)
    offset = 0.02 * width - outline.min(axis=0)
    size = np.ceil(outline.max(axis=0) + offset + 0.02 * width).astype(int)
    axes = [np.arange(0, side + _GRID, _GRID) for side in size]
    wanted = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1) - offset
    points = wanted.astype(float)
    for _ in range(_INVERSION_STEPS):
        points = points + wanted - warp.place(points, page.shape)
    rows, columns = np.mgrid[: size[0], : size[1]] / _GRID
    source = np.stack(
        [ndimage.map_coordinates(points[..., axis], [rows, columns], order=1) for axis in (0, 1)]
    )
    light = page.astype(np.float32)
    from_fold = np.arange(width) / width if warp.fold_at_left else 1 - np.arange(width) / width
    light *= (1 - warp.shadow * np.exp(-from_fold / 0.12)).astype(np.float32)
    photo = ndimage.map_coordinates(light, source, order=3, mode="constant", cval=warp.table)
    return np.clip(np.rint(photo), 0, 255).astype(np.uint8), offset


def _turn(body: np.ndarray, one: int, other: int, angle: float) -> np.ndarray:
    """Turns points [3, ...] in the plane of two axes, the first towards the second."""
    turned = body.copy()
    turned[one] = body[one] * np.cos(angle) - body[other] * np.sin(angle)
    turned[other] = body[one] * np.sin(angle) + body[other] * np.cos(angle)
    return turned
