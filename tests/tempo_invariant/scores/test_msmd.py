"""The published layout: hand-written files are read, bad ones refused."""

import dataclasses

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import msmd, mung, strips
from tempo_invariant.scores.bars import BarStart
from tempo_invariant.scores.mung import NoteHead, Onset, Page, System
from tempo_invariant.scores.places import Box
from tests.handmade import HEADS_PER_SYSTEM, PIECE, SYSTEMS, head_box, make_piece
from tfrecords_tools.msmd import layout

NAME = f"{PIECE}_tempo-900_YamahaGrandPiano"


def test_reads_a_published_directory(tmp_path):
    folder = make_piece(tmp_path)
    assert msmd.list_pieces(tmp_path) == [PIECE]
    score = msmd.read_score(folder)
    assert score.inks == ("bold",)
    assert [page.number for page in score.pages] == [1, 2]
    second = score.pages[1]
    assert [system.box.top for system in second.systems] == [150, 400]
    assert second.systems[1].box.centre_row == 440.5
    head = second.note_heads[HEADS_PER_SYSTEM]  # first of the second system
    assert (head.id, head.pitch, head.system, head.tied) == (110, 60, 1011, False)
    assert (head.row, head.column) == (410 + 3.5, 80 + 4.5)
    # Page 2, system 2 starts at 7.5 s, at 0.9 of the time 6.75 s: frame 135. Five of the six heads
    # of each of the three systems before it sound, so its first note is number 15.
    assert head.onsets == {NAME: Onset(135, 6.75, 15)}
    assert second.note_heads[3].tied
    assert not second.note_heads[3].onsets
    bare = [dataclasses.replace(page, note_heads=()) for page in score.pages]
    assert list(msmd.read_score(folder, with_heads=False).pages) == bare


def test_pieces_are_chosen_by_name_or_all(tmp_path):
    for name in ("B", "A", "C"):
        (tmp_path / name / "scores").mkdir(parents=True)
    assert msmd.choose_pieces(tmp_path) == ["A", "B", "C"]
    assert msmd.choose_pieces(tmp_path, ["C", "A", "C"]) == ["C", "A"]
    with pytest.raises(UserError, match="holds no piece 'D'"):
        msmd.choose_pieces(tmp_path, ["E", "A", "D"])


def test_strip_joins_systems_and_places_heads(tmp_path):
    score = msmd.read_score(make_piece(tmp_path))
    strip, placements = strips.strip(score, "bold")
    widths = [width for _, _, width, _ in SYSTEMS]
    assert strip.shape == (200, 2 * sum(widths))
    assert strip.dtype == np.uint8
    assert len(placements) == 2 * 2 * HEADS_PER_SYSTEM
    for index, placement in enumerate(placements):
        system, number = divmod(index % (2 * HEADS_PER_SYSTEM), HEADS_PER_SYSTEM)
        assert placement.page == 1 + index // (2 * HEADS_PER_SYSTEM)
        assert placement.system == 1 + system
        colour = strip[int(placement.row), int(placement.column)]
        assert colour == 10 * (1 + number) + system or number >= 4  # 4 and 5 overlap sideways
        before = sum(widths) * (placement.page - 1) + sum(widths[:system])
        assert placement.column == before + head_box(system, number)[1] + 4.5 - SYSTEMS[system][1]


def test_systems_near_the_edge_of_a_page_are_padded_with_paper(tmp_path):
    page = Page(1, (System(7, Box(10, 0, 70, 300)),), (NoteHead(0, Box(20, 100, 27, 109), 60, 7),))
    source = tmp_path / "x.ly"
    source.write_text("{}")
    image = np.zeros((120, 835), np.uint8)
    layout.write_score(tmp_path / "P", [page], {"bold": [image]}, source)
    strip, [placement] = strips.strip(msmd.read_score(tmp_path / "P"), "bold")
    # Centre 40: rows -60 to 140, of which 0 to 120 are on the page.
    assert (strip[:60] == 255).all() and (strip[60:180] == 0).all() and (strip[180:] == 255).all()
    assert (placement.row, placement.column) == (83.5, 104.5)


def test_transparency_is_dropped(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 3] = 40
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (msmd.read_image(tmp_path / "a.png") == 0).all()


