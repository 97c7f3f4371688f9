"""Indices whose files are changed, with checksums that fit or do not."""

import json
from pathlib import Path

import numpy as np

from tempo_invariant import files
from tempo_invariant.retrieval import library

FILES = (library.VECTORS, library.PLACES, library.PROBE, library.SEARCH)


def renew_checksums(index: Path) -> None:
    """Makes index.json say that the files of an index are as they should be."""
    info = json.loads((index / library.INFO_NAME).read_text())
    info["checksums"] = {name: files.sha256(index / name) for name in info["checksums"]}
    (index / library.INFO_NAME).write_text(json.dumps(info))


def rewrite(index: Path, name: str, change) -> None:
    """Replaces an array by what a function makes of it, with its checksum."""
    array = np.load(index / name)
    np.save(index / name, change(array))
    renew_checksums(index)


def make_old(index: Path) -> None:
    """Turns an index into one of format 1, which had a search index in any case."""
    import faiss

    vectors = np.load(index / library.VECTORS)
    if not (index / library.SEARCH).exists():
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(vectors)
        faiss.write_index(flat, str(index / library.SEARCH))
    info = json.loads((index / library.INFO_NAME).read_text())
    del info["checksums"]
    (index / library.INFO_NAME).write_text(json.dumps(info | {"format": 1}))
