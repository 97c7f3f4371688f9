"""Documents that tests add to indices, and a check that an index holds nothing else."""

import zlib
from pathlib import Path

import numpy as np

from tempo_invariant.retrieval import hubness, library
from tempo_invariant.retrieval.index_writer import IndexWriter
from tests.fake_embedder import SIZE, FakeEmbedder

LIBRARY = {"waltz": 1, "march": 1, "fugue": 1, "gigue": 1}
"""Names and versions of documents."""


def random_cohort(probe: np.ndarray, kind: str) -> np.ndarray:
    """A cohort for the model that has none; stands for `hubness.find_cohort`."""
    return unit_vectors(50, 7)


def unit_vectors(count: int, seed: int) -> np.ndarray:
    """Random vectors of length 1: float32 [count, SIZE]."""
    vectors = np.random.default_rng(seed).standard_normal((count, SIZE)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def document(name: str, version: int) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and places of a version of a document, 20 to 39 of them."""
    seed = zlib.crc32(f"{name} {version}".encode())
    count = 20 + seed % 20
    places = np.zeros(count, library.KINDS["sheets"])
    places["page"], places["system"] = 1 + version, 1
    places["x"] = np.arange(count)
    return unit_vectors(count, seed), places


def update(path: Path, wanted: dict[str, int]) -> library.SnippetIndex:
    """Makes an index hold these versions of documents, step by step."""
    with IndexWriter(path, "sheets", FakeEmbedder(), 10, 25) as writer:
        for name, version in wanted.items():
            known = writer.documents.get(name)
            if known is None or known.content != str(version):
                pages = {1 + version: f"{name} {version}".encode()}
                writer.add(name, *document(name, version), str(version), pages, [f"{version}"])
        writer.drop([name for name in writer.documents if name not in wanted])
        return writer.finish()


def check(index: library.SnippetIndex, pages: bool = True) -> dict[str, int]:
    """Returns the versions of the documents of an index after a look at all that it holds."""
    versions, used = {}, 0
    for number, (name, entry) in enumerate(zip(index.documents, index.entries, strict=True)):
        # Of what an old index was made of nothing is known; there all are of version 1.
        versions[name] = int(entry.content or 1)
        vectors, places = document(name, versions[name])
        places["document"] = number
        rows = index.rows(number)
        assert np.array_equal(index.vectors[rows], vectors)
        assert np.array_equal(index.places[rows], places)
        assert np.array_equal(
            index.hubness[rows], hubness.hubness(vectors, random_cohort(None, ""))
        )
        assert entry.pages == 1 and entry.notes == ((entry.content,) if entry.content else ())
        image = index.page_path(number, 1 + versions[name])
        if pages:
            assert image.read_bytes() == f"{name} {versions[name]}".encode()
        used += len(vectors)
    assert np.count_nonzero(index.places["document"] >= 0) == used
    return versions
