"""Measuring how well systems are found, against the engraver's own positions."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.scores import degradation, msmd
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.systems import NormalPage, find_systems, normalise

LEAST_OVERLAP = 0.8
"""Intersection over union of the boxes of a system that is right ..."""

MOST_ROWS = 5.5
"""... and how far its top and bottom may be off: a staff space of the smallest training pages."""


@dataclass
class Report:
    """What was found on how many pages.

    Attributes:
        pages: pages looked at.
        systems: systems on them, as engraved.
        right: systems found where they are, one to one.
        false: found boxes that are no system, or not where it is.
        seconds: processor time a page, median.
        failures: a line for each page where something is missing or false.
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
) -> Report:
    """Finds the systems of randomly chosen pages as they are read for an index, and compares.

    Args:
        msmd_dir: directory in the published layout; its `coords` are the truth.
        pages: how many pages, drawn without replacement; all if there are fewer.
        degraded: rotate, shade, blur, ... each page first, see `degradation.draw`.
        seed: chooses pages and degradations.
        ink: rendering of the pages.
        pictures: directory for pictures of the pages with errors: truth red, found blue.

    Raises:
        UserError: the directory, or a page in it, cannot be read.
    """
    every = [
        path
        for piece in msmd.list_pieces(msmd_dir)
        for path in sorted((Path(msmd_dir) / piece).glob("scores/*/coords/systems_*.npy"))
    ]
    report, seconds = Report(), []
    chosen = np.random.default_rng(seed).permutation(len(every))[:pages]
    for number in tqdm(chosen, unit="page"):
        path = every[number]
        name = f"{path.parent.parent.name}-{path.stem.removeprefix('systems_')}"
        image, corners = _read(path, ink)
        how = degradation.Degradation()
        if degraded:
            generator = np.random.default_rng([seed, number])
            how = degradation.draw(generator)
            image = degradation.degrade(image, how, generator)
            corners = degradation.rotated(corners, how.degrees, image.shape)
        start = time.process_time()
        normal = normalise(image)
        found = find_systems(normal.image)
        seconds.append(time.process_time() - start)
        truth = place(corners, normal)
        pairs = match(truth, found, normal.scale)
        report.pages += 1
        report.systems += len(truth)
        report.right += len(pairs)
        report.false += len(found) - len(pairs)
        if len(pairs) < max(len(truth), len(found)):
            missing = f"{len(truth) - len(pairs)} missed, {len(found) - len(pairs)} false"
            report.failures.append(f"{name}: {missing}" + (f" ({how})" if degraded else ""))
            if pictures is not None:
                _draw(Path(pictures) / f"{name}.png", normal.image, truth, found)
    report.seconds = float(np.median(seconds)) if seconds else 0.0
    return report


def _read(path: Path, ink: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a page's image, and the corners [systems, 4, 2] of its systems."""
    folder = "img" if ink == msmd.FIRST_INK else f"img_{ink}"
    number = path.stem.removeprefix("systems_")
    image = msmd.read_image(path.parent.parent / folder / f"{number}.png")
    try:
        corners = np.load(path, allow_pickle=False).astype(np.float64).reshape(-1, 4, 2)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{path}: not an array of corners ({error})") from error
    # Some systems are engraved past the paper's edge.
    corners[..., 1] = np.clip(corners[..., 1], 0, image.shape[1])
    return image, corners


def place(corners: np.ndarray, normal: NormalPage) -> list[Box]:
    """Returns boxes with the given corners [boxes, 4, 2] of the page, on its normal form.

    A box that is not quite straight there has the mean height of its ends.
    """
    boxes = []
    for (a, b, c, d), columns in (
        (points[:, 0], points[:, 1]) for points in (normal.place(box) for box in corners)
    ):
        left, right = columns[[0, 3]].mean(), columns[[1, 2]].mean()
        boxes.append(Box((a + b) / 2, float(left), (c + d) / 2, float(right)))
    return boxes


def match(truth: Sequence[Box], found: Sequence[Box], scale: float = 1.0) -> list[tuple[int, int]]:
    """Pairs systems with the boxes found for them, one to one.

    Args:
        truth: systems.
        found: boxes that should be those systems.
        scale: pixels of the boxes for one of a page 835 pixels wide, for `MOST_ROWS`.

    Returns:
        Index in `truth` and index in `found` of every right one.
    """
    pairs = list(_candidates(truth, found, scale))
    matched: list[tuple[int, int]] = []
    for _, i, j in sorted(pairs, reverse=True):
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
            areas = [(box.bottom - box.top) * (box.right - box.left) for box in (a, b)]
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
