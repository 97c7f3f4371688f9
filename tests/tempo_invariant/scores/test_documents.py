"""Scores of every kind, cut into snippets whose places are right."""

import dataclasses
import errno
import os

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import search
from tempo_invariant.retrieval import neighbours
from tempo_invariant.scores import collection, documents, mung
from tempo_invariant.scores.bars import BarStart
from tempo_invariant.scores.page_reading import read_page
from tempo_invariant.scores.places import NO_BAR, SHEET, Box, Place
from tests import fake_embedder
from tests.drawn_pages import piano_page
from tests.handmade import PIECE, make_piece


def _record() -> schema.Record:
    """Three systems on two pages: 400, 300 and 500 page pixels of a strip."""
    generator = np.random.default_rng(3)
    strip = generator.integers(0, 256, (1, 600, schema.STRIP_ROWS), np.uint8)
    columns = np.array([50, 200, 390, 410, 690, 710, 1100], np.float32)
    count = len(columns)
    return schema.Record(
        piece="waltz",
        performance="waltz_tempo-1000_x",
        soundfont="x",
        tempo=1.0,
        inks=("bold",),
        strips=strip,
        spectrogram=np.zeros((400, 92), np.float16),
        onset_frames=np.arange(count) * 20,
        columns=columns,
        pages=np.array([1, 1, 1, 1, 1, 2, 2]),
        systems=np.array([0, 0, 0, 1, 1, 0, 0]),
    )


def test_a_record_is_cut_where_its_systems_end():
    record = _record()
    document = documents.from_record(record, step=100)
    where = [(int(row["page"]), int(row["system"])) for row in document.places]
    assert where == [(1, 1)] * 4 + [(1, 2)] * 3 + [(2, 1)] * 5
    assert document.places["x"].tolist() == [
        50,
        150,
        250,
        350,
        50,
        150,
        250,
        50,
        150,
        250,
        350,
        450,
    ]
    assert document.places["box"][4].tolist() == [200, 0, 400, 300]
    assert {page: image.shape for page, image in document.pages.items()} == {
        1: (400, 400),
        2: (200, 500),
    }
    # What the encoder makes of a snippet, its 2 x 2 means, is what the record holds.
    for position, column in ((1, 150), (6, 650), (11, 1150)):
        halved = document.snippets[position].reshape(80, 2, 100, 2).astype(int).mean(axis=(1, 3))
        stored = np.pad(record.strips[0].T, [(0, 0), (100, 100)], constant_values=255)
        first = 100 + column // 2 - 50
        assert np.array_equal(halved, stored[10:90, first : first + 100])
    # The second system of page 1, as it is shown.
    shown = document.pages[1][200:, :300]
    assert np.array_equal(shown[::2, ::2], record.strips[0][200:350].T)


def test_msmd_pieces_are_cut_along_their_systems(tmp_path):
    numbers = np.arange(10, 130)
    fake_embedder.write_score(tmp_path, "piece", numbers)
    (document,) = [source.read() for source in collection.find_scores(tmp_path / "msmd", step=70)]
    assert len(document.snippets) == len(document.places) == 30
    for snippet, row in zip(document.snippets, document.places, strict=True):
        share = (row["x"] - 60) / 699
        grey = 10 + 40 * (row["system"] - 1) + 39 * share
        assert snippet[80, 100] == pytest.approx(grey, abs=0.6)
    assert document.snippets.shape[1:] == (160, 200)


def test_a_note_names_the_page_once_and_the_score_not_at_all(tmp_path, caplog):
    page = Image.fromarray(piano_page(2)[0])
    page.save(tmp_path / "suite.tif", save_all=True, append_images=[Image.new("L", (20, 20)), page])
    document = documents.read_pages("suite", [tmp_path / "suite.tif"], 25)
    assert document.notes == ("page 2: left out (20 x 20 pixels are smaller than 50)",)
    document.log_notes()
    assert caplog.messages == [f"suite: {document.notes[0]}"]


def test_a_bad_page_is_named_and_the_others_keep_their_numbers(tmp_path, monkeypatch):
    page, _ = piano_page(2)
    for number in (1, 2, 3, 4):
        Image.fromarray(page).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes((tmp_path / "2.png").read_bytes()[:500])
    paths = sorted(tmp_path.glob("*.png"))
    document = documents.read_pages("suite", paths, 25)
    assert list(document.pages) == [1, 3, 4]
    assert np.unique(document.places["page"]).tolist() == [1, 3, 4]
    (note,) = document.notes
    assert note == "page 2: left out (cannot be read (image file is truncated))"
    # An error of our own is named by its kind.
    results = iter([read_page(page), ValueError("wrong"), read_page(page), read_page(page)])

    def fail_once(_):
        result = next(results)
        if isinstance(result, Exception):
            raise result
        return result

    Image.fromarray(page).save(tmp_path / "2.png")
    monkeypatch.setattr(documents, "read_page", fail_once)
    document = documents.read_pages("suite", paths, 25)
    assert list(document.pages) == [1, 3, 4]
    assert document.notes == ("page 2: left out (ValueError: wrong)",)
    # What would befall every page ends the reading.
    results = iter([OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), MemoryError()])
    for kind in (OSError, MemoryError):
        with pytest.raises(kind):
            documents.read_pages("suite", paths, 25)


