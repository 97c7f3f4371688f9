"""The published layout: hand-written files are read, bad ones refused."""

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import msmd, strips
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
