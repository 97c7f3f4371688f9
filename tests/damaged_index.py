"""Indices whose files are changed, with checksums that fit or do not, and those of old formats."""

import dataclasses
import json
from pathlib import Path

import numpy as np

from tempo_invariant import files
from tempo_invariant.retrieval import catalogue, index_rows, library, old_index
from tempo_invariant.retrieval.catalogue import Change

VECTORS, PLACES, HUBNESS = (index_rows.data_file(key, 1) for key in index_rows.DATA)


def renew_checksums(index: Path) -> None:
    """Makes the catalogue say that the files of an index are as they should be."""
    found = catalogue.load(index / catalogue.NAME)
    data = {key: index_rows.mapped(index, found, key) for key in index_rows.DATA}
    changes = []
    for document in found.documents.values():
        rows = slice(document.first, document.first + document.count)
        sums = index_rows.checksums({key: array[rows] for key, array in data.items()})
        changes.append(Change(dataclasses.replace(document, checksums=sums)))
    if found.search:
        checksum = files.sha256(index / found.search.file)
        changes.append(Change(search=dataclasses.replace(found.search, checksum=checksum)))
    catalogue.save(index / catalogue.NAME, found.header, changes)


def rewrite(index: Path, name: str, change) -> None:
    """Replaces the rows of a file by what a function makes of them, with their checksums."""
    found = catalogue.load(index / catalogue.NAME)
    rows = np.array(index_rows.mapped(index, found, name.partition("-")[0]))
    change(rows).tofile(index / name)
    renew_checksums(index)


def rewrite_header(index: Path, **change) -> None:
    """Writes a header with other values, and the changes as they are."""
    first, *rest = (index / catalogue.NAME).read_bytes().splitlines(keepends=True)
    header = json.loads(first.partition(b" ")[2]) | change
    text = json.dumps(header).encode()
    line = catalogue.checksum(text) + b" " + text + b"\n"
    (index / catalogue.NAME).write_bytes(b"".join([line, *rest]))


def forget(index: Path, **change) -> None:
    """Writes the catalogue as it was when it said less of documents, whose fields are replaced."""
    found = catalogue.load(index / catalogue.NAME)
    documents = found.documents.values()
    changes = [Change(dataclasses.replace(document, **change)) for document in documents]
    catalogue.save(index / catalogue.NAME, found.header, changes)


def make_old(index: Path, version: int = 1) -> None:
    """Turns an index into one of format 1, which had a search index in any case, or of format 2."""
    import faiss

    loaded = library.load(index)
    found = catalogue.load(index / catalogue.NAME)
    vectors = np.array(loaded.vectors)
    np.save(index / old_index.VECTORS, vectors)
    np.save(index / old_index.PLACES, loaded.places)
    np.save(index / old_index.PROBE, loaded.probe)
    if found.search:
        (index / found.search.file).rename(index / old_index.SEARCH)
    elif version == 1:
        flat = faiss.IndexFlatIP(vectors.shape[1])
        flat.add(vectors)
        faiss.write_index(flat, str(index / old_index.SEARCH))
    info = {
        "format": version,
        "kind": loaded.kind,
        "hop_frames": loaded.hop_frames,
        "step_pixels": loaded.step_pixels,
        "model": loaded.model,
        "count": len(vectors),
        "documents": list(loaded.documents),
        "source": loaded.source,
    }
    if version > 1:
        names = [name for name in old_index.FILES if (index / name).exists()]
        info["checksums"] = {name: files.sha256(index / name) for name in names}
    (index / old_index.INFO_NAME).write_text(json.dumps(info))
    for name in (catalogue.NAME, VECTORS, PLACES, HUBNESS, "lock"):
        (index / name).unlink()
