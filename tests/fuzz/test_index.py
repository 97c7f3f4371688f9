"""Five hundred times damage to an index, to each file in turn, under fitting checksums or not."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.retrieval import (
    catalogue,
    index_writer,
    indexing,
    library,
    old_index,
    one_score,
)
from tests import damaged_index, fake_embedder, fuzzing
from tests.damaged_index import HUBNESS, PLACES, VECTORS
from tests.fuzz.structured import damaged_json

pytestmark = pytest.mark.slow

DATA = (VECTORS, PLACES, HUBNESS)
SEARCH = "neighbours-1-1500.faiss"


def use(damage):
    """Loads an index with other content in one file, searches it and reads its pages."""
    directory, name, content, renewed = damage
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(directory, Path(scratch) / "index")
        (copy / name).write_bytes(content)
        if renewed:
            damaged_index.renew_checksums(copy)
        index = library.load(copy)
        queries = np.random.default_rng(0).standard_normal((5, index.vectors.shape[1]))
        queries /= np.linalg.norm(queries, axis=1, keepdims=True)
        products, found = index.neighbours.search(queries.astype(np.float32), 9)
        assert (np.abs(products) <= 1.001).all() and (found < len(index.vectors)).all()
        index.check_model(fake_embedder.FakeEmbedder())
        if index.kind == "sheets":
            one_score.read_score(copy, index.documents[0])


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    directory = tmp_path_factory.mktemp("index")
    fake_embedder.write_score(directory, "rising", np.arange(0, 100))
    fake_embedder.write_score(directory, "falling", np.arange(250, 110, -1))
    made = indexing.index_scores(
        fake_embedder.FakeEmbedder(), directory / "msmd", directory / "index"
    ).index
    return made.path


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    path = tmp_path_factory.mktemp("large") / "index"
    vectors = np.random.default_rng(0).standard_normal((1500, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    embedder = fake_embedder.FakeEmbedder()
    with index_writer.IndexWriter(path, "recordings", embedder, 10, 25, exact_limit=0) as writer:
        writer.add("noise", vectors, np.zeros(1500, library.AUDIO))
        writer.finish()
    return path


def damaged_files(directory, names, renewed):
    contents = [(directory / name).read_bytes() for name in names]
    for seed in range(fuzzing.COUNT):
        which = seed % len(names)
        content = fuzzing.damaged(contents[which], seed // len(names))
        yield directory, names[which], content, renewed


def test_files_of_an_index(index):
    names = [*DATA, catalogue.NAME, "pages/000000_001.png"]
    fuzzing.check(use, damaged_files(index, names, False))


def test_files_of_a_large_index(large):
    fuzzing.check(use, damaged_files(large, [*DATA, SEARCH, catalogue.NAME], False))


def test_arrays_with_right_checksums(index):
    fuzzing.check(use, damaged_files(index, DATA, True))


def test_files_of_an_index_without_checksums(index, tmp_path):
    """Format 1; its search index is not needed, and so not read, where all are compared."""
    old = shutil.copytree(index, tmp_path / "old")
    damaged_index.make_old(old)
    fuzzing.check(use, damaged_files(old, [*old_index.FILES, "index.json"], False))


def test_text_of_an_index(index):
    """Lines of another content under checksums that are right."""
    lines = (index / catalogue.NAME).read_bytes().splitlines()
    inputs = []
    for number, line in enumerate(lines):
        for text in damaged_json(line.partition(b" ")[2].decode()):
            text = text.encode() if isinstance(text, str) else text
            changed = catalogue.checksum(text) + b" " + text
            content = b"\n".join([*lines[:number], changed, *lines[number + 1 :], b""])
            inputs.append((index, catalogue.NAME, content, False))
    fuzzing.check(use, iter(inputs))
