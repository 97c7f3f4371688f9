"""Opening images: which formats, how large, and as grey pages on white paper."""

import contextlib
import io
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, UnidentifiedImageError

from tempo_invariant.errors import UserError, one_line

FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF", "PPM")
"""Formats of images that are read; Pillow's decoders of others are seldom looked after, and one
runs a program."""

MAX_PIXELS = 120_000_000
"""Larger images are refused: A3 at 600 dots per inch has 70 million pixels."""

_WHITE_16_BITS = 65535.0
_BLOCK_ROWS = 256


@contextlib.contextmanager
def open_image(
    source: Path | IO[bytes], formats: Sequence[str] = FORMATS, name: str | None = None
) -> Iterator[Image.Image]:
    """Opens an image, which is decoded when its pixels are asked for inside the block.

    Args:
        source: Path of the file, or the file.
        formats: Formats that it may have, by Pillow's names.
        name: What messages call the image; the path, if None.

    Raises:
        UserError: The image is missing, damaged or too large, or of another format; what damage
            makes of the decoding inside the block becomes a `UserError`, too.
    """
    name = name or str(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow prints what it thinks of damaged metadata
            with Image.open(source, formats=list(formats)) as image:
                if image.width * image.height > MAX_PIXELS:  # a JPEG can be decoded smaller
                    image.draft("L", (image.width // 2, image.height // 2))
                check_pixels(image.width, image.height, name)
                yield image
    except UserError:
        raise
    except Image.DecompressionBombError as error:
        raise UserError(f"{name}: more than {MAX_PIXELS:,} pixels") from error
    except FileNotFoundError as error:
        raise UserError(f"{name}: no such image") from error
    except UnidentifiedImageError as error:
        what = f"of none of the formats {', '.join(formats)}, or damaged"
        raise UserError(f"{name}: not a readable image ({what})") from error
    except Exception as error:  # of any kind: damaged bytes lead Pillow to a dozen of them
        raise UserError(f"{name}: not a readable image ({one_line(error)})") from error


def check_pixels(width: int, height: int, name: str) -> None:
    """Raises `UserError` if an image of this size has too many pixels or none."""
    if width < 1 or height < 1:
        raise UserError(f"{name}: has no pixels ({width} x {height})")
    if width * height > MAX_PIXELS:
        raise UserError(f"{name}: {width} x {height} pixels are more than {MAX_PIXELS:,}")


_PNG_LEVEL = 4
"""Takes two thirds of the time of the usual 6; the file is a twentieth larger."""


def png_bytes(image: np.ndarray) -> bytes:
    """Returns a grey page uint8 [rows, columns] as a PNG file."""
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG", compress_level=_PNG_LEVEL)
    return stream.getvalue()


def to_grey(image: Image.Image) -> np.ndarray:
    """Returns uint8 [rows, columns], with white paper for transparency."""
    if image.mode.startswith(("I", "F")):  # 16 or 32 bits a pixel
        return _from_deep(image)
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        colours = image.convert("RGBA")
        paper = Image.new("RGBA", colours.size, "white")
        image = Image.alpha_composite(paper, colours)
    return np.array(image.convert("L"))


def _from_deep(image: Image.Image) -> np.ndarray:
    """Returns uint8 [rows, columns] of an image whose pixels have 16 or 32 bits.

    White is the largest of 16 bits, of 8 bits (integers of 32 bits that hold no more), or 1 (floats
    that hold no more). What is no number is paper.
    """
    values = np.asarray(image)
    largest = float(np.max(values, initial=0, where=np.isfinite(values)))
    white = _WHITE_16_BITS
    if not image.mode.startswith("I;16") and largest <= 255:
        white = 1.0 if image.mode == "F" and largest <= 1 else 255.0
    grey = np.empty(values.shape, np.uint8)
    for first in range(0, len(values), _BLOCK_ROWS):  # floats of everything take too much memory
        rows = slice(first, first + _BLOCK_ROWS)
        part = np.nan_to_num(values[rows].astype(np.float64), nan=white)
        grey[rows] = np.rint(np.clip(part * (255.0 / white), 0, 255))
    return grey