def test_bad_files_give_one_line_that_names_them(tmp_path):
    folder = make_piece(tmp_path)
    score = folder / "scores" / f"{PIECE}_ly"
    with pytest.raises(UserError, match="nowhere: no such directory"):
        msmd.list_pieces(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no piece"):
        msmd.list_pieces(folder)
    (score / "img/01.png").write_bytes(b"\x89PNG no image")
    with pytest.raises(UserError, match="01.png: not a readable image"):
        strips.strip(msmd.read_score(folder), "bold")
    (score / "img/01.png").unlink()
    with pytest.raises(UserError, match="01.png: no such image"):
        strips.strip(msmd.read_score(folder), "bold")
    for text in ("<CropObjectList><CropObject>", "<a><CropObject><Id>x</Id></CropObject></a>"):
        (score / "mung/02.xml").write_text(text)
        with pytest.raises(UserError, match="02.xml: not a MuNG page") as caught:
            msmd.read_score(folder)
        assert "\n" not in str(caught.value)


BOMB = """<!DOCTYPE a [<!ENTITY x0 "{}">{}]><CropObjectList><CropObject><Id>&x8;</Id></CropObject>
</CropObjectList>""".format(
    "ha" * 500, "".join(f'<!ENTITY x{i} "{f"&x{i - 1};" * 20}">' for i in range(1, 9))
)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("<Top>160", "<Top>nan", "nan is not below"),
        ("<Top>160", "<Top>1e300", "1e300 is not below"),
        ("<Height>7", "<Height>-7", "a box of -7 x 9"),
        ("<Outlinks>1000", "<Outlinks>x", "invalid literal"),
        ('code" type="int">60', 'code" type="int">128', "128 is not between 0 and 127"),
        ('frame" type="int">10', 'frame" type="int">' + "9" * 40, "is not between"),
        ('seconds" type="float">0', 'seconds" type="float">inf', "inf"),
        ('idx" type="int">0', 'idx" type="int">-7', "-7 is not between -1"),
        ('encoding="utf-8"', 'encoding="nothing"', "unknown encoding"),
        (None, "\0" * 99, ""),
        (None, BOMB, "amplification"),
        (None, "<a>" * 100_000, "no element found"),
    ],
)
def test_pages_with_absurd_values_are_refused(tmp_path, old, new, message):
    folder = make_piece(tmp_path, pages=1)
    path = folder / "scores" / f"{PIECE}_ly" / "mung" / "01.xml"
    text = path.read_text()
    assert old is None or old in text
    path.write_text(new if old is None else text.replace(old, new))
    with pytest.raises(UserError, match=f"01.xml: not a MuNG page .*{message}") as error:
        msmd.read_score(folder)
    assert str(error.value).isprintable() and len(str(error.value)) < 500


@pytest.mark.parametrize(
    ("starts", "message"),
    [("40:1 30:2", "not in order"), ("40", "not enough values"), ("40:x", "invalid literal"),
     ("nan:1", "nan is not below"), ("40:1 " * 1001, "1001 bars in a system")],
)  # fmt: skip
def test_bars_that_cannot_be_are_refused(tmp_path, starts, message):
    system = System(7, Box(10, 0, 70, 300), (BarStart(40.0, 1),))
    path = tmp_path / "01.xml"
    mung.write_page(path, Page(1, (system,), ()), "P")
    assert mung.read_page(path).systems == (system,)
    path.write_text(path.read_text().replace("40.0:1", starts))
    with pytest.raises(UserError, match=f"01.xml: not a MuNG page .*{message}"):
        mung.read_page(path)


def test_links_to_nothing_are_heads_without_a_system(tmp_path):
    folder = make_piece(tmp_path, pages=1)
    path = folder / "scores" / f"{PIECE}_ly" / "mung" / "01.xml"
    path.write_text(path.read_text().replace("<Outlinks>1000", "<Outlinks>77 1001"))
    [page] = msmd.read_score(folder).pages
    assert [head.system for head in page.note_heads] == [1001] * (2 * HEADS_PER_SYSTEM)


def test_systems_by_the_thousand_are_refused(tmp_path):
    folder = make_piece(tmp_path, pages=1)
    path = folder / "scores" / f"{PIECE}_ly" / "mung" / "01.xml"
    text = path.read_text()
    system = text[text.rindex("<CropObject ") : text.rindex("</CropObjects>")]
    path.write_text(text.replace(system, system * 500))
    with pytest.raises(UserError, match="501 systems on a page"):
        msmd.read_score(folder)


def npy(header):
    """A NumPy file with this text for a header, and a few numbers."""
    text = header.encode().ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (8"), "not a NumPy array"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (8,)} \n  ("), "not a NumPy"),
        (npy("{'descr': '<f8', 'fortran_order': False, 'shape': (10**9, 10**9)}"), "not a NumPy"),
        (npy("{'descr': '|O', 'fortran_order': False, 'shape': (8,)}"), "not a NumPy array"),
        (npy("{'descr': '<U4', 'fortran_order': False, 'shape': (4,)}"), "an array of <U4"),
        (npy("{'descr': '<c16', 'fortran_order': False, 'shape': (4,)}"), "an array of complex"),
        (npy("(" * 115), "not a NumPy array"),
        (b"PK\x03\x04" + bytes(50), "not a NumPy array"),
        (b"", "not a NumPy array"),
    ],
)
def test_arrays_that_are_none_are_refused(tmp_path, content, message):
    path = tmp_path / "x.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=f"x.npy: {message}"):
        msmd.read_numbers(path)


def test_numbers_are_read_and_absurd_ones_refused(tmp_path):
    path = tmp_path / "x.npy"
    good = np.arange(6, dtype=np.float32).reshape(2, 3)
    np.save(path, good)
    np.testing.assert_array_equal(msmd.read_numbers(path), good)
    for value in (np.nan, np.inf, 1e30):
        np.save(path, np.where(good == 5, value, good))
        with pytest.raises(UserError, match="x.npy: holds values that are not finite"):
            msmd.read_numbers(path)
    with pytest.raises(UserError, match="y.npy: no such file"):
        msmd.read_numbers(tmp_path / "y.npy")
