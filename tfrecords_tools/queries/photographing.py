"""Photographs of printed pages, a folder of them for each piece, as a score is photographed."""

from collections.abc import Sequence
from pathlib import Path

from tempo_invariant import progress
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.altered_pages import Alterations
from tempo_invariant.evaluation.printed_pages import list_pages
from tempo_invariant.files import atomic_directory
from tempo_invariant.scores.images import png_bytes
from tempo_invariant.scores.msmd import FIRST_INK, choose_pieces


def photograph(
    msmd_dir: str | Path,
    output: str | Path,
    pieces: Sequence[str] = (),
    alterations: Alterations | None = None,
    seed: int = 0,
) -> int:
    """Writes the pages of pieces as `PIECE/01.png` and so on, in one step.

    PNG files keep every pixel: how well a JPEG file does is part of the alterations.

    Args:
        msmd_dir: Directory in the published layout.
        output: Directory that is made.
        pieces: Names of the only pieces; all, if there are none.
        alterations: What is done to each page; None: it is bent, photographed and degraded.
        seed: Seed for how it is done, see `PrintedPage.altered`.

    Returns:
        Number of pages.

    Raises:
        UserError: A piece is not there, one of its pages is missing or cannot be read, or `output`
            is there already.
    """
    alterations = alterations or Alterations(warped=True, degraded=True)
    chosen = choose_pieces(msmd_dir, pieces)
    pages = [page for page in list_pages(msmd_dir) if page.piece in chosen]
    if missing := sorted(set(chosen) - {page.piece for page in pages}):
        raise UserError(f"{msmd_dir}: no page of {missing[0]!r} has coords/systems_01.npy")
    with atomic_directory(output) as directory:
        for page in progress.track(pages, "pages"):
            image = page.altered(alterations, seed, FIRST_INK).image
            folder = directory / page.piece
            folder.mkdir(exist_ok=True)
            (folder / f"{page.number}.png").write_bytes(png_bytes(image))
    return len(pages)
