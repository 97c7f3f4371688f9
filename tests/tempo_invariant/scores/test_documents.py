"""Scores of every kind, cut into snippets whose places are right."""

import errno
import os
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import search
from tempo_invariant.retrieval import neighbours
from tempo_invariant.scores import documents
from tempo_invariant.scores.folders import NO_KIND, NOTATION
from tempo_invariant.scores.page_reading import read_page
from tempo_invariant.scores.places import Box
from tests import fake_embedder, notation_scores
from tests.drawn_pages import piano_page
from tests.handmade import make_piece


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
    (document,) = [source.read() for source in documents.find_scores(tmp_path / "msmd", step=70)]
    assert len(document.snippets) == len(document.places) == 30
    for snippet, row in zip(document.snippets, document.places, strict=True):
        share = (row["x"] - 60) / 699
        grey = 10 + 40 * (row["system"] - 1) + 39 * share
        assert snippet[80, 100] == pytest.approx(grey, abs=0.6)
    assert document.snippets.shape[1:] == (160, 200)


def test_pages_in_a_directory_are_scores(tmp_path):
    blank = Image.new("L", (600, 800), 255)
    (tmp_path / "suite").mkdir()
    for name in ("prelude.png", "suite/02.png", "suite/01.png", "suite/notes.txt"):
        if name.endswith("png"):
            blank.save(tmp_path / name)
        else:
            (tmp_path / name).write_text("nothing")
    sources = list(documents.find_scores(tmp_path))
    assert [source.name for source in sources] == ["prelude", "suite"]
    with pytest.raises(UserError, match="suite: no system on any page"):
        sources[1].read()
    assert [source.name for source in documents.find_scores(tmp_path / "prelude.png")] == [
        "prelude"
    ]
    with pytest.raises(UserError, match="no score 'fugue'"):
        list(documents.find_scores(tmp_path, documents=["fugue"]))


def test_readers_can_be_sent_to_other_processes_and_know_their_files(tmp_path):
    fake_embedder.write_score(tmp_path, "piece", np.arange(100))
    (tmp_path / "pages/suite").mkdir(parents=True)
    page, _ = piano_page(2)
    for name in ("b.png", "suite/02.png", "suite/01.png"):
        Image.fromarray(page).save(tmp_path / "pages" / name)
    with documents.open_collection(tmp_path / "msmd") as found:
        (piece,) = found
    score = tmp_path / "msmd/piece/scores/piece_ly"
    assert piece.files == (score / "img/01.png", score / "mung/01.xml")
    with documents.open_collection(tmp_path / "pages") as found:
        single, suite = found
    assert single.files == (tmp_path / "pages/b.png",)
    assert suite.files == tuple(tmp_path / f"pages/suite/0{number}.png" for number in (1, 2))
    for reader in (piece, single, suite):
        sent, here = pickle.loads(pickle.dumps(reader)).read(), reader.read()
        assert sent.name == here.name == reader.name
        assert np.array_equal(sent.snippets, here.snippets)
        assert np.array_equal(sent.places, here.places)


def test_a_folder_of_all_kinds_says_what_it_leaves_out(tmp_path, caplog):
    for name in ("b.pdf", "b.png", "waltz.ly", "waltz.pdf", "march.xyz", ".hidden", "suite/01.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{ c' }")
    (tmp_path / "suite/notes.txt").write_text("nothing")
    (tmp_path / "empty").mkdir()
    (tmp_path / os.fsdecode(b"caf\xe9\x1b.jpg")).write_text("nothing")
    names = [source.name for source in documents.find_scores(tmp_path)]
    assert names == ["b", "b.png", r"caf\xe9\x1b", "suite", "waltz"]
    assert caplog.messages == [
        f"left out: march.xyz, suite/notes.txt: {NO_KIND}",
        "left out: waltz.pdf: the LilyPond file of the same name is used",
    ]
    # The score of one name, however it is written, and no word about the others.
    caplog.clear()
    for name in (r"caf\xe9\x1b", os.fsdecode(b"caf\xe9\x1b")):
        (found,) = documents.find_scores(tmp_path, documents=[name])
        assert found.name == r"caf\xe9\x1b"
    assert not caplog.messages
    # With a table, the LilyPond files that it does not list are parts of those that it does.
    (tmp_path / "PIECES.tsv").write_text("Chopin_waltz\twaltz.ly\n")
    (tmp_path / "style.ly").write_text("nothing")
    names = [source.name for source in documents.find_scores(tmp_path)]
    assert names == ["Chopin_waltz", "b", "b.png", r"caf\xe9\x1b", "suite"]
    assert not any("PIECES" in message or "style" in message for message in caplog.messages)


def test_scores_for_notation_programs_are_engraved_with_their_bars(tmp_path, caplog):
    (tmp_path / "song.musicxml").write_text(notation_scores.MUSICXML)
    (tmp_path / "packed.mxl").write_bytes(notation_scores.packed())
    (tmp_path / "tune.abc").write_text(notation_scores.ABC)
    for name in ("waltz.ly", "waltz.krn", "song.pdf"):
        (tmp_path / name).write_text("{ c' }")
    (tmp_path / "catalogue.xml").write_text("<catalogue/>")
    readers = {reader.name: reader for reader in documents.find_scores(tmp_path)}
    assert sorted(readers) == ["packed", "song", "tune", "waltz"]
    assert sorted(caplog.messages) == [
        "left out: catalogue.xml: XML that is neither MusicXML nor MEI",
        f"left out: song.pdf: the {NOTATION} of the same name is used",
        "left out: waltz.krn: the LilyPond file of the same name is used",
    ]
    song = pickle.loads(pickle.dumps(readers["song"])).read()
    assert song.notes == ("the piano part alone; left out: Voice",)
    bars = song.places["bar"].tolist()
    assert bars == sorted(bars) and set(bars) == {0, 1, 2, 3}
    assert np.array_equal(readers["packed"].read().snippets, song.snippets)


def test_an_archive_is_read_like_its_folder(tmp_path):
    (tmp_path / "music").mkdir()
    page, _ = piano_page(2)
    Image.fromarray(page).save(tmp_path / "music/march.png")
    (tmp_path / "music/waltz.ly").write_text("{ c' }")
    with tarfile.open(tmp_path / "music.tar.gz", "w:gz") as tar:
        tar.add(tmp_path / "music", "music")
    names, counts = [], []
    for source in documents.find_scores(tmp_path / "music.tar.gz"):
        names.append(source.name)
        if source.name == "march":
            counts.append(source.read().places["system"].max())
    assert names == ["march", "waltz"] and counts == [2]


@pytest.mark.parametrize("name", ["nothing", "x" * 300, "a\0b", "text.txt", "empty"])
def test_what_holds_no_score_is_named(tmp_path, name):
    (tmp_path / "text.txt").write_text("nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as error:
        next(documents.find_scores(tmp_path / name))
    assert str(error.value).isprintable() and name.replace("\0", r"\x00") in str(error.value)
    assert "PIECES" not in str(error.value)


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
    assert note.startswith(f"page 2: left out ({tmp_path}/2.png: ") and note.isprintable()
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
    (source,) = documents.find_scores(tmp_path)
    document = source.read()
    assert list(document.pages) == [1, 3] and set(document.places["page"]) == {1, 3}
    (note,) = document.notes
    assert note.startswith(f"page 2: left out ({image}: not a readable image")
    for path in image.parent.iterdir():
        path.unlink()
    with pytest.raises(UserError, match="01.png: no such image"):
        source.read()


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
    (source,) = documents.find_scores(path)
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
