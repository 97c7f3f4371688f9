"""Measuring how well systems are found, against the engraver's own positions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from tempo_invariant import progress
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.scores import degradation, msmd
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.systems import NormalPage, normalise

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
        how: degradation.Degradation | None,
    ) -> bool:
        """Adds a page, and tells whether all of it is right."""
        right = len(match(truth, found, scale))
        missed, false = len(truth) - right, len(found) - right
        self.pages += 1
        self.systems += len(truth)
        self.right += right
        self.false += false
        if missed or false:
            suffix = f" ({how})" if how else ""
            self.failures.append(f"{name}: {missed} missed, {false} false{suffix}")
        return not (missed or false)

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
    degraded: bool = False,
    seed: int = 0,
    ink: str = msmd.FIRST_INK,
    pictures: str | Path | None = None,
) -> DetectionReport:
    """Finds the systems of randomly chosen pages as they are read for an index, and compares.

    Args:
        msmd_dir: Directory in the published layout; its `coords` are the truth.
        pages: Number of pages, drawn without replacement; all if there are fewer.
        degraded: Whether to rotate, shade, blur, ... each page first, see `degradation.draw`.
        seed: Seed for the choice of pages and of their degradations.
        ink: Rendering of the pages.
        pictures: Directory for pictures of the pages with errors: truth red, found blue.

    Raises:
        UserError: The directory, or a page in it, cannot be read.
    """
    every: list[Path] = []
    for piece in msmd.list_pieces(msmd_dir):
        every += sorted((Path(msmd_dir) / piece).glob("scores/*/coords/systems_*.npy"))
    report, seconds = DetectionReport(), []
    chosen = np.random.default_rng(seed).permutation(len(every))[:pages]
    for number in progress.track(chosen, "pages"):
        path = every[number]
        name = f"{path.parent.parent.name}-{path.stem.removeprefix('systems_')}"
        image, corners, how = _read(path, ink, [seed, number] if degraded else None)
        start = time.process_time()
        normal = normalise(image)
        seconds.append(time.process_time() - start)
        truth = place(corners, normal)
        if not report.add(name, truth, normal.systems, normal.scale, how) and pictures is not None:
            _draw(Path(pictures) / f"{name}.png", normal.image, truth, normal.systems)
    report.seconds = float(np.median(seconds)) if seconds else 0.0
    return report


def _read(
    path: Path, ink: str, seed: Sequence[int] | None
) -> tuple[np.ndarray, np.ndarray, degradation.Degradation | None]:
    """Reads a page and the corners [systems, 4, 2] of its systems; degrades it if there is a seed.

    Returns:
        The image, the corners where they lie in it, and how it was degraded.
    """
    folder = "img" if ink == msmd.FIRST_INK else f"img_{ink}"
    number = path.stem.removeprefix("systems_")
    image = msmd.read_image(path.parent.parent / folder / f"{number}.png")
    corners = msmd.read_numbers(path).astype(np.float64)
    if corners.shape[1:] != (4, 2) and corners.size:
        raise UserError(f"{path}: corners of shape {corners.shape}, not systems x 4 x 2")
    corners = corners.reshape(-1, 4, 2)
    # Some systems are engraved past the paper's edge.
    corners[..., 1] = np.clip(corners[..., 1], 0, image.shape[1])
    if seed is None:
        return image, corners, None
    generator = np.random.default_rng(seed)
    how = degradation.draw(generator)
    degraded = degradation.degrade(image, how, generator)
    return degraded, degradation.rotated(corners, how.degrees, degraded.shape), how


def place(corners: np.ndarray, normal: NormalPage) -> list[Box]:
    """Returns boxes with the given corners [boxes, 4, 2] of the page, on its normal form.

    A box that is not quite straight there has the mean height of its ends.
    """
    boxes = []
    for points in map(normal.place, corners):
        (a, b, c, d), columns = points[:, 0], points[:, 1]
        left, right = columns[[0, 3]].mean(), columns[[1, 2]].mean()
        boxes.append(Box((a + b) / 2, float(left), (c + d) / 2, float(right)))
    return boxes


def match(truth: Sequence[Box], found: Sequence[Box], scale: float = 1.0) -> list[tuple[int, int]]:
    """Pairs systems with the boxes found for them, one to one.

    Args:
        truth: Boxes of the systems.
        found: Boxes that should be those systems.
        scale: Pixels of the boxes for one of a page 835 pixels wide, for `MOST_ROWS`.

    Returns:
        Index in `truth` and index in `found` of every right one.
    """
    matched: list[tuple[int, int]] = []
    for _, i, j in sorted(_candidates(truth, found, scale), reverse=True):
        if all(i != other and j != taken for other, taken in matched):
            matched.append((i, j))
    return sorted(matched)


def _candidates(
    truth: Sequence[Box], found: Sequence[Box], scale: float
) -> Iterator[tuple[float, int, int]]:
    for i, a in enumerate(truth):
        for j, b in enumerate(found):
            rows = min(a.bottom, b.bottom) - max(a.top, b.top)
            columns = min(a.right, b.right) - max(a.left, b.left)
            common = max(0.0, rows) * max(0.0, columns)
            areas = [box.height * box.width for box in (a, b)]
            overlap = common / (sum(areas) - common)
            off = max(abs(a.top - b.top), abs(a.bottom - b.bottom))
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
