"""Measuring how well systems are found, against the engraver's own positions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tempo_invariant import progress
from tempo_invariant.evaluation.altered_pages import Alterations
from tempo_invariant.evaluation.printed_pages import list_pages
from tempo_invariant.files import atomic_write
from tempo_invariant.scores import msmd
from tempo_invariant.scores.page_reading import read_page
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.systems import NormalPage

LEAST_OVERLAP = 0.8
"""Intersection over union of the boxes of a system that is right ..."""

MOST_ROWS = 5.5
"""... and how far its top and bottom may be off: a staff space of the smallest training pages."""


@dataclass
class DetectionReport:
    """Report of how well systems are detected.

    Attributes:
        pages: Number of pages looked at.
        systems: Number of systems on them, as engraved.
        right: Number of systems found where they are, one to one.
        false: Number of boxes found that are no system, or not where it is.
        seconds: Median of the processor time for a page, in seconds.
        failures: A line for each page where something is missing or false.
    """

    pages: int = 0
    systems: int = 0
    right: int = 0
    false: int = 0
    seconds: float = 0.0
    failures: list[str] = field(default_factory=list)

    @property
    def missed(self) -> int:
        """Systems that were not found, or not where they are."""
        return self.systems - self.right

    def add(
        self,
        name: str,
        truth: Sequence[Box],
        found: Sequence[Box],
        scale: float,
        how: str = "",
        bends: Sequence[float] = (),
    ) -> bool:
        """Adds a page, and tells whether all of it is right; see `match`."""
        matched = match(truth, found, scale, bends)
        right = len(matched)
        missed, false = len(truth) - right, len(found) - right
        self.pages += 1
        self.systems += len(truth)
        self.right += right
        self.false += false
        ordered = sorted(j for _, j in matched) == [j for _, j in matched]
        suffix = f" ({how})" if how else ""
        if missed or false:
            self.failures.append(f"{name}: {missed} missed, {false} false{suffix}")
        elif not ordered:
            self.failures.append(f"{name}: not in reading order{suffix}")
        return ordered and not (missed or false)

    def table(self) -> str:
        """Returns the report as text."""
        share = 100 * self.right / max(1, self.systems)
        head = (
            f"{self.pages} pages, {self.systems} systems: {self.right} right ({share:.2f} %), "
            f"{self.missed} missed, {self.false} false; {len(self.failures)} pages with an error; "
            f"{self.seconds:.2f} s a page"
        )
        return "\n".join([head, *self.failures])


def measure(
    msmd_dir: str | Path,
    pages: int = 200,
    alterations: Alterations | None = None,
    seed: int = 0,
    ink: str = msmd.FIRST_INK,
    pictures: str | Path | None = None,
    pieces: Sequence[str] = (),
) -> DetectionReport:
    """Finds the systems of randomly chosen pages as they are read for an index, and compares.

    Args:
        msmd_dir: Directory in the published layout; its `coords` are the truth.
        pages: Number of pages, drawn without replacement; all if there are fewer.
        alterations: What is done to every page first; nothing, if None.
        seed: Seed for the choice of pages and of what is done to each.
        ink: Rendering of the pages.
        pictures: Directory for pictures of the pages with errors: truth red, found blue.
        pieces: Names of the only pieces whose pages are looked at; all, if there are none.

    Raises:
        UserError: The directory, a piece, or a page in it, cannot be read.
    """
    alterations = alterations or Alterations()
    wanted = set(msmd.choose_pieces(msmd_dir, pieces))
    every = list_pages(msmd_dir)
    drawn = (every[place] for place in np.random.default_rng(seed).permutation(len(every)))
    chosen = [page for page in drawn if page.piece in wanted][:pages]
    report, seconds = DetectionReport(), []
    for printed in progress.track(chosen, "pages"):
        page = printed.altered(alterations, seed, ink)
        start = time.process_time()
        reading = read_page(page.image)
        seconds.append(time.process_time() - start)
        normal = reading.normal
        upright = (page.quarter_turns + reading.quarter_turns) % 4 == 0
        found = normal.systems if upright else ()
        truth, bends, scale = place_lines(page.lines, normal)
        right = report.add(printed.name, truth, found, scale, page.how, bends)
        if not right and pictures is not None:
            _draw(Path(pictures) / f"{printed.name}.png", normal.image, truth, normal.systems)
    report.seconds = float(np.median(seconds)) if seconds else 0.0
    return report


def place_lines(lines: np.ndarray, normal: NormalPage) -> tuple[list[Box], list[float], float]:
    """Places the top and bottom lines of systems on the normal form of a page.

    Args:
        lines: Points (row, column) of the page, [systems, 2, points, 2].
        normal: The page's normal form.

    Returns:
        Boxes of the systems at the mean height of their lines; how many rows a point of a line is
        off that, at most; and the pixels of the normal form for one of the page.
    """
    boxes, bends = [], []
    for placed in map(normal.place, lines):
        rows, columns = placed[..., 0], placed[..., 1]
        top, bottom = rows.mean(axis=1)
        left, right = columns[:, 0].mean(), columns[:, -1].mean()
        boxes.append(Box(float(top), float(left), float(bottom), float(right)))
        bends.append(float(np.abs(rows - rows.mean(axis=1, keepdims=True)).max()))
    return boxes, bends, normal.scale


def match(
    truth: Sequence[Box],
    found: Sequence[Box],
    scale: float = 1.0,
    bends: Sequence[float] = (),
) -> list[tuple[int, int]]:
    """Pairs systems with the boxes found for them, one to one.

    Args:
        truth: Boxes of the systems.
        found: Boxes that should be those systems.
        scale: Pixels of the boxes for one of a page 835 pixels wide, for `MOST_ROWS`.
        bends: Rows that the top or bottom line of each true system leaves its box, at most: they
            count as if the box was off. None does, if empty.

    Returns:
        Index in `truth` and index in `found` of every right one.
    """
    matched: list[tuple[int, int]] = []
    for _, i, j in sorted(_candidates(truth, found, scale, bends), reverse=True):
        if all(i != other and j != taken for other, taken in matched):
            matched.append((i, j))
    return sorted(matched)


def _candidates(
    truth: Sequence[Box], found: Sequence[Box], scale: float, bends: Sequence[float]
) -> Iterator[tuple[float, int, int]]:
    for i, a in enumerate(truth):
        for j, b in enumerate(found):
            rows = min(a.bottom, b.bottom) - max(a.top, b.top)
            columns = min(a.right, b.right) - max(a.left, b.left)
            common = max(0.0, rows) * max(0.0, columns)
            areas = [box.height * box.width for box in (a, b)]
            overlap = common / (sum(areas) - common)
            off = max(abs(a.top - b.top), abs(a.bottom - b.bottom)) + (bends[i] if bends else 0)
            if overlap >= LEAST_OVERLAP and off <= MOST_ROWS * scale:
                yield overlap, i, j


def _draw(path: Path, image: np.ndarray, truth: Sequence[Box], found: Sequence[Box]) -> None:
    picture = Image.fromarray(image).convert("RGB")
    pen = ImageDraw.Draw(picture)
    for boxes, colour, inset in ((truth, "red", 0), (found, "blue", 2)):
        for box in boxes:
            corners = (box.left + inset, box.top + inset, box.right - inset, box.bottom - inset)
            pen.rectangle(corners, outline=colour)
    with atomic_write(path) as temporary:
        picture.save(temporary, format="PNG")
