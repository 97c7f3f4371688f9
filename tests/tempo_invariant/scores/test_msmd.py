"""The published layout: read by hand-written files, written and read again, bad files."""

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import msmd, strips
from tempo_invariant.scores.mung import NoteHead, Onset, Page, System
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
    assert [system.top for system in second.systems] == [150, 400]
    assert second.systems[1].centre_row == 440.5
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


def test_reads_performances(tmp_path):
    folder = make_piece(tmp_path, performances=("tempo-900_YamahaGrandPiano", "tempo-1000_a_b"))
    slow, even = sorted(layout.read_performances(folder), key=lambda p: p.tempo)
    assert (slow.name, slow.tempo, slow.soundfont) == (NAME, 0.9, "YamahaGrandPiano")
    assert (even.tempo, even.soundfont) == (1.0, "a_b")
    assert even.spectrogram.shape[0] == 92
    assert even.notes.shape == (20, 5)


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
        assert placement.system == system
        colour = strip[int(placement.row), int(placement.column)]
        assert colour == 10 * (1 + number) + system or number >= 4  # 4 and 5 overlap sideways
        before = sum(widths) * (placement.page - 1) + sum(widths[:system])
        assert placement.column == before + head_box(system, number)[1] + 4.5 - SYSTEMS[system][1]


def test_systems_near_the_edge_of_a_page_are_padded_with_paper(tmp_path):
    page = Page(1, (System(7, 10, 0, 300, 60),), (NoteHead(0, 20, 100, 9, 7, 60, 7),))
    source = tmp_path / "x.ly"
    source.write_text("{}")
    image = np.zeros((120, 835), np.uint8)
    layout.write_score(tmp_path / "P", [page], {"bold": [image]}, source)
    strip, [placement] = strips.strip(msmd.read_score(tmp_path / "P"), "bold")
    # Centre 40: rows -60 to 140, of which 0 to 120 are on the page.
    assert (strip[:60] == 255).all() and (strip[60:180] == 0).all() and (strip[180:] == 255).all()
    assert (placement.row, placement.column) == (83.5, 104.5)


def test_writes_what_it_reads(tmp_path):
    onsets = {"P_tempo-1500_F": Onset(31, 1.525, 2)}
    heads = (
        NoteHead(1, 118, 598, 9, 7, 68, 50, moment=1.5, onsets=onsets),
        NoteHead(2, 120, 10, 9, 7, 60, -1, tied=True),
    )
    pages = [Page(1, (System(50, 100, 40, 700, 80),), heads), Page(2, (), ())]
    images = {
        ink: [np.full((40, 50), grey, np.uint8)] * 2 for ink, grey in (("bold", 3), ("thin", 9))
    }
    source = tmp_path / "source.ly"
    source.write_text("{ c }")
    folder = tmp_path / "P"
    layout.write_score(folder, pages, images, source)
    name = layout.performance_name("P", 1.5, "F")
    spectrogram = np.random.RandomState(0).rand(92, 40).astype(np.float32)
    notes = np.arange(15.0).reshape(3, 5)
    midi = np.zeros((128, 40))
    layout.write_performance(folder, name, b"MThd", notes, [1, 2, 31], spectrogram, midi)
    score = msmd.read_score(folder)
    assert list(score.pages) == pages
    assert score.inks == ("bold", "thin")
    assert (score.image("bold", 2) == 3).all() and (score.image("thin", 1) == 9).all()
    [performance] = layout.read_performances(folder)
    np.testing.assert_array_equal(performance.spectrogram, spectrogram)
    np.testing.assert_array_equal(performance.notes, notes)
    np.testing.assert_array_equal(performance.onsets, [1, 2, 31])
    features = folder / "performances" / name / "features"
    assert sorted(path.name for path in features.iterdir()) == [
        f"{name}_{kind}.npy" for kind in ("midi", "notes", "onsets", "spec")
    ]
    coords = folder / "scores/P_ly/coords"
    np.testing.assert_array_equal(np.load(coords / "notes_01.npy"), [[121.5, 602.5], [123.5, 14.5]])
    np.testing.assert_array_equal(
        np.load(coords / "systems_01.npy"), [[[100, 40], [100, 740], [180, 740], [180, 40]]]
    )


def test_transparency_is_dropped(tmp_path):
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[..., 3] = 40
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (msmd.read_image(tmp_path / "a.png") == 0).all()


def test_bad_files_give_one_line_that_names_them(tmp_path):
    folder = make_piece(tmp_path)
    score = folder / "scores" / f"{PIECE}_ly"
    features = folder / "performances" / NAME / "features"
    with pytest.raises(UserError, match="nowhere: no such directory"):
        msmd.list_pieces(tmp_path / "nowhere")
    with pytest.raises(UserError, match="holds no piece"):
        msmd.list_pieces(folder)
    (score / "img/01.png").write_bytes(b"\x89PNG no image")
    with pytest.raises(UserError, match="01.png: not a readable image"):
        strips.strip(msmd.read_score(folder), "bold")
    (score / "img/01.png").unlink()
    with pytest.raises(UserError, match="01.png: no such page image"):
        strips.strip(msmd.read_score(folder), "bold")
    (features / f"{NAME}_spec.npy").write_bytes(b"junk")
    with pytest.raises(UserError, match="_spec.npy: not a NumPy array"):
        layout.read_performance(folder, NAME)
    np.save(features / f"{NAME}_spec.npy", np.zeros((10, 4)))
    with pytest.raises(UserError, match=r"spectrogram of shape \(10, 4\)"):
        layout.read_performance(folder, NAME)
    for text in ("<CropObjectList><CropObject>", "<a><CropObject><Id>x</Id></CropObject></a>"):
        (score / "mung/02.xml").write_text(text)
        with pytest.raises(UserError, match="02.xml: not a MuNG page") as caught:
            msmd.read_score(folder)
        assert "\n" not in str(caught.value)
