"""Scores read in processes that work for this one, with their pages as they are stored."""

import dataclasses
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from functools import partial

import numpy as np

from tempo_invariant import worker_processes
from tempo_invariant.scores.collection import ScoreReader
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.images import png_bytes


@dataclasses.dataclass(frozen=True)
class ReadScore:
    """A score that was read to be stored.

    Attributes:
        document: The score, without its pages.
        page_files: Images of its pages by number, as PNG files; None if they are not wanted.
        page_count: Number of its pages.
        vectors: Embeddings of its snippets, float32 [count, size], where they are known.
    """

    document: SheetDocument
    page_files: dict[int, bytes] | None
    page_count: int
    vectors: np.ndarray | None = None


def read_ahead(
    readers: Iterable[ScoreReader], keep_pages: bool, jobs: int
) -> Generator[tuple[ScoreReader, Future], None, None]:
    """Reads scores in processes, and yields them in their order; see `map_ahead`.

    Args:
        readers: Readers of the scores.
        keep_pages: Whether images of the pages are wanted.
        jobs: Number of processes; 0: they are read in this one.

    Yields:
        A reader, and what it reads: a `ReadScore`, or an error.
    """
    return worker_processes.map_ahead(partial(read, keep_pages), readers, jobs)


def read(keep_pages: bool, reader: ScoreReader) -> ReadScore:
    """Reads a score, and its pages as they are stored."""
    document = reader.read()
    images = None
    if keep_pages:
        images = {number: png_bytes(image) for number, image in document.pages.items()}
    return ReadScore(dataclasses.replace(document, pages={}), images, len(document.pages))