def test_a_page_without_a_system_is_named(tmp_path, caplog):
    blank = np.full((1181, 835), 255, np.uint8)
    for number, page in enumerate((blank, piano_page(1)[0], blank), 1):
        Image.fromarray(page).save(tmp_path / f"{number}.png")
    document = documents.read_pages("suite", sorted(tmp_path.glob("*.png")), 25)
    assert document.notes == ("pages 1, 3: no system on it",)
    assert list(document.pages) == [1, 2, 3] and set(document.places["page"]) == {2}
    document.log_notes()
    assert caplog.messages == [f"suite: {note}" for note in document.notes]


def test_a_bad_page_of_an_msmd_piece_is_left_out(tmp_path):
    folder = make_piece(tmp_path, pages=3)
    (image,) = folder.glob("scores/*/img/02.png")
    image.write_bytes(b"no image")
    (source,) = collection.find_scores(tmp_path)
    document = source.read()
    assert list(document.pages) == [1, 3] and set(document.places["page"]) == {1, 3}
    (note,) = document.notes
    assert note.startswith(f"page 2: left out ({image}: not a readable image")
    for path in image.parent.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="01.png: no such image"):
        source.read()


def test_bars_that_are_known_keep_their_numbers_where_a_page_is_missing(tmp_path):
    folder = make_piece(tmp_path, pages=3)
    for number, path in enumerate(sorted(folder.glob("scores/*/mung/*.xml"))):
        page = mung.read_page(path)
        systems = [
            dataclasses.replace(
                system, bars=(BarStart(system.box.left, 20 * number + 10 * i), BarStart(300, None))
            )
            for i, system in enumerate(page.systems, 1)
        ]
        mung.write_page(path, dataclasses.replace(page, systems=tuple(systems)), PIECE)
    (folder / f"scores/{PIECE}_ly/img/02.png").write_bytes(b"no image")
    (source,) = collection.find_scores(tmp_path)
    places = source.read().places
    told = {tuple(row[["page", "system", "bar"]].tolist()) for row in places if row["x"] < 290}
    assert told == {(1, 1, 10), (1, 2, 20), (3, 1, 50), (3, 2, 60)}
    assert set(places["bar"][places["x"] >= 300]) == {NO_BAR}


def test_scores_too_long_for_the_memory_are_refused(monkeypatch):
    page, _ = piano_page(2)
    boxes = [Box(100, 60, 198, 775)]
    whole = documents.cut_pages("x", [page, page], [boxes, boxes], 25, [4, 7])
    assert set(whole.places["page"]) == {4, 7}
    monkeypatch.setattr(documents, "MAX_SNIPPETS", len(whole.snippets) - 1)
    with pytest.raises(UserError, match="x: more than 57 snippets"):
        documents.cut_pages("x", [page, page], [boxes, boxes], 25)


@pytest.mark.slow
def test_a_lilypond_file_is_engraved_and_cut(tmp_path):
    path = tmp_path / "scale.ly"
    path.write_text("\\version \"2.24.0\"\n{ \\repeat unfold 30 { c'4 d' e' f' } }\n")
    (source,) = collection.find_scores(path)
    document = source.read()
    assert document.name == "scale" and list(document.pages) == [1]
    assert document.pages[1].shape[1] == 835
    systems = np.unique(document.places["system"])
    assert systems.tolist() == list(range(1, len(systems) + 1)) and len(systems) >= 3
    assert (document.snippets.min(axis=(1, 2)) < 64).all()  # ink in every one
    tops = [document.places["box"][document.places["system"] == n][0][0] for n in systems]
    assert (np.diff(tops) > 30).all()


def test_the_measured_recall_is_that_of_the_search():
    exact = search.measure(3000, queries=40, size=8)
    assert exact.description == "exact" and exact.recall == {1: 1.0, 25: 1.0}
    approximate = search.measure(3000, queries=40, size=8, exact_limit=2000)
    assert "IVF-PQ" in approximate.description
    assert 0.9 < approximate.recall[25] <= 1 and approximate.milliseconds[0] > 0
    assert "recall against exact search" in search.text(approximate)
    vectors = search.clustered_vectors(500, 8, np.random.default_rng(0))
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    # Clustered: the nearest other vector is closer than for directions at random.
    near = np.sort(vectors @ vectors.T, axis=1)[:, -2]
    random = search.clustered_vectors(50, 8, np.random.default_rng(1))
    assert np.median(near) > np.median(np.sort(random @ random.T, axis=1)[:, -2])
    assert neighbours.recall(np.array([[1, 2], [3, 4]]), np.array([[2, 1], [3, 9]])) == 0.75


def test_a_picture_that_asks_may_be_any_page_and_has_no_numbers_of_bars():
    places = np.array([Place(1, 1, 100.0, Box(0, 0, 50, 700), bar).row() for bar in (1, 2)], SHEET)
    read = documents.SheetDocument("page", {}, np.zeros((2, 160, 200), np.uint8), places)
    for other in ("score.pdf", "score.musicxml"):
        assert read.without_guessed_bars(other) is read
    asked = read.without_guessed_bars("photographs/Page.JPG")
    assert asked.places["bar"].tolist() == [NO_BAR, NO_BAR]
    assert asked.places["x"].tolist() == [100, 100] and read.places["bar"].tolist() == [1, 2]
