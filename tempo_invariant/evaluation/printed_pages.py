"""The pages of an MSMD directory, with the systems on them, printed or altered."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.altered_pages import Alterations, AlteredPage, alter
from tempo_invariant.scores import msmd


@dataclass(frozen=True)
class PrintedPage:
    """A page of a piece.

    Attributes:
        piece: Name of the piece.
        corners: File with the corners of its systems, `coords/systems_01.npy`.
        place: Place among all pages of the directory, from 0, by which it is drawn what is done to
            the page.
    """

    piece: str
    corners: Path
    place: int

    @property
    def number(self) -> str:
        """Number of the page as the names of its files have it, "01"."""
        return self.corners.stem.removeprefix("systems_")

    @property
    def name(self) -> str:
        """Name of the score with the number of the page."""
        return f"{self.corners.parent.parent.name}-{self.number}"

    def altered(self, alterations: Alterations, seed: int, ink: str) -> AlteredPage:
        """Returns the page altered, always in the same way for one seed.

        Args:
            alterations: What is done; two on a sheet are this one and the next of its score.
            seed: Seed for how it is done.
            ink: Rendering of the page.

        Raises:
            UserError: The page cannot be read.
        """
        paths = [self.corners, *([_next(self.corners)] if alterations.two_up else [])]
        generator = np.random.default_rng([seed, self.place])
        return alter([_read(path, ink) for path in paths], alterations, generator)


def list_pages(msmd_dir: str | Path) -> list[PrintedPage]:
    """Lists the pages of all pieces of a directory, in order.

    Raises:
        UserError: There is no such directory, or no piece in it.
    """
    found: list[tuple[str, Path]] = []
    for piece in msmd.list_pieces(msmd_dir):
        scores = sorted((Path(msmd_dir) / piece).glob("scores/*/coords"))[:1]
        found += [(piece, path) for score in scores for path in sorted(score.glob("systems_*.npy"))]
    return [PrintedPage(piece, path, place) for place, (piece, path) in enumerate(found)]


def _next(path: Path) -> Path:
    """Returns the next page of a score, whose staves are as large; after the last, the first."""
    pages = sorted(path.parent.glob("systems_*.npy"))
    return pages[(pages.index(path) + 1) % len(pages)]


def _read(path: Path, ink: str) -> tuple[np.ndarray, np.ndarray]:
    """Reads a page, and the corners [systems, 4, 2] of its systems."""
    folder = "img" if ink == msmd.FIRST_INK else f"img_{ink}"
    number = path.stem.removeprefix("systems_")
    image = msmd.read_image(path.parent.parent / folder / f"{number}.png")
    corners = msmd.read_numbers(path).astype(np.float64)
    if corners.shape[1:] != (4, 2) and corners.size:
        raise UserError(f"{path}: corners of shape {corners.shape}, not systems x 4 x 2")
    corners = corners.reshape(-1, 4, 2)
    # Some systems are engraved past the paper's edge.
    corners[..., 1] = np.clip(corners[..., 1], 0, image.shape[1])
    return image, corners
