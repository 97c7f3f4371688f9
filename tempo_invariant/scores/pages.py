"""Reading PDF files and page images as grey pages."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pypdfium2
from PIL import Image, ImageOps, ImageSequence

from tempo_invariant.errors import UserError, one_line

MAX_PAGES = 500
"""Files with more pages are refused: every page takes about a megabyte of memory."""

MAX_PIXELS = 120_000_000
"""Larger images are refused: A3 at 600 dots per inch has 70 million pixels."""

RENDER_WIDTH = 1670
"""Width in pixels at which pages of PDF files are drawn: twice that of a page of the model."""

MIN_SIDE = 50
MAX_SHAPE = 8.0
"""Smallest side of a page in pixels, and largest ratio of its sides."""

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
"""Formats of images that are read; Pillow's decoders of others are seldom looked after."""

_PDF_MAGIC = b"%PDF-"


def read(path: str | Path) -> list[np.ndarray]:
    """Reads the pages of a PDF file, or of an image file in one of `FORMATS`.

    Args:
        path: Path of the file, whose kind is told by its content, not its name.

    Returns:
        Grey pages uint8 [rows, columns], at the resolution of the image, or `RENDER_WIDTH` wide.

    Raises:
        UserError: The file is missing, broken, encrypted, too large, or holds no page.
    """
    path = Path(path)
    try:
        with path.open("rb") as stream:
            start = stream.read(1024)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    pages = list(_read_pdf(path) if _PDF_MAGIC in start else _read_image(path))
    if not pages:
        raise UserError(f"{path}: holds no page")
    return pages


def _read_pdf(path: Path) -> Iterator[np.ndarray]:
    try:
        with pypdfium2.PdfDocument(path) as document:
            _check_count(path, len(document))
            for number in range(len(document)):
                page = document[number]
                width, height = page.get_size()
                scale = RENDER_WIDTH / max(width, 1e-6)
                _check_size(path, number + 1, round(width * scale), round(height * scale))
                bitmap = page.render(scale=scale, grayscale=True)
                yield np.array(bitmap.to_pil().convert("L"))
    except pypdfium2.PdfiumError as error:
        reason = "is encrypted" if "password" in str(error).lower() else "is not a readable PDF"
        raise UserError(f"{path}: {reason} ({one_line(error)})") from error


def _read_image(path: Path) -> Iterator[np.ndarray]:
    try:
        with _open(path) as image:
            _check_count(path, getattr(image, "n_frames", 1))
            for number, frame in enumerate(ImageSequence.Iterator(image), start=1):
                _check_size(path, number, *frame.size)
                yield _grey(ImageOps.exif_transpose(frame))
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: more than {MAX_PIXELS} pixels") from error
    except (OSError, SyntaxError, ValueError, EOFError, MemoryError) as error:
        reason = one_line(error)
        raise UserError(f"{path}: not a readable page image ({reason})") from error


def _open(path: Path) -> Image.Image:
    """Opens an image without decoding it; its size is checked against our own limit first."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        return Image.open(path, formats=FORMATS)


def _grey(image: Image.Image) -> np.ndarray:
    """Returns uint8 [rows, columns], with white paper for transparency."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel: from darkest to lightest
        wide = np.asarray(image, np.float64)
        top = 65535.0 if wide.max() > 255 else 255.0
        return np.clip(np.rint(wide * (255.0 / top)), 0, 255).astype(np.uint8)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        image = Image.alpha_composite(paper, colours)
    return np.array(image.convert("L"))


def _check_count(path: Path, count: int) -> None:
    if count > MAX_PAGES:
        raise UserError(f"{path}: has {count} pages, more than {MAX_PAGES}")


def _check_size(path: Path, number: int, width: int, height: int) -> None:
    place = f"{path}: page {number} of {width} x {height} pixels"
    if width * height > MAX_PIXELS:
        raise UserError(f"{place} is larger than {MAX_PIXELS} pixels")
    if min(width, height) < MIN_SIDE:
        raise UserError(f"{place} is smaller than {MIN_SIDE} pixels")
    if max(width, height) > MAX_SHAPE * min(width, height):
        raise UserError(f"{place} is no page: more than {MAX_SHAPE:g} times as long as wide")
