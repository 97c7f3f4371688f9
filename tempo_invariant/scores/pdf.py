"""Reading the pages of PDF files, which another process draws; see `pdf_process`."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tempo_invariant import progress
from tempo_invariant.errors import UserError, one_line

SECONDS = 15
"""Processor time that opening a file or drawing a page may take; usual is a fifth of a second."""

_MOST_DEATHS = 2
"""Number of pages that the drawing may not survive, before the rest of a file is given up."""

_DIED = f"PDFium crashes, or takes longer than {SECONDS} s"
_NOTHING = "PDFium: Success"
"""What PDFium says where there is no page."""

_PROGRAM = Path(__file__).with_name("pdf_process.py")


def draw_pages(
    path: Path, width: int, max_pixels: int, max_pages: int
) -> Iterator[np.ndarray | UserError]:
    """Draws the pages of a PDF file.

    Args:
        path: Path of the file.
        width: Width in pixels at which pages are drawn.
        max_pixels: Largest number of pixels of a page.
        max_pages: Largest number of pages.

    Yields:
        Grey pages uint8 [rows, columns]; in place of one that cannot be drawn, why.

    Raises:
        UserError: The file is broken or encrypted, or has no page or too many.
    """
    done, count, deaths = 0, 1, 0
    bar = None
    while done < count:
        with _process(path, done, width, max_pixels, SECONDS) as process:
            count = _count(path, process, max_pages)
            bar = bar or progress.track(text="pages", total=count, shown=False)
            while done < count and process.returncode is None:
                done += 1
                page = _page(process, max_pixels)
                yield UserError(f"{path}: page {done}: {page}") if isinstance(page, str) else page
                bar.update()
        deaths += done < count
        if deaths >= _MOST_DEATHS and done < count:
            raise UserError(f"{path}: page {done + 1} and what follows: given up after the others")


@contextlib.contextmanager
def _process(path: Path, *arguments: int) -> Iterator[subprocess.Popen]:
    command = [sys.executable, "-P", str(_PROGRAM), str(path.absolute()), *map(str, arguments)]
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _count(path: Path, process: subprocess.Popen, max_pages: int) -> int:
    """Reads the number of pages, if it is one that can be used."""
    kind, rest = _line(process)
    if kind == "error" and "password" in rest.lower():
        raise UserError(f"{path}: is encrypted, and needs a password")
    if kind == "error" and _NOTHING in rest:
        raise UserError(f"{path}: holds no page")
    if kind != "count":
        raise UserError(f"{path}: is not a readable PDF ({one_line(rest or _DIED)})")
    count = int(rest)
    if not count:
        raise UserError(f"{path}: holds no page")
    if count > max_pages:
        raise UserError(f"{path}: has {count} pages, more than {max_pages}")
    return count


def _page(process: subprocess.Popen, max_pixels: int) -> np.ndarray | str:
    """Reads a page, or why there is none; a process that has nothing more to say is ended."""
    kind, rest = _line(process)
    if kind == "error":
        return f"cannot be drawn ({one_line(rest)})"
    if kind == "page":
        columns, rows = map(int, rest.split())
        if columns * rows > max_pixels:
            return f"{columns} x {rows} pixels are more than {max_pixels:,}"
        assert process.stdout is not None
        pixels = process.stdout.read(columns * rows)
        if len(pixels) == columns * rows:
            return np.frombuffer(pixels, np.uint8).reshape(rows, columns)
    process.kill()
    process.wait()
    return f"cannot be drawn ({_DIED})"


def _line(process: subprocess.Popen) -> tuple[str, str]:
    """Reads a line, in its first word and the rest; both are empty when there is none."""
    assert process.stdout is not None
    kind, _, rest = process.stdout.readline(1000).decode().strip().partition(" ")
    return kind, rest
