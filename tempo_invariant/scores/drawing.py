"""Draws engraved pages, SVG, as pixels; text is set in fonts that come with Python packages."""

import functools
import importlib.util
import io
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import resvg_py

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import PAPER
from tempo_invariant.scores.images import open_image


@dataclass(frozen=True)
class Fonts:
    """Font files, and the families among them: pages look the same on every machine."""

    files: tuple[str, ...]
    serif: str
    sans: str
    mono: str


@functools.cache
def lilypond_fonts() -> Fonts:
    """Returns the text fonts that come with LilyPond."""
    import lilypond

    share = Path(lilypond.executable()).parent.parent / "share" / "lilypond"
    families = ("C059", "NimbusSans", "NimbusMono")
    found = sorted(share.glob("*/fonts/otf/*.otf"))
    files = tuple(str(path) for path in found if path.name.startswith(families))
    return Fonts(files, "C059", "Nimbus Sans", "Nimbus Mono PS")


@functools.cache
def stix_fonts() -> Fonts:
    """Returns the fonts STIX, in the manner of Times, that come with Matplotlib."""
    spec = importlib.util.find_spec("matplotlib")  # importing it takes a tenth of a second
    assert spec is not None and spec.origin is not None
    folder = Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf"
    files = tuple(map(str, sorted(folder.glob("STIXGeneral*.ttf"))))
    return Fonts(files, *["STIXGeneral"] * 3)


def rasterise(svg: str, width: int, height: int, fonts: Fonts) -> dict[str, np.ndarray]:
    """Draws a page in two inks, each uint8 [rows, columns].

    "bold": the transparency of the drawing is dropped, as in MSMD's own pages: every pixel that
    ink touches has the ink's full colour. "thin": anti-aliased on white paper.

    Args:
        svg: Text of the page.
        width: Width in pixels.
        height: Height in pixels.
        fonts: Fonts of the text on it.
    """
    size = f' width="{width}" height="{height}">'
    sized, count = re.subn(r"<svg\b[^>]*>", functools.partial(_resize, size), svg, count=1)
    if not count:
        raise UserError("a page cannot be drawn: it is no SVG")
    pixels = _render(sized.replace("currentColor", "black"), fonts)
    if pixels.shape[:2] != (height, width):
        raise UserError(f"a page cannot be drawn: it came out as {pixels.shape[:2]} pixels")
    alpha = pixels[..., 3].astype(np.uint16)
    colour = (pixels[..., :3].sum(axis=-1, dtype=np.uint16) + 1) // 3
    bold = np.where(alpha > 0, colour, PAPER).astype(np.uint8)
    thin = PAPER - (alpha * (PAPER - colour) + PAPER // 2) // PAPER
    return {"bold": bold, "thin": thin.astype(np.uint8)}


def _resize(size: str, tag: re.Match) -> str:
    return re.sub(r'\s(?:width|height)="[^"]*"', "", tag[0])[:-1] + size


def _render(svg: str, fonts: Fonts) -> np.ndarray:
    """Returns the pixels uint8 [rows, columns, 4] of a drawing."""
    try:
        png = resvg_py.svg_to_bytes(
            svg_string=svg,
            skip_system_fonts=True,
            font_files=list(fonts.files),
            font_family=fonts.serif,
            serif_family=fonts.serif,
            sans_serif_family=fonts.sans,
            monospace_family=fonts.mono,
        )
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the renderer panics, which is no Exception
        raise UserError(f"a page cannot be drawn: {one_line(error)}") from error
    with open_image(io.BytesIO(bytes(png)), ["PNG"], "a page that was drawn") as image:
        return np.asarray(image if image.mode == "RGBA" else image.convert("RGBA"))
