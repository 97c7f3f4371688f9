"""Sheet snippets of scores without annotation: pages in, systems found, snippets out.

for number, page in enumerate(read_pages("scan.pdf"), 1):
    images, places = snippets(page, systems.find_systems(page), number=number)
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.geometry import PAPER, SNIPPET_HEIGHT, SNIPPET_WIDTH
from tempo_invariant.scores import pages
from tempo_invariant.scores.places import Box, Place
from tempo_invariant.scores.systems import normalise


def read_pages(path: str | Path) -> list[np.ndarray]:
    """Reads the pages of a PDF or image file as the model expects them.

    Pages are made straight and even, and scaled so that their staves are as large as those that
    the model was trained with; a page without staves is made 835 pixels wide.

    Args:
        path: Path of a PDF file, or of an image in a format of `pages.FORMATS`.

    Returns:
        Grey pages uint8 [rows, columns]. Boxes and places are in pixels of these.

    Raises:
        UserError: The file is missing, broken, encrypted, too large, or holds no page.
    """
    return [normalise(page).image for page in pages.read(path)]


def snippets(
    page: np.ndarray, boxes: Sequence[Box], step: int = 25, number: int = 1
) -> tuple[np.ndarray, list[Place]]:
    """Cuts overlapping snippets out of the systems of a page, in reading order.

    As in training, the systems are joined left to right first: near the ends of a system a
    snippet shows a part of its neighbour, too. What lies past the page is paper.

    Args:
        page: Grey page uint8 [rows, columns], as from `read_pages`.
        boxes: Boxes of its systems, as from `systems.find_systems`.
        step: Columns between the centres of neighbouring snippets; 25 is an eighth of a snippet.
        number: Number of the page, for the places.

    Returns:
        uint8 [snippets, 160, 200], and the place of the centre of each.
    """
    if step < 1:
        raise ValueError(f"step = {step}, not positive")
    margin = np.full((SNIPPET_HEIGHT, SNIPPET_WIDTH // 2), PAPER, np.uint8)
    padded = np.pad(page, SNIPPET_HEIGHT, constant_values=PAPER)
    cuts = [margin]
    starts: list[int] = []  # columns of the joined strip
    places: list[Place] = []
    offset = 0
    for system, box in enumerate(boxes, 1):
        left, right = max(0, round(box.left)), min(page.shape[1], round(box.right))
        top = min(max(int(box.centre_row), 0), page.shape[0] - 1) - SNIPPET_HEIGHT // 2
        rows = slice(top + SNIPPET_HEIGHT, top + 2 * SNIPPET_HEIGHT)
        cuts.append(padded[rows, left + SNIPPET_HEIGHT : right + SNIPPET_HEIGHT])
        for centre in range(min(left + step // 2, right - 1), right, step):
            starts.append(offset + centre - left)
            places.append(Place(number, system, float(centre), box))
        offset += right - left
    if not places:
        return np.empty((0, SNIPPET_HEIGHT, SNIPPET_WIDTH), np.uint8), []
    strip = np.concatenate([*cuts, margin], axis=1)
    return np.stack([strip[:, start : start + SNIPPET_WIDTH] for start in starts]), places
