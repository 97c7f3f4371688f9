"""An index that grows: killed anywhere, read meanwhile, written by two, taken over."""

import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import hubness, library
from tempo_invariant.retrieval.index_writer import IndexWriter
from tests import damaged_index, growing
from tests.fake_embedder import SIZE, FakeEmbedder
from tests.growing import LIBRARY

CHANGED = {"march": 2, "fugue": 1, "polka": 1}
"""What `LIBRARY` becomes: one has changed, one is new, and two are gone: many holes."""


@pytest.fixture
def cohort(monkeypatch):
    monkeypatch.setattr(hubness, "find_cohort", growing.random_cohort)


def kill_everywhere(base, scratch, stride, target):
    """Runs `tests.killed_writer` and returns the number of different states that it saw."""
    scratch.mkdir()
    arguments = [str(base), str(scratch), str(stride), json.dumps(target)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_writer", *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},  # threads do not survive a fork
    )
    assert done.returncode == 0, done.stderr
    lines, states = map(int, done.stdout.split())
    assert lines > 400
    return states


@pytest.mark.parametrize("stride", [53, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_anywhere_it_loses_the_document_in_hand_at_most(cohort, tmp_path, stride):
    growing.update(tmp_path / "index", LIBRARY)
    assert kill_everywhere(tmp_path / "index", tmp_path / "a", stride, CHANGED) >= 3
    (tmp_path / "new").mkdir()
    assert kill_everywhere(tmp_path / "new", tmp_path / "b", stride, LIBRARY) >= 4
    damaged_index.make_old(tmp_path / "index", 2)
    assert kill_everywhere(tmp_path / "index", tmp_path / "c", stride, CHANGED) >= 3


def test_readers_see_whole_states_while_it_is_written(cohort, tmp_path):
    path = tmp_path / "index"
    growing.update(path, {"waltz": 0})
    seen, problems, stop = set(), [], threading.Event()

    def read():
        try:
            while not stop.is_set():
                index = library.load(path)
                seen.add(tuple(sorted(growing.check(index, pages=False).items())))
        except BaseException as error:
            problems.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    possible = set()
    for number in range(1, 13):  # every one replaces most of what is there: holes are closed up
        wanted = {"waltz": number, "march": number // 2, f"polka {number % 3}": number}
        index = growing.update(path, wanted)
        possible.add(tuple(sorted(growing.check(index).items())))
    stop.set()
    reader.join()
    assert not problems
    assert len(seen) > 3 and all("waltz" in dict(state) for state in seen)
    assert int(next(path.glob("vectors-*")).stem.partition("-")[2]) > 3  # generations


def test_an_index_in_memory_stays_as_it_was_loaded(cohort, tmp_path):
    before = growing.update(tmp_path / "index", LIBRARY)
    growing.update(tmp_path / "index", CHANGED)
    assert growing.check(before) == LIBRARY


def test_holes_are_closed_up_when_they_are_many(cohort, tmp_path):
    many = {f"piece {number}": 1 for number in range(12)}
    path = tmp_path / "index"
    growing.update(path, many)
    index = growing.update(path, many | {"piece 3": 2})
    assert len(index.places) > index.lengths.sum() and index.documents[-1] == "piece 3"
    hole = np.flatnonzero(index.places["document"] < 0)
    assert len(hole) == len(growing.document("piece 3", 1)[0])
    assert growing.check(index) == many | {"piece 3": 2}
    fewer = {name: 1 for name in list(many)[5:]}
    index = growing.update(path, fewer)
    assert len(index.places) == index.lengths.sum()
    assert growing.check(index) == fewer
    assert [entry.id for entry in index.entries] == [*range(5, 12)]
    assert growing.check(growing.update(path, fewer | {"new": 1})) == fewer | {"new": 1}
    # Page images are kept for those who may show them still, until the next writer comes.
    assert len(list((path / "pages").iterdir())) == 8


def test_two_cannot_write_at_once(tmp_path):
    with IndexWriter(tmp_path / "index", "sheets", FakeEmbedder(), 10, 25) as writer:
        writer.add("waltz", *growing.document("waltz", 1))
        other = IndexWriter(tmp_path / "index", "sheets", FakeEmbedder(), 10, 25)
        with pytest.raises(UserError, match="index: another process is writing to it"):
            other.__enter__()
        writer.add("march", *growing.document("march", 1))
        assert writer.finish().documents == ("waltz", "march")
    growing.update(tmp_path / "index", LIBRARY)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ("recordings", FakeEmbedder(), 10, 25),
            "an index of scores, where one of rec",
        ),
        (("sheets", FakeEmbedder(1), 10, 25), "fake model 0, and fake model 1 is another model"),
        (("sheets", FakeEmbedder(), 10, 50), "was made with step_pixels 25, not 50"),
    ],
)
@pytest.mark.parametrize("version", [2, 3])
def test_what_does_not_fit_is_refused(tmp_path, arguments, message, version):
    growing.update(tmp_path / "index", LIBRARY)
    if version == 2:
        damaged_index.make_old(tmp_path / "index", 2)
    names = sorted(os.listdir(tmp_path / "index"))
    with pytest.raises(UserError, match=message):
        with IndexWriter(tmp_path / "index", *arguments):
            pass
    assert sorted({*os.listdir(tmp_path / "index")} - {"lock"}) == [n for n in names if n != "lock"]
    assert len(library.load(tmp_path / "index").documents) == 4


