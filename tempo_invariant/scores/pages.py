"""Reading PDF files and page images as grey pages, one after the other."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image, ImageOps

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import check_not_empty, why_no_file
from tempo_invariant.scores.images import check_pixels, open_image, to_grey
from tempo_invariant.scores.pdf import draw_pages

MAX_PAGES = 500
"""Files with more pages are refused: every page takes about six megabytes of memory in the end."""

RENDER_WIDTH = 1670
"""Width in pixels at which pages of PDF files are drawn: twice that of a page of the model."""

MIN_SIDE = 50
MAX_SHAPE = 8.0
"""Smallest side of a page in pixels, and largest ratio of its sides."""

MaybePage = np.ndarray | UserError
"""A grey page uint8 [rows, columns], or why there is none."""

_PDF_MAGIC = b"%PDF-"
_NEW_SUBFILE_TYPE, _REDUCED = 254, 1
"""Tag of a TIFF image, and its bit that marks a smaller copy of another page."""


def read(path: str | Path) -> Iterator[MaybePage]:
    """Reads the pages of a PDF file, or of an image file in one of `images.FORMATS`.

    A TIFF file may hold several pages; of an animation, the first picture is the page.

    Args:
        path: Path of the file, whose kind is told by its content, not its name.

    Yields:
        Pages at the resolution of the image, or `RENDER_WIDTH` wide. In place of one that cannot be
        used comes the error that names it.

    Raises:
        UserError: The file is missing, broken or encrypted, or holds no page or too many.
    """
    path = Path(path)
    if not os.path.isfile(path):  # a pipe would let us wait
        raise UserError(f"{path}: cannot be read ({why_no_file(path)})")
    try:
        check_not_empty(path)
        stream = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    with stream:
        if _PDF_MAGIC not in stream.read(1024):
            stream.seek(0)
            yield from _read_image(path, stream)
            return
    max_pixels = round(MAX_SHAPE * RENDER_WIDTH**2)
    for number, page in enumerate(draw_pages(path, RENDER_WIDTH, max_pixels, MAX_PAGES), 1):
        if isinstance(page, UserError):
            yield page
        else:
            yield _attempt(_checked, f"{path}: page {number}", page)


def _checked(name: str, page: np.ndarray) -> np.ndarray:
    _check_shape(name, page.shape[1], page.shape[0])
    return page


def _read_image(path: Path, stream: IO[bytes]) -> Iterator[MaybePage]:
    with open_image(stream, name=str(path)) as image:
        if image.format != "TIFF":
            yield _attempt(_decode, str(path), image)
            return
        count = 0
        for frame in itertools.count():
            try:
                image.seek(frame)
            except EOFError:
                return
            tags = getattr(image, "tag_v2", {})
            if not tags.get(_NEW_SUBFILE_TYPE, 0) & _REDUCED:
                count += 1
                if count > MAX_PAGES:
                    raise UserError(f"{path}: has more than {MAX_PAGES} pages")
                yield _attempt(_decode, f"{path}: page {count}", image)


def _decode(name: str, image: Image.Image) -> np.ndarray:
    """Decodes the picture that an image file stands at."""
    _check_shape(name, *image.size)
    return to_grey(ImageOps.exif_transpose(image))


def _attempt(read_page: Callable[..., np.ndarray], name: str, *where: Any) -> MaybePage:
    """Returns a page, or the error that says why it cannot be used."""
    try:
        return read_page(name, *where)
    except UserError as error:
        return error
    except Exception as error:  # of any kind: damaged bytes lead decoders to a dozen of them
        return UserError(f"{name}: cannot be read ({one_line(error)})")


def _check_shape(name: str, width: int, height: int) -> None:
    check_pixels(width, height, name)
    if min(width, height) < MIN_SIDE:
        raise UserError(f"{name}: {width} x {height} pixels are smaller than {MIN_SIDE}")
    if max(width, height) > MAX_SHAPE * min(width, height):
        shape = f"{width} x {height} pixels"
        raise UserError(f"{name}: {shape} are no page: over {MAX_SHAPE:g} times as long as wide")
