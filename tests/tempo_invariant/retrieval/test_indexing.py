"""What fails for one score or recording is named, and the rest goes on."""

import contextlib
import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import parallel_reading
from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval import hubness, indexing, late_embedder, library, one_score
from tempo_invariant.scores import collection, documents
from tests import damaged_index, fake_embedder
from tests.fake_embedder import FakeEmbedder, melody

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.fixture
def scores(tmp_path):
    """Three pieces, of which the second makes trouble."""
    for name in ("a", "b", "c"):
        fake_embedder.write_score(tmp_path, name, np.arange(100))
    return tmp_path / "msmd"


def raising(error, name):
    """`documents.msmd.read_score`, with an error for the piece of one name."""
    read = documents.msmd.read_score

    def replacement(path, **options):
        if path.name == name:
            raise error
        return read(path, **options)

    return replacement


def test_one_bad_score_does_not_end_the_rest(scores, tmp_path, monkeypatch, caplog):
    error = IndexError("list index\nout of range")
    monkeypatch.setattr(documents.msmd, "read_score", raising(error, "b"))
    done = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index")
    index, problems = done.index, done.left_out
    assert index.documents == ("a", "c")
    assert problems == ["b: IndexError: list index out of range"]
    assert caplog.messages == ["left out: b: IndexError: list index out of range"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError(), FULL])
def test_what_befalls_all_scores_ends_the_work(scores, tmp_path, monkeypatch, caplog, error):
    monkeypatch.setattr(documents.msmd, "read_score", raising(error, "b"))
    path = tmp_path / "index"
    with pytest.raises(type(error)):
        indexing.index_scores(FakeEmbedder(), scores, path)
    assert caplog.messages == [f"{path}: 2 of 3 are left; the same command goes on with them"]
    assert library.load(path).documents == ("a",)
    assert "2 scores were still to come" in caplog.messages[1]
    monkeypatch.undo()
    caplog.clear()
    done = indexing.index_scores(FakeEmbedder(), scores, path)
    assert (done.unchanged, done.added) == (["a"], ["b", "c"])
    assert library.load(path).documents == ("a", "b", "c") and not caplog.messages


def test_the_model_is_opened_when_there_is_need_of_it(scores, tmp_path):
    opened = []

    def opener():
        opened.append(1)
        embedder = FakeEmbedder()
        embedder.source = {"kind": "pretrained", "name": "fake"}
        return embedder

    def later(name="fake"):
        return late_embedder._Later({"kind": "pretrained", "name": name}, "printed", opener)

    path = tmp_path / "index"
    (tmp_path / "empty").mkdir()
    for wrong in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(UserError):
            indexing.index_scores(later(), wrong, path)
        with pytest.raises(UserError):
            indexing.index_recordings(later(), wrong, path)
    assert not opened and not path.exists()
    indexing.index_scores(later(), scores, path)
    assert opened == [1]
    assert indexing.index_scores(later(), scores, path).unchanged == ["a", "b", "c"]
    with pytest.raises(UserError, match="step_pixels 24, not 7"):
        indexing.index_scores(later(), scores, path, step=7)
    assert opened == [1]
    assert indexing.index_scores(later("other"), scores, path).unchanged  # it may be another one
    assert opened == [1, 1]


def test_an_index_of_an_earlier_version_of_a_model_is_not_called_up_to_date(
    scores, tmp_path, monkeypatch
):
    path, newer = tmp_path / "index", FakeEmbedder(1)
    older = FakeEmbedder()
    older.name = newer.name = "pretrained best"
    older.source = newer.source = {"kind": "pretrained", "name": "best"}
    indexing.index_scores(older, scores, path)
    later = late_embedder._Later(newer.source, "printed", lambda: newer)
    with pytest.raises(UserError, match="made with pretrained best of another version, .* anew"):
        indexing.index_scores(later, scores, path)
    monkeypatch.setattr(hubness, "is_other_version", lambda source, probe: False)
    later = late_embedder._Later(older.source, "printed", lambda: pytest.fail("opened"))
    assert indexing.index_scores(later, scores, path).unchanged == ["a", "b", "c"]


def test_another_version_of_a_model_is_told_by_its_probe():
    probe = np.load(pretrained.find("best") / hubness.PROBE)
    for source, found, expected in (
        ({"kind": "pretrained", "name": "best"}, probe, False),
        ({"kind": "pretrained", "name": "best"}, probe[::-1], True),
        ({"kind": "pretrained", "name": "none of this name"}, probe[::-1], False),
        ({"kind": "run", "name": "best"}, probe[::-1], False),
        (None, probe[::-1], False),
    ):
        assert hubness.is_other_version(source, found) is expected