def test_nothing_is_left_of_an_index_without_documents(tmp_path):
    with (
        pytest.raises(UserError, match="not one document"),
        IndexWriter(tmp_path / "index", "sheets", FakeEmbedder(), 10, 50) as writer,
    ):
        writer.finish()
    with IndexWriter(tmp_path / "index", "sheets", FakeEmbedder(), 10, 25) as writer:
        wrong = np.full((3, SIZE), np.nan)
        with pytest.raises(UserError, match="waltz: fake model 0 gives vectors that are not of"):
            writer.add("waltz", wrong, np.zeros(3, library.KINDS["sheets"]))
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(UserError, match="mine exists already and is no index"):
        IndexWriter(tmp_path / "mine", "sheets", FakeEmbedder(), 10, 25)


@pytest.mark.parametrize("name", ["notes.txt", "pages/notes.txt"])
def test_the_files_of_others_stay_when_the_last_document_goes(cohort, tmp_path, name):
    path = tmp_path / "index"
    growing.update(path, LIBRARY)
    (path / name).write_text("mine")
    with pytest.raises(UserError, match="not one document"):
        growing.update(path, {})
    assert (path / name).read_text() == "mine"
    assert growing.check(growing.update(path, LIBRARY)) == LIBRARY
    (path / name).unlink()
    with pytest.raises(UserError, match="not one document"):
        growing.update(path, {})
    assert not path.exists()


def test_what_could_not_be_read_back_is_not_written(tmp_path):
    path, name = tmp_path / "index", os.fsdecode(b"caf\xe9")
    growing.update(path, LIBRARY)
    with IndexWriter(path, "sheets", FakeEmbedder(), 10, 25) as writer:
        with pytest.raises(UserError, match="^catalogue.txt: document: name: must be a text"):
            writer.add(name, *growing.document("polka", 1), "1")
        writer.add("polka", *growing.document("polka", 1), "1")
        assert writer.finish().documents == (*LIBRARY, "polka")
    assert library.load(path).documents == (*LIBRARY, "polka")


def test_a_model_whose_path_is_not_utf8_has_an_index_that_does_not_name_it(tmp_path):
    embedder = FakeEmbedder()
    run = os.fsdecode(b"/runs/caf\xe9")
    embedder.name, embedder.source = f"the run {run}", {"kind": "run", "name": run}
    for name in ("waltz", "march"):
        with IndexWriter(tmp_path / "index", "sheets", embedder, 10, 25) as writer:
            writer.add(name, *growing.document(name, 1))
            writer.finish()
    index = library.load(tmp_path / "index")
    assert index.documents == ("waltz", "march")
    assert (index.model, index.source) == (r"the run /runs/caf\xe9", {})


