"""Scores read in processes that work for this one, with their pages as they are stored."""

import dataclasses
import zlib
from collections.abc import Generator, Iterable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import numpy as np

from tempo_invariant import progress, worker_processes
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


def read_telling(directory: Path, keep_pages: bool, reader: ScoreReader) -> ReadScore:
    """Reads a score as `read` does, and tells in a file how far it has got, see `told_pages`."""
    path = _telling_file(directory, reader.name)

    def tell(what: str, done: int, total: int | None) -> None:
        if what == "pages":
            path.write_text(f"{done} {total or 0}")

    with progress.told(tell):
        return read(keep_pages, reader)


def told_pages(directory: Path, name: str) -> tuple[int, int]:
    """Returns how many pages of a score are read, and how many it has; zeros if that is not known.

    Args:
        directory: Directory that `read_telling` was given.
        name: Name of the score.
    """
    try:
        done, total = _telling_file(directory, name).read_text().split()
    except (OSError, ValueError):  # nothing yet, or only half of it
        return 0, 0
    return int(done), int(total)


def _telling_file(directory: Path, name: str) -> Path:
    return directory / f"{zlib.crc32(name.encode()):08x}.pages"


def read(keep_pages: bool, reader: ScoreReader) -> ReadScore:
    """Reads a score, and its pages as they are stored."""
    document = reader.read()
    images = None
    if keep_pages:
        images = {number: png_bytes(image) for number, image in document.pages.items()}
    return ReadScore(dataclasses.replace(document, pages={}), images, len(document.pages))