def test_a_model_that_cannot_be_opened_leaves_nothing(scores, tmp_path):
    def opener():
        raise UserError("no such model")

    with pytest.raises(UserError, match="no such model"):
        indexing.index_scores(
            late_embedder._Later({}, "printed", opener), scores, tmp_path / "index"
        )
    assert not (tmp_path / "index").exists()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.write_bytes(b"no image")])
def test_page_images_that_are_missing_or_damaged_come_back(scores, tmp_path, caplog, spoil):
    index = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index").index
    before = held(index)
    spoil(index.page_path(1, 1))
    bare = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index", keep_pages=False)
    assert bare.unchanged == ["a", "b", "c"] and not caplog.messages
    done = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index")
    assert (done.unchanged, done.replaced) == (["a", "c"], ["b"])
    assert "000001_001.png: " in caplog.messages[0] and "b is read again" in caplog.messages[0]
    assert held(done.index) == before


@pytest.mark.parametrize("earlier", [False, True])
def test_pages_come_to_an_index_that_was_made_without(scores, tmp_path, caplog, earlier):
    path, embedder = tmp_path / "index", FakeEmbedder()
    expected = held(indexing.index_scores(embedder, scores, tmp_path / "expected").index)
    indexing.index_scores(embedder, scores, path, keep_pages=earlier)
    if earlier:  # before it was written down which pages are kept
        damaged_index.forget(path, images=None)
        assert indexing.index_scores(embedder, scores, path).unchanged == ["a", "b", "c"]
        library.load(path).page_path(1, 1).unlink()
    done = indexing.index_scores(embedder, scores, path)
    assert done.replaced == (["b"] if earlier else ["a", "b", "c"])
    assert held(done.index) == expected and not caplog.messages
    assert indexing.index_scores(embedder, scores, path).unchanged == ["a", "b", "c"]


def test_one_bad_recording_does_not_end_the_rest(tmp_path, monkeypatch):
    music = tmp_path / "music"
    music.mkdir()
    for name in ("a", "b", "c"):
        soundfile.write(music / f"{name}.wav", melody(np.arange(20), 3.0), 22050)
    (music / "b.wav").rename(music / os.fsdecode(b"b\xff.wav"))
    read = parallel_reading.read_recordings

    def broken(paths, *arguments):
        def fail():
            raise ZeroDivisionError("no rate")
            yield

        for path, blocks in zip(paths, read(paths, *arguments), strict=True):
            yield fail() if "b" in path.name else blocks

    monkeypatch.setattr(parallel_reading, "read_recordings", broken)
    done = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index")
    index, problems = done.index, done.left_out
    assert index.documents == ("a", "c")
    assert problems == [rf"{music}/b\xff.wav: ZeroDivisionError: no rate"]
    assert list(indexing.find_recordings(music)) == ["a", r"b\xff", "c"]


def test_recordings_whose_paths_are_not_utf8_are_indexed_without_them(tmp_path):
    music = tmp_path / "music"
    for name in (b"caf\xe9.wav", b"b\xff/take.wav", b"plain.wav"):
        path = music / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as stream:
            soundfile.write(stream, melody(np.arange(20), 3.0), 22050, format="WAV")
    names = [r"b\xff/take", r"caf\xe9", "plain"]
    assert indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index").added == names
    index = library.load(tmp_path / "index")
    assert [entry.file for entry in index.entries] == ["", "", str(music / "plain.wav")]
    again = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index")
    assert again.unchanged == names


def test_recordings_have_names_by_path(tmp_path):
    names = ("take.wav", "take.flac", "take.wav.mp3", "monday/take.ogg", "monday/2.mp3")
    names += ("monday/10.mp3", "notes.txt", ".git/a.wav", "monday/._2.mp3", r"b\xff.wav")
    for name in (*names, os.fsdecode(b"b\xff.wav"), os.fsdecode(b"b\xff.flac")):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = indexing.find_recordings(tmp_path)
    relative = {name: os.fsencode(path.relative_to(tmp_path)) for name, path in found.items()}
    assert relative == {
        r"b\xff": rb"b\xff.wav",
        r"b\xff.flac": b"b\xff.flac",
        r"b\xff.wav": b"b\xff.wav",
        "monday/2": b"monday/2.mp3",
        "monday/10": b"monday/10.mp3",
        "monday/take": b"monday/take.ogg",
        "take": b"take.flac",
        "take.wav": b"take.wav",
        "take.wav.mp3": b"take.wav.mp3",
    }
    assert list(indexing.find_recordings(tmp_path / "monday/2.mp3")) == ["2"]
    with pytest.raises(UserError, match="nowhere: no audio file there"):
        indexing.find_recordings(tmp_path / "nowhere")


