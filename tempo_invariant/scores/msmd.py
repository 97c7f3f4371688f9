"""The published MSMD directory layout, and its reader.

One directory a piece:

    PIECE/PIECE.ly, meta.yml
    PIECE/scores/PIECE_ly/img/01.png ...            page images, 8-bit grey
    PIECE/scores/PIECE_ly/coords/notes_01.npy ...   [heads, 2] centres (row, column)
    PIECE/scores/PIECE_ly/coords/systems_01.npy ... [systems, 4, 2] corners (row, column)
    PIECE/scores/PIECE_ly/mung/01.xml ...           note heads, systems and the alignment
    PIECE/performances/NAME/NAME.midi
    PIECE/performances/NAME/features/NAME_{midi,notes,onsets,spec}.npy

NAME is `PIECE_tempo-900_SOUNDFONT`: the speed in thousandths of the notated one, so 900 is slower
(the code that made the published archive scaled beats per minute at first and seconds per beat
later, so there only the distance from 1000 is certain). Nothing here depends on it: onsets are
stored.

Additions that readers of the published layout don't notice: further inks in `img_INK/` beside
`img/`, a data item `moment_quarters` on note heads, and `bar_starts` on systems.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.scores.images import open_image
from tempo_invariant.scores.mung import Page, read_page

FIRST_INK = "bold"
"""Name of the ink in `img/`: the published pages are bold."""


@dataclass(frozen=True)
class Score:
    """A score as read from a directory; images are read when asked for."""

    directory: Path
    pages: tuple[Page, ...]
    inks: tuple[str, ...]

    def image(self, ink: str, page_number: int) -> np.ndarray:
        """Returns the image uint8 [rows, columns] of a page."""
        return read_image(self._image_path(ink, page_number))

    def size(self, page_number: int) -> tuple[int, int]:
        """Returns height and width of a page in pixels, from the head of its first image."""
        with open_image(self._image_path(self.inks[0], page_number), ["PNG"]) as image:
            return image.height, image.width

    def _image_path(self, ink: str, page_number: int) -> Path:
        folder = "img" if ink == self.inks[0] else f"img_{ink}"
        return self.directory / folder / f"{page_number:02d}.png"


def list_pieces(msmd_dir: str | Path) -> list[str]:
    """Returns the sorted names of the pieces in an MSMD directory.

    Raises:
        UserError: There is no such directory, or no piece in it.
    """
    msmd_dir = Path(msmd_dir)
    if not msmd_dir.is_dir():
        raise UserError(f"{msmd_dir}: no such directory" + ", but a file" * msmd_dir.exists())
    pieces = sorted(path.parent.name for path in msmd_dir.glob("*/scores"))
    if not pieces:
        raise UserError(
            f"{msmd_dir}: holds no piece, with folders PIECE/scores and PIECE/performances "
            "(tempo-invariant build-msmd makes them of scores)"
        )
    return pieces


def choose_pieces(msmd_dir: str | Path, names: Sequence[str] = ()) -> list[str]:
    """Returns the named pieces of an MSMD directory, each once and in the order given.

    Args:
        msmd_dir: Directory in the published layout.
        names: Names of the pieces; if there are none, all pieces of the directory are chosen.

    Raises:
        UserError: The directory holds no piece, or lacks one of those named.
    """
    present = list_pieces(msmd_dir)
    unknown = sorted(set(names) - set(present))
    if unknown:
        raise UserError(f"{msmd_dir}: holds no piece {unknown[0]!r}")
    return list(dict.fromkeys(names)) or present


def read_score(piece_dir: str | Path, with_heads: bool = True) -> Score:
    """Reads the contents of the pages of a piece.

    Args:
        piece_dir: Directory of the piece.
        with_heads: Whether the note heads are read, see `mung.read_page`.

    Raises:
        UserError: A file is missing or malformed; the message names it.
    """
    piece_dir = Path(piece_dir)
    directories = sorted(path.parent for path in piece_dir.glob("scores/*/mung"))
    if not directories:
        raise UserError(f"{piece_dir}/scores: no score with a mung folder")
    score_dir = directories[0]
    paths = sorted((score_dir / "mung").glob("*.xml"))
    if not paths:
        raise UserError(f"{score_dir}/mung: holds no page")
    pages = tuple(read_page(path, with_heads) for path in paths)
    extra = sorted(path.name[4:] for path in score_dir.glob("img_*") if path.is_dir())
    return Score(score_dir, pages, (FIRST_INK, *extra))


def score_files(piece_dir: str | Path) -> tuple[Path, ...]:
    """Returns the files of the score that `read_score` reads, with its pages in the first ink."""
    folders = sorted(path.parent for path in Path(piece_dir).glob("scores/*/mung"))[:1]
    return tuple(
        path
        for folder in folders
        for path in sorted([*folder.glob("mung/*.xml"), *folder.glob("img/*.png")])
    )


def read_image(path: Path) -> np.ndarray:
    """Reads an image as grey uint8 [rows, columns], without its transparency.

    Raises:
        UserError: The file is missing or no image.
    """
    with open_image(path, ["PNG"]) as image:
        return np.asarray(image.convert("L"))


def read_numbers(path: Path) -> np.ndarray:
    """Reads a NumPy file of numbers that are all finite and no larger than 2 ** 31 - 1.

    Raises:
        UserError: The file is missing, damaged or of another content.
    """
    try:
        with path.open("rb") as stream:
            array = np.lib.format.read_array(stream, allow_pickle=False)
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except Exception as error:  # of any kind: damaged headers are parsed as Python
        raise UserError(f"{path}: not a NumPy array ({one_line(error)})") from error
    if array.dtype.kind not in "biuf":
        raise UserError(f"{path}: an array of {array.dtype}, not of numbers")
    if not (np.abs(array.astype(np.float64, copy=False)) < 2**31).all():
        raise UserError(f"{path}: holds values that are not finite numbers or far too large")
    return array
