"""Page files of all kinds, and what is refused."""

import ast
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import images, msmd, pages
from tempo_invariant.scores import pdf as pdf_reader
from tests.drawn_pages import piano_page

ENCRYPTED = b"""%%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj
4 0 obj<</Filter/Standard/V 1/R 2/P -4/O<%s>/U<%s>>>endobj
trailer<</Root 1 0 R/Encrypt 4 0 R/ID[<00><00>]>>
""" % (b"ab" * 32, b"cd" * 32)


def pdf(boxes):
    """A PDF file with an empty page for each box, such as b"[0 0 595 842]"."""
    kids = b" ".join(b"%d 0 R" % (3 + number) for number in range(len(boxes)))
    parts = [b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"]
    parts += [b"2 0 obj<</Type/Pages/Kids[%s]/Count %d>>endobj\n" % (kids, len(boxes))]
    for number, box in enumerate(boxes, 3):
        parts.append(b"%d 0 obj<</Type/Page/Parent 2 0 R/MediaBox%s>>endobj\n" % (number, box))
    return b"".join([*parts, b"trailer<</Root 1 0 R>>\n"])


def read_one(path):
    """The only page of a file."""
    [page] = pages.read(path)
    if isinstance(page, UserError):
        raise page
    return page


def test_the_pages_of_a_tiff_without_their_smaller_copies(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (80, 60)).astype(np.uint8)
    frames = [Image.fromarray(grey), Image.fromarray(grey[:50, :50]), Image.fromarray(255 - grey)]
    frames[1].encoderinfo = {"tiffinfo": {254: 1}}  # a reduced copy of the page before
    frames[0].save(tmp_path / "scan.tiff", save_all=True, append_images=frames[1:])
    first, second = pages.read(tmp_path / "scan.tiff")
    np.testing.assert_array_equal(first, grey)
    np.testing.assert_array_equal(second, 255 - grey)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "MPO"])
def test_the_first_picture_of_an_animation_is_the_page(tmp_path, kind):
    white, black = Image.new("L", (80, 90), 255), Image.new("L", (80, 90), 0)
    path = tmp_path / f"page.{kind.lower()}"
    white.convert("RGB").save(path, kind, save_all=True, append_images=[black.convert("RGB")])
    with Image.open(path) as image:
        assert image.n_frames == 2
    assert (read_one(path) > 250).all()