def test_what_is_no_recording_of_the_user_is_left_out(tmp_path, caplog):
    made = {"take-answer": "answer", "take-follow": "follow"}
    names = [f"{folder}/{name}.{end}" for folder, name in made.items() for end in ("html", "json")]
    names += ["take-answer/answer.wav", "take-follow/follow.flac", "cover.jpg", "take.wav"]
    names += ["queries/queries.json", "queries/audio/1.flac", "msmd/P/scores/P_ly/mung/01.xml"]
    names += ["msmd/P/performances/P/P.wav"]
    for name in names:
        (tmp_path / "music" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "music" / name).touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "b.wav").touch()
    (tmp_path / "music" / "linked").symlink_to(tmp_path / "other")
    found = ["linked/b", "msmd/P/performances/P/P", "queries/audio/1", "take"]
    assert list(indexing.find_recordings(tmp_path / "music")) == found
    assert caplog.messages == [
        "left out: cover.jpg, msmd/P/scores/P_ly/mung/01.xml, queries/queries.json: no audio file",
        "left out: take-answer: an answer",
        "left out: take-follow: a recording with its score",
    ]
    with pytest.raises(UserError, match="is an answer, and no folder of recordings"):
        indexing.find_recordings(tmp_path / "music" / "take-answer")


def test_a_score_without_one_of_its_pages_is_followed_from_its_index(tmp_path):
    folder = tmp_path / "msmd" / "piece" / "scores" / "piece_ly"
    fake_embedder.write_score(tmp_path, "piece", np.arange(100))
    for kind in ("img/{}.png", "mung/{}.xml"):
        page = (folder / kind.format("01")).read_bytes()
        for number in ("02", "03"):
            (folder / kind.format(number)).write_bytes(page)
    (folder / "img/02.png").write_bytes(b"no image")
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    document = one_score.read_score(tmp_path / "index")
    assert list(document.pages) == [1, 3] and set(document.places["page"]) == {1, 3}
    assert not document.notes
    damaged = tmp_path / "index/pages/000000_003.png"
    damaged.write_bytes(b"no image")
    document = one_score.read_score(tmp_path / "index")
    assert list(document.pages) == [1] and set(document.places["page"]) == {1}
    (note,) = document.notes
    assert note.startswith(f"page 3: left out ({damaged}: not a readable image (")


def held(index):
    """Vectors, places and pages of the documents of an index by name, in whatever order."""
    found = {}
    for number, name in enumerate(index.documents):
        rows = index.rows(number)
        places = np.array(index.places[rows])
        places["document"] = 0
        page = index.page_path(number, 1)
        image = page.read_bytes() if page.exists() else b""
        found[name] = index.vectors[rows].tobytes() + places.tobytes() + image
    return found


def test_an_index_that_has_grown_is_that_made_at_once(scores, tmp_path):
    path = tmp_path / "index"
    done = indexing.index_scores(FakeEmbedder(), scores, path)
    assert (done.added, done.replaced, done.unchanged) == (["a", "b", "c"], [], [])
    again = indexing.index_scores(FakeEmbedder(), scores, path)
    assert (again.added, again.replaced, again.unchanged) == ([], [], ["a", "b", "c"])
    assert list(again.summary()) == [f"{path}: 3 scores: nothing new"]
    shutil.rmtree(scores / "a")
    shutil.rmtree(scores / "b")
    fake_embedder.write_score(tmp_path, "b", np.arange(200, 100, -1), systems=2)
    fake_embedder.write_score(tmp_path, "d", np.arange(50, 150))
    done = indexing.index_scores(FakeEmbedder(), scores, path)
    assert (done.added, done.replaced, done.unchanged) == (["d"], ["b"], ["c"])
    assert not done.dropped and set(done.index.documents) == {"a", "b", "c", "d"}
    assert (
        list(done.summary())[1]
        == "1 score of the index not found there: a (--prune drops what is gone)"
    )
    done = indexing.index_scores(FakeEmbedder(), scores, path, prune=True)
    assert (done.dropped, done.gone, done.unchanged) == (["a"], [], ["b", "c", "d"])
    at_once = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "at once").index
    assert held(done.index) == held(at_once)
    only = indexing.index_scores(FakeEmbedder(), scores, path, documents=["c"])
    assert only.unchanged == ["c"] and set(only.index.documents) == {"b", "c", "d"}
    assert not only.gone
    for some in ({"documents": ["c"]}, {"split": "test"}):
        with pytest.raises(UserError, match="takes all scores"):
            indexing.index_scores(FakeEmbedder(), scores, path, prune=True, **some)


