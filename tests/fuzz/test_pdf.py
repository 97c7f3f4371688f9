"""Damaged PDF files, of pictures and of lines and text, read up to snippets."""

import io

import pytest
from matplotlib.backends.backend_pdf import PdfPages
from matplotlib.figure import Figure
from PIL import Image

from tests import fuzzing
from tests.drawn_pages import piano_page
from tests.fuzz.test_pages import read

pytest.importorskip("pypdfium2")


def scanned() -> bytes:
    """Two pages that are pictures, as scanners make them."""
    page = Image.fromarray(piano_page(2, shape=(520, 835))[0])
    stream = io.BytesIO()
    page.save(stream, "PDF", save_all=True, append_images=[page.convert("1")])
    return stream.getvalue()


def engraved() -> bytes:
    """Two pages of lines, shapes and text with its font, as notation programs make them."""
    stream = io.BytesIO()
    with PdfPages(stream) as pdf:
        for name in ("First", "Second"):
            figure = Figure(figsize=(8.27, 5))
            axes = figure.add_axes((0.05, 0.05, 0.9, 0.9))
            axes.set_axis_off()
            for top in (0.2, 0.6):
                for line in range(5):
                    axes.plot([0, 1], [top + 0.02 * line] * 2, "k", linewidth=0.7)
                axes.scatter([0.2, 0.4, 0.6, 0.8], [top + 0.02 * i for i in range(4)], c="k")
            axes.set_title(name)
            pdf.savefig(figure)
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("make", [scanned, engraved])
def test_damaged_pdf_files(tmp_path, make):
    path = str(tmp_path / "score.pdf")
    data = make()
    read((path, data))
    each = fuzzing.damaged_each(data, fuzzing.COUNT // 2)
    fuzzing.check(read, ((path, item) for item in each))
