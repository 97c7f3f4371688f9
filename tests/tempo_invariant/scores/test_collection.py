"""Collections of scores of every kind: what is found in them, and what is said of the rest."""

import os
import pickle
import tarfile

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.scores import collection
from tempo_invariant.scores.folders import NO_KIND, NOTATION
from tests import fake_embedder, notation_scores
from tests.drawn_pages import piano_page


def test_pages_in_a_directory_are_scores(tmp_path):
    blank = Image.new("L", (600, 800), 255)
    (tmp_path / "suite").mkdir()
    for name in ("prelude.png", "suite/02.png", "suite/01.png", "suite/notes.txt"):
        if name.endswith("png"):
            blank.save(tmp_path / name)
        else:
            (tmp_path / name).write_text("nothing")
    sources = list(collection.find_scores(tmp_path))
    assert [source.name for source in sources] == ["prelude", "suite"]
    with pytest.raises(UserError, match="suite: no system on any page"):
        sources[1].read()
    assert [source.name for source in collection.find_scores(tmp_path / "prelude.png")] == [
        "prelude"
    ]
    with pytest.raises(UserError, match="no score 'fugue'"):
        list(collection.find_scores(tmp_path, documents=["fugue"]))


def test_readers_can_be_sent_to_other_processes_and_know_their_files(tmp_path):
    fake_embedder.write_score(tmp_path, "piece", np.arange(100))
    (tmp_path / "pages/suite").mkdir(parents=True)
    page, _ = piano_page(2)
    for name in ("b.png", "suite/02.png", "suite/01.png"):
        Image.fromarray(page).save(tmp_path / "pages" / name)
    with collection.open_collection(tmp_path / "msmd") as found:
        (piece,) = found
    score = tmp_path / "msmd/piece/scores/piece_ly"
    assert piece.files == (score / "img/01.png", score / "mung/01.xml")
    with collection.open_collection(tmp_path / "pages") as found:
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
    names = [source.name for source in collection.find_scores(tmp_path)]
    assert names == ["b", "b.png", r"caf\xe9\x1b", "suite", "waltz"]
    assert caplog.messages == [
        f"left out: march.xyz, suite/notes.txt: {NO_KIND}",
        "left out: waltz.pdf: the LilyPond file of the same name comes first",
        r"b.png, caf\xe9\x1b.jpg: each image is a score of its own; the pages of one score have a "
        "folder to themselves",
    ]
    # The score of one name, however it is written, and no word about the others.
    caplog.clear()
    for name in (r"caf\xe9\x1b", os.fsdecode(b"caf\xe9\x1b")):
        (found,) = collection.find_scores(tmp_path, documents=[name])
        assert found.name == r"caf\xe9\x1b"
    assert not caplog.messages
    # With a table, the LilyPond files that it does not list are parts of those that it does.
    (tmp_path / "PIECES.tsv").write_text("Chopin_waltz\twaltz.ly\n")
    (tmp_path / "style.ly").write_text("nothing")
    names = [source.name for source in collection.find_scores(tmp_path)]
    assert names == ["Chopin_waltz", "b", "b.png", r"caf\xe9\x1b", "suite"]
    assert not any("PIECES" in message or "style" in message for message in caplog.messages)


def test_scores_for_notation_programs_are_engraved_with_their_bars(tmp_path, caplog):
    (tmp_path / "song.musicxml").write_text(notation_scores.MUSICXML)
    (tmp_path / "packed.mxl").write_bytes(notation_scores.packed())
    (tmp_path / "tune.abc").write_text(notation_scores.ABC)
    for name in ("waltz.ly", "waltz.krn", "song.pdf"):
        (tmp_path / name).write_text("{ c' }")
    (tmp_path / "catalogue.xml").write_text("<catalogue/>")
    readers = {reader.name: reader for reader in collection.find_scores(tmp_path)}
    assert sorted(readers) == ["packed", "song", "tune", "waltz"]
    assert sorted(caplog.messages) == [
        "left out: catalogue.xml: XML that is neither MusicXML nor MEI",
        f"left out: song.pdf: the {NOTATION} of the same name comes first",
        "left out: waltz.krn: the LilyPond file of the same name comes first",
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
    for source in collection.find_scores(tmp_path / "music.tar.gz"):
        names.append(source.name)
        if source.name == "march":
            counts.append(source.read().places["system"].max())
    assert names == ["march", "waltz"] and counts == [2]


@pytest.mark.parametrize("name", ["nothing", "x" * 300, "a\0b", "text.txt", "empty"])
def test_what_holds_no_score_is_named(tmp_path, name):
    (tmp_path / "text.txt").write_text("nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError) as error:
        next(collection.find_scores(tmp_path / name))
    assert str(error.value).isprintable() and name.replace("\0", r"\x00") in str(error.value)
    assert "PIECES" not in str(error.value)