def test_every_mode_gives_the_same_grey(tmp_path):
    grey = np.random.default_rng(0).integers(0, 256, (80, 60)).astype(np.uint8)
    image = Image.fromarray(grey)
    rgb = image.convert("RGB")

    def check(name, picture, expected=grey, tolerance=1, **options):
        picture.save(tmp_path / name, **options)
        np.testing.assert_allclose(read_one(tmp_path / name).astype(int), expected, atol=tolerance)

    check("grey.png", image, tolerance=0)
    check("colour.png", rgb, tolerance=0)
    check("palette.png", image.convert("P"), tolerance=0)
    check("bits.png", image.convert("1", dither=0), np.where(grey > 127, 255, 0), 0)
    # Transparency is paper: what is drawn is black ink that covers the rest.
    black, alpha = Image.new("L", image.size, 0), Image.fromarray(255 - grey)
    check("clear.png", Image.merge("LA", [black, alpha]))
    check("clear_colour.png", Image.merge("RGBA", [black, black, black, alpha]))
    palette = Image.fromarray((grey > 127).astype(np.uint8))
    palette.putpalette([0, 0, 0, 9, 9, 9])
    check("clear_palette.png", palette, np.where(grey > 127, 255, 0), 0, transparency=1)
    # 16 and 32 bits.
    deep = grey.astype(np.uint16) * 257
    check("deep.png", Image.fromarray(deep), tolerance=0)
    check("deep.tif", Image.fromarray(deep), tolerance=0)
    check("dark.png", Image.fromarray(deep // 257), np.zeros_like(grey))
    check("wide.tif", Image.fromarray(deep.astype(np.int32)), tolerance=0)
    check("byte.tif", Image.fromarray(grey.astype(np.int32)), tolerance=0)
    floats = grey.astype(np.float32) / 255
    floats[0, 0], floats[0, 1], floats[0, 2] = np.nan, np.inf, -np.inf
    expected = grey.copy()
    expected[0, :3] = 255, 255, 0
    check("floats.tif", Image.fromarray(floats), expected, 0)
    # Inks.
    check("inks.tif", rgb.convert("CMYK"))
    smooth = Image.fromarray(np.linspace(0, 255, 80 * 60).reshape(80, 60).astype(np.uint8))
    check("inks.jpg", smooth.convert("RGB").convert("CMYK"), np.asarray(smooth), 4, quality=95)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_photographs_are_turned_as_their_camera_was_held(tmp_path, orientation):
    grey = np.arange(80 * 60).reshape(80, 60).astype(np.uint8)
    turned = {
        1: grey,
        2: np.fliplr(grey),
        3: np.rot90(grey, 2),
        4: np.flipud(grey),
        5: grey.T,
        6: np.rot90(grey),  # to be turned clockwise for display
        7: np.rot90(grey.T, 2),
        8: np.rot90(grey, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    for kind in ("png", "tif"):
        path = tmp_path / f"photo.{kind}"
        Image.fromarray(np.ascontiguousarray(turned)).save(path, exif=exif)
        np.testing.assert_array_equal(read_one(path), grey)


def test_programs_are_not_run_for_images(tmp_path, monkeypatch):
    """Pillow hands PostScript to Ghostscript, whatever the name of the file."""

    def run(*_, **__):
        raise AssertionError("a program was run")

    monkeypatch.setattr(subprocess, "check_call", run)
    monkeypatch.setattr(subprocess, "Popen", run)
    path = tmp_path / "page.png"
    Image.new("L", (60, 80)).save(path, "EPS")
    for read in (read_one, msmd.read_image):
        with pytest.raises(UserError, match="page.png: not a readable image"):
            read(path)


def test_every_image_is_opened_with_the_formats_it_may_have():
    """Without `formats`, Pillow tries all that it knows, and Ghostscript."""
    root = Path(__file__).parents[3]
    calls = []
    for path in (
        path
        for room in ("tempo_invariant", "tfrecords_tools", "serving")
        for path in (root / room).rglob("*.py")
    ):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "Image.open":
                calls.append((path, node))
    assert calls
    for path, call in calls:
        assert any(keyword.arg == "formats" for keyword in call.keywords), f"{path}:{call.lineno}"


def test_pdf_pages_are_drawn_twice_as_wide_as_the_models(tmp_path):
    page, _ = piano_page(2)
    images = [Image.fromarray(page), Image.fromarray(np.flipud(page))]
    images[0].save(tmp_path / "a.pdf", save_all=True, append_images=images[1:], quality=95)
    first, second = pages.read(tmp_path / "a.pdf")
    assert first.shape == second.shape == (2362, 1670) and first.dtype == np.uint8
    halved = np.asarray(Image.fromarray(first).resize((835, 1181), Image.Resampling.BOX))
    assert np.abs(halved.astype(int) - page).mean() < 3


@pytest.fixture
def refusal(tmp_path):
    """A function that returns why a file is refused."""

    def reason(name, data=None):
        if data is not None:
            (tmp_path / name).write_bytes(data)
        with pytest.raises(UserError) as error:
            read_one(tmp_path / name)
        assert str(tmp_path / name) in str(error.value) and str(error.value).isprintable()
        return str(error.value)

    return reason


def test_images_that_are_refused(tmp_path, refusal):
    assert "cannot be read (no such file)" in refusal("missing.png")
    assert "cannot be read (a folder, and no file)" in refusal(".")
    assert "cannot be read" in refusal("x" * 300 + ".png")
    os.mkfifo(tmp_path / "pipe.png")
    assert "cannot be read" in refusal("pipe.png")
    assert "empty.png: is an empty file" in refusal("empty.png", b"")
    assert "empty.pdf: is an empty file" in refusal("empty.pdf", b"")
    assert "not a readable image" in refusal("text.png", b"no image" * 100)
    Image.effect_noise((300, 300), 50).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    assert "not a readable image" in refusal("start.png", whole[:30])
    assert "cannot be read" in refusal("half.png", whole[:9000])
    Image.new("L", (40, 400)).save(tmp_path / "slip.png")
    assert "smaller than 50" in refusal("slip.png")
    Image.new("L", (60, 600)).save(tmp_path / "long.png")
    assert "no page" in refusal("long.png")
    Image.new("1", (12000, 11000)).save(tmp_path / "bomb.png")
    assert "more than 120,000,000" in refusal("bomb.png")
    Image.new("1", (20000, 19000)).save(tmp_path / "worse.png")  # Pillow's own limit
    assert "more than 120,000,000" in refusal("worse.png")


def test_pdf_files_that_are_refused(tmp_path, refusal, monkeypatch):
    assert "not a readable PDF" in refusal("broken.pdf", b"%PDF-1.4 broken")
    assert "is encrypted, and needs a password" in refusal("locked.pdf", ENCRYPTED)
    pytest.importorskip("pypdfium2").PdfDocument.new().save(tmp_path / "bare.pdf")
    assert refusal("bare.pdf").endswith("holds no page")
    Image.new("L", (300, 300)).save(
        tmp_path / "many.pdf", save_all=True, append_images=[Image.new("L", (300, 300))] * 2
    )
    monkeypatch.setattr(pages, "MAX_PAGES", 2)
    assert "3 pages" in refusal("many.pdf")


def test_bad_pages_between_good_ones_are_named(tmp_path):
    pytest.importorskip("pypdfium2")
    good = b"[0 0 595 842]"
    path = tmp_path / os.fsdecode(b"caf\xe9.pdf")
    path.write_bytes(pdf([good, b"[0 0 14400 100]", good, good]).replace(b"6 0 obj", b"7 0 obj"))
    found = list(pages.read(path))
    name = str(UserError(path))
    assert [isinstance(page, UserError) for page in found] == [False, True, False, True]
    assert found[0].shape == found[2].shape == (2364, 1670)
    assert str(found[1]).startswith(f"{name}: page 2: 1670 x 12 pixels are smaller than 50")
    assert str(found[3]).startswith(f"{name}: page 4: cannot be drawn (")

    tall = tmp_path / "scan.tif"
    frames = [Image.new("L", size, 255) for size in ((80, 90), (80, 900), (80, 90))]
    frames[0].save(tall, save_all=True, append_images=frames[1:])
    first, second, third = pages.read(tall)
    assert first.shape == third.shape == (90, 80) and "page 2: 80 x 900" in str(second)


def test_a_page_that_pdfium_does_not_survive_is_named(tmp_path, monkeypatch):
    pytest.importorskip("pypdfium2")
    good = b"[0 0 595 842]"
    form = b"/Resources<</XObject<</F 8 0 R>>>>/Contents 7 0 R"
    # A form that draws itself twice, and so on.
    more = b"7 0 obj<</Length 5>>stream\n/F Do\nendstream endobj\n"
    more += b"8 0 obj<</Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</F 8 0 R>>>>"
    more += b"/Length 12>>stream\n/F Do /F Do \nendstream endobj\n"
    bad = good + form
    data = pdf([good, bad, good, bad, good]).replace(b"trailer", more + b"trailer")
    (tmp_path / "loop.pdf").write_bytes(data)
    monkeypatch.setattr(pdf_reader, "SECONDS", 3)
    found = []
    with pytest.raises(UserError, match="page 5 and what follows: given up"):
        for page in pages.read(tmp_path / "loop.pdf"):
            found.append(page)
    assert [isinstance(page, UserError) for page in found] == [False, True, False, True]
    assert "page 2: cannot be drawn (PDFium crashes, or takes longer than" in str(found[1])


def test_a_photograph_too_large_is_read_smaller_and_other_images_are_refused(tmp_path, monkeypatch):
    Image.new("RGB", (400, 300), (250, 250, 250)).save(tmp_path / "page.jpg")
    Image.new("L", (400, 300), 250).save(tmp_path / "page.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 100_000)
    (page,) = pages.read(tmp_path / "page.jpg")
    assert page.shape == (150, 200) and abs(int(page.mean()) - 250) < 2
    with pytest.raises(UserError, match="400 x 300 pixels are more than 100,000"):
        list(pages.read(tmp_path / "page.png"))


def test_images_are_read_in_the_formats_promised_and_no_other(tmp_path):
    page = Image.new("L", (120, 200), 255)
    for kind in images.FORMATS:
        page.save(tmp_path / f"page.{kind}", kind)
        read = read_one(tmp_path / f"page.{kind}")
        assert read.shape == (200, 120) and (read == 255).all()
    for kind in ("TGA", "PCX"):
        page.save(tmp_path / f"page.{kind}", kind)
        with pytest.raises(UserError, match="not a readable image"):
            read_one(tmp_path / f"page.{kind}")
