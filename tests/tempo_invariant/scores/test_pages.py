"""Page files of all kinds, and what is refused."""

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import pages
from tests.drawn_pages import piano_page

ENCRYPTED = b"""%%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj
4 0 obj<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>endobj
trailer<</Root 1 0 R/Encrypt 4 0 R/ID[<00><00>]>>
""" % (b"ab" * 32, b"cd" * 32)


def test_images_with_several_pages_transparency_and_16_bits(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (80, 60)).astype(np.uint8)
    frames = [Image.fromarray(grey), Image.fromarray(255 - grey)]
    frames[0].save(tmp_path / "scan.tiff", save_all=True, append_images=frames[1:])
    first, second = pages.read(tmp_path / "scan.tiff")
    np.testing.assert_array_equal(first, grey)
    np.testing.assert_array_equal(second, 255 - grey)
    black = Image.fromarray(np.zeros_like(grey))
    Image.merge("LA", [black, frames[1]]).save(tmp_path / "clear.png")
    np.testing.assert_allclose(pages.read(tmp_path / "clear.png")[0], grey, atol=1)
    Image.fromarray(grey.astype(np.uint16) * 257).save(tmp_path / "deep.png")
    np.testing.assert_array_equal(pages.read(tmp_path / "deep.png")[0], grey)


def test_pdf_pages_are_drawn_twice_as_wide_as_the_models(tmp_path):
    page, _ = piano_page(2)
    images = [Image.fromarray(page), Image.fromarray(np.flipud(page))]
    images[0].save(tmp_path / "a.pdf", save_all=True, append_images=images[1:], quality=95)
    first, second = pages.read(tmp_path / "a.pdf")
    assert first.shape == second.shape == (2362, 1670) and first.dtype == np.uint8
    halved = np.asarray(Image.fromarray(first).resize((835, 1181), Image.Resampling.BOX))
    assert np.abs(halved.astype(int) - page).mean() < 3


def test_what_is_refused(tmp_path, monkeypatch):
    def refusal(name, data=None):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError) as error:
            pages.read(tmp_path / name)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)
        return str(error.value)

    assert "cannot be read" in refusal("missing.png")
    assert "not a readable page image" in refusal("empty.png", b"")
    assert "not a readable page image" in refusal("text.png", b"no image" * 100)
    Image.new("L", (300, 300)).save(tmp_path / "whole.png")
    assert "not a readable page image" in refusal(
        "half.png", (tmp_path / "whole.png").read_bytes()[:60]
    )
    Image.new("L", (40, 400)).save(tmp_path / "slip.png")
    assert "smaller than 50" in refusal("slip.png")
    Image.new("L", (60, 600)).save(tmp_path / "long.png")
    assert "no page" in refusal("long.png")
    Image.new("1", (12000, 11000)).save(tmp_path / "bomb.png")
    assert "larger than 120000000" in refusal("bomb.png")
    assert "not a readable PDF" in refusal("broken.pdf", b"%PDF-1.4 broken")
    assert "is encrypted" in refusal("locked.pdf", ENCRYPTED)
    Image.new("L", (300, 300)).save(
        tmp_path / "many.pdf", save_all=True, append_images=[Image.new("L", (300, 300))] * 2
    )
    monkeypatch.setattr(pages, "MAX_PAGES", 2)
    assert "3 pages" in refusal("many.pdf")


def test_images_are_read_in_the_formats_promised_and_no_other(tmp_path):
    page = Image.new("L", (120, 200), 255)
    for kind in pages.FORMATS:
        page.save(tmp_path / f"page.{kind}", kind)
        [read] = pages.read(tmp_path / f"page.{kind}")
        assert read.shape == (200, 120) and (read == 255).all()
    for kind in ("TGA", "PCX"):
        page.save(tmp_path / f"page.{kind}", kind)
        with pytest.raises(UserError, match="not a readable page image"):
            pages.read(tmp_path / f"page.{kind}")
