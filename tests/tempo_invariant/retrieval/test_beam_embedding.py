"""An index that is embedded on Beam: the one that this machine makes."""

import importlib.util
import pickle

import numpy as np
import pytest

from tempo_invariant.beam_runner import Runner
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import beam_embedding, embedders, indexing
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder

RUNNER = Runner("DirectRunner")


@pytest.fixture
def embedder(monkeypatch):
    """A model that workers can open; in a test they are threads of this process."""

    def open_embedder(kind, name):
        assert kind == "fake"
        return FakeEmbedder(int(name))

    monkeypatch.setattr(embedders, "open_embedder", open_embedder)
    beam_embedding._opened.cache_clear()
    embedder = FakeEmbedder()
    embedder.source = {"kind": "fake", "name": "0"}
    return embedder


@pytest.fixture
def scores(tmp_path):
    for number, name in enumerate(("a", "b", "c", "d")):
        fake_embedder.write_score(tmp_path, name, np.arange(50 * number, 50 * number + 40))
    (mung,) = tmp_path.glob("msmd/b/scores/*/mung/01.xml")
    mung.write_text("nothing")
    return tmp_path / "msmd"


def check_same(embedder, scores, folder):
    """Compares the index of the runner with the one made here, and then lets it grow."""
    here = indexing.index_scores(embedder, scores, folder / "here")
    there = indexing.index_scores(embedder, scores, folder / "there", runner=RUNNER)
    assert there.index.documents == here.index.documents == ("a", "c", "d")
    assert there.left_out == here.left_out and len(here.left_out) == 1
    for name in ("vectors", "places", "hubness"):
        assert np.array_equal(getattr(there.index, name), getattr(here.index, name))
    for number in range(3):
        pages = [index.page_path(number, 1).read_bytes() for index in (here.index, there.index)]
        assert pages[0] == pages[1]
    fake_embedder.write_score(folder, "e", np.arange(100))
    more = indexing.index_scores(embedder, scores, folder / "there", runner=RUNNER)
    assert (more.added, more.unchanged) == (["e"], ["a", "c", "d"])
    assert not [path for path in (folder / "there").iterdir() if path.name.startswith(".partial")]


def test_what_workers_embed_is_the_same_index(embedder, scores, tmp_path, monkeypatch):
    """As on Beam: calls and what they return are pickled."""

    def run_calls(calls, directory, runner, unit):
        assert directory.is_dir() and runner == RUNNER
        for call in calls:
            yield pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(call))()))

    monkeypatch.setattr(beam_embedding, "run_calls", run_calls)
    check_same(embedder, scores, tmp_path)


@pytest.mark.skipif(importlib.util.find_spec("apache_beam") is None, reason="an extra")
@pytest.mark.slow
def test_beam_makes_the_same_index(embedder, scores, tmp_path):
    check_same(embedder, scores, tmp_path)


def test_what_workers_cannot_have_is_refused(scores, tmp_path):
    with pytest.raises(UserError, match="fake model 0 cannot be opened by the workers"):
        indexing.index_scores(FakeEmbedder(), scores, tmp_path / "index", runner=RUNNER)
    with pytest.raises(UserError, match="an archive, which workers of a runner do not see"):
        indexing.index_scores(FakeEmbedder(), "a.tar.gz", tmp_path / "index", runner=RUNNER)
    assert not (tmp_path / "index").exists()
