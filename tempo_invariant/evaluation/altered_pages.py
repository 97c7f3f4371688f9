"""Engraved pages whose systems are known, as scans and photographs show them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tempo_invariant.geometry import PAPER
from tempo_invariant.scores import degradation, warping

_POINTS = 21
"""Points of the top line of a system, and of the bottom line, whose places are compared."""


@dataclass(frozen=True)
class Alterations:
    """What is done to pages: bent and photographed, degraded, two on a sheet, and turned."""

    warped: bool = False
    degraded: bool = False
    two_up: bool = False
    turned: bool = False


@dataclass(frozen=True)
class AlteredPage:
    """A page with its systems.

    Attributes:
        image: Grey page uint8 [rows, columns].
        lines: Top and bottom line of every system as points (row, column) of the image, before it
            was turned, float [systems, 2, points, 2].
        quarter_turns: Quarter turns, counter-clockwise, that the page was given at the end.
        how: Description of what was done; empty for nothing.
    """

    image: np.ndarray
    lines: np.ndarray
    quarter_turns: int = 0
    how: str = ""


def outlined(corners: np.ndarray) -> np.ndarray:
    """Returns the lines [systems, 2, points, 2] of systems with corners [systems, 4, 2]."""
    corners = np.asarray(corners, float).reshape(-1, 4, 2)
    share = np.linspace(0, 1, _POINTS)[:, None]
    top = corners[:, None, 0] * (1 - share) + corners[:, None, 1] * share
    bottom = corners[:, None, 3] * (1 - share) + corners[:, None, 2] * share
    return np.stack([top, bottom], axis=1)


def alter(
    pages: Sequence[tuple[np.ndarray, np.ndarray]],
    alterations: Alterations,
    generator: np.random.Generator,
) -> AlteredPage:
    """Alters a page, or two that come to lie side by side.

    Args:
        pages: One page or two: the image, and the corners [systems, 4, 2] of its systems.
        alterations: What is done.
        generator: Source of how it is done.
    """
    images: list[np.ndarray] = []
    lines: list[np.ndarray] = []
    hows: list[str] = []
    for image, corners in pages:
        on_page = outlined(corners)
        if alterations.warped:
            warp = warping.draw(generator)
            shape = image.shape
            image, offset = warping.photograph(image, warp)
            on_page = warp.place(on_page, shape) + offset
            hows.append(str(warp))
        if alterations.degraded:
            how = degradation.draw(generator)
            image = degradation.degrade(image, how, generator)
            on_page = degradation.rotated(on_page, how.degrees, image.shape)
            hows.append(str(how))
        lines.append(on_page + np.array([0, sum(other.shape[1] for other in images)]))
        images.append(image)
    height = max(image.shape[0] for image in images)
    below = [[(0, height - image.shape[0]), (0, 0)] for image in images]
    sheet = np.concatenate(
        [np.pad(i, b, constant_values=PAPER) for i, b in zip(images, below, strict=True)], axis=1
    )
    turns = int(generator.integers(1, 4)) if alterations.turned else 0
    if turns:
        hows.append(f"turned by {90 * turns} degrees")
    sheet = np.ascontiguousarray(np.rot90(sheet, turns))
    return AlteredPage(sheet, np.concatenate(lines), turns, ", ".join(hows))