def flip(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def spoil_line(path, number):
    """Changes a number in a line of a catalogue, whose checksum is then another."""
    lines = path.read_bytes().splitlines(keepends=True)
    flip(path, sum(map(len, lines[:number])) + 30)


@pytest.mark.parametrize(
    ("spoil", "message", "lost"),
    [
        (lambda index: flip(index / damaged_index.PLACES, 100), "for waltz", "waltz"),
        (lambda index: flip(index / damaged_index.HUBNESS, -1), "for gigue", "gigue"),
        (
            lambda index: os.truncate(index / damaged_index.VECTORS, 64 * 70),
            "too few",
            "fugue, gigue",
        ),
        (lambda index: (index / damaged_index.PLACES).unlink(), "no such file", "waltz, march"),
        (lambda index: spoil_line(index / "catalogue.txt", 2), "line 3: damaged", "line 3"),
        (lambda index: spoil_line(index / "catalogue.txt", 1), "line 2: damaged", "line 2"),
    ],
)
def test_what_is_damaged_is_told_and_indexed_again(cohort, tmp_path, caplog, spoil, message, lost):
    path = tmp_path / "index"
    growing.update(path, LIBRARY)
    spoil(path)
    with pytest.raises(UserError, match=f"{message}.*; the same index command again mends it$"):
        library.load(path)
    assert growing.check(growing.update(path, LIBRARY)) == LIBRARY
    assert len(caplog.messages) == 1 and lost in caplog.messages[0]
    assert "indexed again" in caplog.messages[0]
    assert growing.check(library.load(path)) == LIBRARY


def test_an_index_whose_header_is_damaged_is_given_up(tmp_path):
    growing.update(tmp_path / "index", LIBRARY)
    flip(tmp_path / "index" / "catalogue.txt", 30)
    for use in (library.load, lambda path: growing.update(path, LIBRARY)):
        with pytest.raises(UserError, match="line 1: damaged.*; delete the index and make it"):
            use(tmp_path / "index")


def test_what_is_still_to_come_is_known(tmp_path, caplog):
    path = tmp_path / "index"
    with IndexWriter(path, "sheets", FakeEmbedder(), 10, 25) as writer:
        writer.wait_for(4)
        for name in ("waltz", "march"):
            writer.add(name, *growing.document(name, 1), "1")
    library.load(path)
    (said,) = caplog.messages
    assert said.startswith(f"{path}: not complete: 2 scores were still to come when it was last")
    caplog.clear()
    with IndexWriter(path, "sheets", FakeEmbedder(), 10, 25) as writer:
        writer.wait_for(-1)
        writer.add("fugue", *growing.document("fugue", 1), "1")
    library.load(path)
    assert "some scores were still to come" in caplog.messages[0]
    caplog.clear()
    growing.update(path, {"waltz": 1, "march": 1, "fugue": 1})
    library.load(path)
    assert not caplog.messages


def test_another_cohort_measures_hubness_anew(tmp_path, monkeypatch):
    index = growing.update(tmp_path / "index", LIBRARY)
    assert not index.hubness.any()
    monkeypatch.setattr(hubness, "find_cohort", growing.random_cohort)
    index = growing.update(tmp_path / "index", LIBRARY)
    assert growing.check(index) == LIBRARY and index.hubness.min() > 0


def test_the_search_covers_what_has_grown(cohort, tmp_path):
    """Above the limit of the exact search there is a file for it, made anew when it is outgrown."""
    path = tmp_path / "index"
    for count in (1100, 1110, 1500):
        with IndexWriter(path, "recordings", FakeEmbedder(), 10, 25, exact_limit=1000) as writer:
            rows = np.zeros(count, library.AUDIO)
            writer.add("noise", growing.unit_vectors(count, count), rows, str(count))
            index = writer.finish()
        assert not index.neighbours.exact
        for row in index.rows(0).start, index.rows(0).stop - 1:
            assert index.neighbours.search(index.vectors[[row]], 1)[1][0, 0] == row
        assert len(list(path.glob("*.faiss"))) == 1
