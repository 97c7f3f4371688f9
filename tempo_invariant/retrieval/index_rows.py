"""The rows of an index in its files: where they are, and whether they are as they were written."""

import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tempo_invariant import files
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.catalogue import KINDS, MENDED, Catalogue, Document, Header

VECTORS, PLACES, HUBNESS = DATA = "vectors", "places", "hubness"
"""Kinds of files that have a row for every vector."""


def data_file(name: str, generation: int) -> str:
    """Returns the name of a file with a row for every vector."""
    return f"{name}-{generation}.bin"


def data_type(name: str, header: Header) -> np.dtype:
    """Returns the type of a row of such a file."""
    if name == VECTORS:
        return np.dtype(("<f4", (len(header.probe[0]),)))
    return KINDS[header.kind] if name == PLACES else np.dtype("<f4")


def mapped(path: Path, found: Catalogue, name: str) -> np.ndarray:
    """Returns the rows of a file as they are in it."""
    rows = mapped_part(path, found, name)
    if len(rows) < found.rows:
        file = path / data_file(name, found.header.generation)
        size = file.stat().st_size
        raise UserError(
            f"{file}: damaged: {size:,} bytes, too few for {found.rows:,} rows; {MENDED}"
        )
    return rows


def mapped_part(path: Path, found: Catalogue, name: str) -> np.ndarray:
    """Returns the rows of a file that may be too short, as many as are there."""
    file = path / data_file(name, found.header.generation)
    dtype = data_type(name, found.header)
    count = min(found.rows, file.stat().st_size // dtype.itemsize)
    if not count:
        return np.zeros((0, *dtype.shape), dtype.base)
    return np.memmap(file, dtype.base, "r", 0, (count, *dtype.shape)).view(np.ndarray)


def damaged_documents(
    found: Catalogue, data: dict[str, np.ndarray]
) -> Iterator[tuple[Document, str]]:
    """Yields the documents whose rows are not as they were written, with the kind of a file.

    Args:
        found: The catalogue.
        data: Rows of the files by their kind, fewer where a file is too short.
    """
    for document in found.documents.values():
        rows = slice(document.first, document.first + document.count)
        sums = checksums({name: array[rows] for name, array in data.items()})
        for name, one, other in zip(DATA, sums, document.checksums, strict=True):
            if one != other:
                yield document, name
                break


def checksums(data: dict[str, np.ndarray]) -> tuple[int, int, int]:
    """Returns the checksums of the rows of a document, by the kind of file."""
    first, second, third = (checksum(data[name]) for name in DATA)
    return first, second, third


def checksum(rows: np.ndarray) -> int:
    """Returns the CRC-32 of the bytes of rows."""
    return zlib.crc32(np.ascontiguousarray(rows).view(np.uint8).data)


def is_search_whole(path: Path, found: Catalogue) -> bool:
    """Whether the file for searching, if the catalogue has one, is as it was written."""
    search = found.search
    return search is None or files.sha256(path / search.file) == search.checksum