def test_an_index_is_not_lost_when_all_that_it_holds_is_gone(scores, tmp_path, caplog):
    path, wrong = tmp_path / "index", tmp_path / "wrong"
    before = held(indexing.index_scores(FakeEmbedder(), scores, path).index)
    wrong.mkdir()
    (wrong / "broken.pdf").write_bytes(b"no score")
    message = r"nothing is dropped, .* \(a, b, c\) nothing is there any more; delete it if"
    with pytest.raises(UserError, match=message):
        indexing.index_scores(FakeEmbedder(), wrong, path, prune=True)
    caplog.clear()
    assert held(library.load(path)) == before and not caplog.messages


def test_what_cannot_be_read_any_more_stays_as_it_was(scores, tmp_path):
    before = held(indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index").index)
    (mung,) = (scores / "b").glob("scores/*/mung/01.xml")
    mung.write_text("nothing")
    done = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index", prune=True)
    assert len(done.left_out) == 1 and "01.xml" in done.left_out[0]
    assert held(done.index) == before


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_index_is_taken_over(scores, tmp_path, version):
    """What is younger than the index is read again, since what was indexed is not known."""
    path = tmp_path / "index"
    made = held(indexing.index_scores(FakeEmbedder(), scores, path).index)
    damaged_index.make_old(path, version)
    for file in scores.rglob("*"):
        os.utime(file, (1e9, 1e9))
    shutil.rmtree(scores / "b")
    fake_embedder.write_score(tmp_path, "b", np.arange(100))
    for file in (scores / "b").rglob("*"):
        os.utime(file, (4e9, 4e9))
    done = indexing.index_scores(FakeEmbedder(), scores, path)
    assert (done.unchanged, done.replaced, done.added) == (["a", "c"], ["b"], [])
    assert held(done.index) == made
    assert not (path / "index.json").exists() and not (path / "vectors.npy").exists()


def test_recordings_come_and_go_likewise(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for name in ("a.wav", "a.flac", "b.wav"):
        soundfile.write(music / name, melody(np.arange(20), 3.0), 22050)
    first = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index")
    assert first.added == ["a", "a.wav", "b"]
    soundfile.write(music / "b.wav", melody(np.arange(40, 60), 3.0), 22050)
    (music / "a.wav").unlink()
    done = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index", prune=True)
    assert (done.unchanged, done.replaced, done.dropped) == (["a"], ["b"], ["a.wav"])
    at_once = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "at once").index
    assert held(done.index) == held(at_once)
    louder = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index", gain_db=6)
    assert louder.replaced == ["a", "b"]
    damaged_index.forget(tmp_path / "index", settings="")
    again = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index", gain_db=6)
    assert again.unchanged == ["a", "b"]


def test_two_scores_of_one_name_are_not_mixed_up(scores, tmp_path, monkeypatch):
    @contextlib.contextmanager
    def twice(*arguments):
        with collection.open_collection(*arguments) as readers:
            yield [*readers, readers[0]]

    monkeypatch.setattr(indexing, "open_collection", twice)
    done = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index")
    assert done.left_out == ["a: another of this name is used"]
    assert done.index.documents == ("a", "b", "c")


def test_scores_read_in_other_processes_are_the_same(scores, tmp_path):
    (page,) = (scores / "b").glob("scores/*/img/01.png")
    page.write_bytes(b"no image")
    here = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "here")
    there = indexing.index_scores(FakeEmbedder(), scores, tmp_path / "there", jobs=2)
    assert there.left_out == here.left_out and len(here.left_out) == 1
    assert there.index.documents == here.index.documents == ("a", "c")
    assert held(there.index) == held(here.index) and there.pages == here.pages == 2
