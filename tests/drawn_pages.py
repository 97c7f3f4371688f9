"""Score pages drawn with Pillow, whose systems are known by construction."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

SHAPE = (1181, 835)
SPACE = 7
LEFT, RIGHT = 60, 775


def draw_page(
    systems: Sequence[Sequence[int]],
    space: int = SPACE,
    shape: tuple[int, int] = SHAPE,
    left: int = LEFT,
    right: int = RIGHT,
    seed: int = 0,
    clefs: bool = False,
    bars: Sequence[Sequence[int]] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws staves with bar lines and notes.

    Args:
        systems: for each system the rows of the top lines of its staves.
        space: staff space in pixels.
        shape: rows and columns of the page.
        left: first column of the staves.
        right: last column of the staves.
        seed: of the notes.
        clefs: whether a blot stands where clefs are.
        bars: for each bar line of a system its first and last staff; None: it runs through all.

    Returns:
        The page, grey uint8, and the corners [systems, 4, 2] (row, column) of the systems, from
        the top left clockwise.
    """
    generator = np.random.default_rng(seed)
    image = Image.new("L", shape[::-1], 255)
    pen = ImageDraw.Draw(image)
    corners = []
    for tops in systems:
        bottom = tops[-1] + 4 * space
        for top in tops:
            for line in range(5):
                pen.line((left, top + line * space, right, top + line * space), fill=0)
            if clefs:
                pen.ellipse((left + space, top, left + 3 * space, top + 4 * space), fill=0)
            for column in range(left + 8 * space, right - 4 * space, 4 * space):
                row = top + generator.integers(-2, 11) * space / 2
                head = (column, row - space / 2, column + 1.3 * space, row + space / 2)
                pen.ellipse(head, fill=0)
                pen.line((column, row, column, row + 3.5 * space), fill=0)
        for bar in np.linspace(left, right, 5):
            whole = bars is None or bar == left
            for first, last in [(0, len(tops) - 1)] if whole or bars is None else bars:
                ends = tops[first], tops[last] + 4 * space
                pen.line((bar, ends[0], bar, ends[1]), fill=0, width=2 if bar > left else 1)
        box = (tops[0], left, bottom + 1, right + 1)
        corners.append([box[:2], (box[0], box[3]), box[2:], (box[2], box[1])])
    return np.array(image), np.array(corners, float)


def piano_page(count: int = 5, **arguments) -> tuple[np.ndarray, np.ndarray]:
    """Draws a page with so many systems of two staves, 200 pixels apart."""
    return draw_page([(100 + 200 * i, 170 + 200 * i) for i in range(count)], **arguments)


def write_msmd(directory: Path, pieces: Mapping[str, Sequence[int]]) -> Path:
    """Writes pages in MSMD's layout, without note heads; returns the directory.

    Args:
        directory: for the pieces.
        pieces: by name, the number of systems of each page.
    """
    for piece, counts in pieces.items():
        folder = directory / piece / "scores" / f"{piece}_ly"
        (folder / "img").mkdir(parents=True)
        (folder / "coords").mkdir()
        for number, count in enumerate(counts, 1):
            page, corners = piano_page(count, seed=count, clefs=True)
            Image.fromarray(page).save(folder / "img" / f"{number:02d}.png")
            np.save(folder / "coords" / f"systems_{number:02d}.npy", corners)
    return directory
