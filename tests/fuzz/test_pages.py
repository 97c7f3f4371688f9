"""Damaged page images, read up to snippets."""

import io
from pathlib import Path

import pytest
from PIL import Image

from tempo_invariant.scores import collection
from tests import fuzzing
from tests.drawn_pages import piano_page

KINDS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP")


def read(item: tuple[str, bytes]) -> None:
    """Writes a file and reads it as a score."""
    path, data = item
    Path(path).write_bytes(data)
    for source in collection.find_scores(path):
        source.read()


def page_image(kind: str) -> bytes:
    """A small page; TIFF has two, the first compressed."""
    page = Image.fromarray(piano_page(2, shape=(520, 835))[0])
    stream = io.BytesIO()
    more = {}
    if kind == "TIFF":
        more = {"save_all": True, "append_images": [page.convert("1")], "compression": "tiff_lzw"}
    page.save(stream, kind, **more)
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_damaged_page_images(tmp_path, kind):
    path = tmp_path / f"page.{kind.lower()}"
    data = page_image(kind)
    read((str(path), data))
    each = fuzzing.damaged_each(data, fuzzing.COUNT // len(KINDS))
    fuzzing.check(read, ((str(path), item) for item in each))
