"""Draws the pages of a PDF file. This file is run by itself, in a process of its own.

    python -P pdf_process.py PDF FIRST WIDTH MAX_PIXELS SECONDS

Drawing a page may take any time and memory, and PDFium, written in C++, may not survive a damaged
one; here nothing else suffers. FIRST is the index of the first page to draw, from 0. The process
ends itself when opening the file or drawing a page takes more than SECONDS of the processor.

Standard output gets a line `count COUNT`, then for every page a line `page WIDTH HEIGHT`, which the
grey pixels follow, a byte each, if they are not more than MAX_PIXELS. In place of any line may come
`error REASON`; of the first one, it is the last.
"""

import contextlib
import math
import resource
import signal
import sys
from typing import IO

import pypdfium2

MEMORY_BYTES = 3 * 2**30


def main(path: str, first: str, width: str, max_pixels: str, seconds: str) -> None:
    """Draws the pages."""
    with contextlib.suppress(ValueError, OSError):  # not every system limits memory
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    signal.setitimer(signal.ITIMER_PROF, float(seconds))
    output = sys.stdout.buffer
    with open(path, "rb") as stream:  # of a name, PDFium takes UTF-8 only
        try:
            document = pypdfium2.PdfDocument(stream)
        except Exception as error:
            _tell(output, error)
            return
        with document:
            output.write(b"count %d\n" % len(document))
            for index in range(int(first), len(document)):
                signal.setitimer(signal.ITIMER_PROF, float(seconds))
                try:
                    _draw(document, index, int(width), int(max_pixels), output)
                except pypdfium2.PdfiumError as error:
                    _tell(output, error)
                output.flush()


def _tell(output: IO[bytes], error: Exception) -> None:
    text = " ".join(str(error).split()) or type(error).__name__
    output.write(f"error {text}\n".encode(errors="replace"))


def _draw(
    document: pypdfium2.PdfDocument, index: int, width: int, max_pixels: int, output: IO[bytes]
) -> None:
    with contextlib.closing(document[index]) as page:
        scale = width / max(page.get_width(), 1e-6)
        columns, rows = (math.ceil(side * scale) for side in page.get_size())
        if columns * rows > max_pixels:
            output.write(b"page %d %d\n" % (columns, rows))
            return
        with contextlib.closing(page.render(scale=scale, grayscale=True)) as bitmap:
            image = bitmap.to_pil().convert("L")
    output.write(b"page %d %d\n" % image.size)
    output.write(image.tobytes())


if __name__ == "__main__":
    main(*sys.argv[1:])
