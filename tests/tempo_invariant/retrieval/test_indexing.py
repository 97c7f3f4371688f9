"""What fails for one score or recording is named, and the rest goes on."""

import errno
import os

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import parallel_reading
from tempo_invariant.retrieval import following, indexing, library
from tempo_invariant.scores import documents
from tests import fake_embedder
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

    def replacement(path):
        if path.name == name:
            raise error
        return read(path)

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
def test_what_befalls_all_scores_ends_the_work(scores, tmp_path, monkeypatch, error):
    monkeypatch.setattr(documents.msmd, "read_score", raising(error, "b"))
    with pytest.raises(type(error)):
        indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index")
    assert library.load(tmp_path / "index").documents == ("a",)


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


def test_a_score_without_one_of_its_pages_is_followed_from_its_index(tmp_path):
    folder = tmp_path / "msmd" / "piece" / "scores" / "piece_ly"
    fake_embedder.write_score(tmp_path, "piece", np.arange(100))
    for kind in ("img/{}.png", "mung/{}.xml"):
        page = (folder / kind.format("01")).read_bytes()
        for number in ("02", "03"):
            (folder / kind.format(number)).write_bytes(page)
    (folder / "img/02.png").write_bytes(b"no image")
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    document = following.read_score(tmp_path / "index")
    assert list(document.pages) == [1, 3] and set(document.places["page"]) == {1, 3}
