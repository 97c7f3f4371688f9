"""An index of embeddings with their places: a directory that grows, and is whole at any moment.

```
INDEX/
  catalogue.txt      what the model is, and the documents with their rows, see `catalogue`
  vectors-G.bin      float32 [rows, size], unit length
  places-G.bin       one row a vector, see `tempo_invariant.scores.places`
  hubness-G.bin      float32 [rows], see `hubness`
  neighbours-G-N.faiss  the search index of the first N rows, where they are too many to compare all
  pages/             page images of the scores, which have checksums of their own
  lock               held by the one process that writes
```

Files only grow, and what no line of the catalogue tells of is no part of the index. Documents that
were dropped leave holes, which `IndexWriter` does away with by a new generation G of files. Here
is the reading; indices of formats 1 and 2 are read as well (`old_index`). Damage to the search
index of very many vectors may end the process: FAISS does not check what it reads.
"""

import dataclasses
import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.retrieval import catalogue, hubness, index_rows, old_index, soundness
from tempo_invariant.retrieval.catalogue import (
    ANEW,
    AUDIO,
    KINDS,
    MENDED,
    Catalogue,
    Document,
)
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.index_directory import is_index
from tempo_invariant.retrieval.model_identity import check_same_model
from tempo_invariant.retrieval.neighbours import Neighbours
from tempo_invariant.scores.images import open_image, to_grey
from tempo_invariant.wording import counted

__all__ = ["AUDIO", "KINDS", "Document", "SnippetIndex", "is_index", "load", "read_page"]

PAGES = "pages"

NOUNS = {"sheets": "score", "recordings": "recording"}
"""What the documents of an index are called, by its kind."""

_TRIES = 5
"""How often an index is looked at that a writer replaces at the same time."""


@dataclasses.dataclass(frozen=True, repr=False)
class SnippetIndex:
    """An index in memory, its vectors memory-mapped: the state that it had when it was loaded.

    The rows of a document are contiguous; documents need not lie in order.

    Attributes:
        path: The directory.
        kind: Kind of the documents, "sheets" or "recordings".
        documents: Names of the scores or recordings, in the order in which they were added.
        entries: What else is known of each document.
        starts: First row of every document, int64 [documents].
        lengths: Number of rows of every document, int64 [documents].
        places: Place of every vector, [count], of the kind's type in `KINDS`; the document is -1
            for a row that belongs to none any more.
        hubness: Hubness of every vector, float32 [count]; zeros where the model has no cohort.
        editions: Groups of documents that are the same music, by their places in `documents`.
        neighbours: The vectors and the search in them.
        hop_frames: Distance of windows that it was made with, in spectrogram frames.
        step_pixels: Distance of snippets that it was made with, in page pixels.
        model: Description of the model that made the embeddings, in words.
        probe: The identity of that model, float32 [rows, size], see `model_identity.probe`.
        source: Arguments of `embedders.open_embedder` that opened it; empty where none is known.
    """

    path: Path
    kind: str
    documents: tuple[str, ...]
    entries: tuple[Document, ...]
    starts: np.ndarray
    lengths: np.ndarray
    places: np.ndarray
    hubness: np.ndarray
    editions: tuple[tuple[int, ...], ...]
    neighbours: Neighbours
    hop_frames: int
    step_pixels: int
    model: str
    probe: np.ndarray
    source: dict[str, str] = dataclasses.field(default_factory=dict)

    def __repr__(self) -> str:
        held = counted(len(self.documents), NOUNS[self.kind])
        return f"{type(self).__name__}({str(self.path)!r}: {held}, {self.model})"

    @property
    def vectors(self) -> np.ndarray:
        """float32 [count, size]."""
        return self.neighbours.vectors

    def rows(self, document: int) -> slice:
        """Returns the rows of a document."""
        first = int(self.starts[document])
        return slice(first, first + int(self.lengths[document]))

    def page_path(self, document: int, page: int) -> Path:
        """Returns the file of a page image; there is none if the index was made without pages."""
        return self.path / PAGES / page_file(self.entries[document].id, page)

    def keeps_page(self, document: int, page: int) -> bool:
        """Whether the image of a page was kept, as far as is known, so that it should be there."""
        images = self.entries[document].images
        return self.page_path(document, page).is_file() if images is None else page in images

    def check_model(self, embedder: Embedder) -> None:
        """Raises `UserError` unless the index was made with this model."""
        check_same_model(self.probe, embedder, f"{self.path} was made with {self.model}")


def page_file(number: int, page: int) -> str:
    """Returns the name of a page image of the document of a number (`Document.id`)."""
    return f"{number:06d}_{page:03d}.png"


def read_page(path: Path) -> np.ndarray:
    """Reads a page image of an index: uint8 [rows, columns].

    Raises:
        UserError: It is missing, damaged (a PNG has checksums) or larger than a page can be.
    """
    check_page(path)
    with open_image(path, ("PNG",)) as image:
        return to_grey(image)


def check_page(path: Path) -> None:
    """Raises `UserError` if a page image of an index is missing or damaged."""
    if not path.is_file():
        raise UserError(f"{path}: no such page image")
    with open_image(path, ("PNG",)) as image:
        image.verify()


def wrong_kind(path: str | os.PathLike, kind: str, needed: str) -> str:
    """Returns that an index holds documents of another kind than is needed."""
    return f"{path}: an index of {NOUNS[kind]}s, where one of {NOUNS[needed]}s is needed"


def load(
    path: str | os.PathLike, kind: str | None = None, tell_waiting: bool = True
) -> SnippetIndex:
    """Reads an index, and makes sure that its files are as they were written.

    All vectors are read for that once, some gigabytes a second; then they stay in their file. That
    it is not complete, since the process that wrote it has not finished, is said in a warning.

    Args:
        path: The directory.
        kind: Kind that it must have, "sheets" or "recordings"; None: either.
        tell_waiting: Whether that warning is given.

    Raises:
        UserError: It is missing, damaged or of the other kind, or holds no document.
    """
    path = Path(path)
    if not is_index(path):
        raise UserError(
            f"{path} is not an index: it holds no {catalogue.NAME} "
            "(tempo-invariant index makes one)"
        )
    made = (path / catalogue.NAME).exists()
    index = _load(path, tell_waiting) if made else _load_old(path)
    if kind and index.kind != kind:
        raise UserError(wrong_kind(path, index.kind, kind))
    return index


def _load(path: Path, tell_waiting: bool) -> SnippetIndex:
    """Reads an index; one that is replaced meanwhile is looked at again."""
    generation = None
    for _ in range(_TRIES):
        found = catalogue.load(path / catalogue.NAME)
        try:
            index = opened(path, found)
        except FileNotFoundError as error:
            state = found.header.generation, found.search
            if state == generation:
                name = f"{error.filename}: no such file, though {catalogue.NAME} is there"
                raise UserError(f"{name}; {MENDED}") from error
            generation = state
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
        else:
            if tell_waiting:
                _tell_waiting(index, found.waiting)
            return index
    raise UserError(f"{path}: is being replaced all the time; try again")


def _tell_waiting(index: SnippetIndex, waiting: int) -> None:
    if waiting:
        kind = NOUNS[index.kind]
        what = counted(waiting, kind) if waiting > 0 else f"some {kind}s"
        what += " was" if waiting == 1 else " were"
        logging.warning(
            "%s: not complete: %s still to come when it was last written; the same index command "
            "goes on",
            *(index.path, what),
        )


def opened(path: Path, found: Catalogue) -> SnippetIndex:
    """Returns the index that a catalogue tells of.

    Raises:
        UserError: It is damaged, or holds no document.
        OSError: A file is missing or cannot be read.
    """
    header, documents = found.header, tuple(found.documents.values())
    if not documents:
        raise UserError(f"{path}: holds no document; the same index command goes on")
    probe = np.array(header.probe, np.float32)
    data = {name: index_rows.mapped(path, found, name) for name in index_rows.DATA}
    for document, name in index_rows.damaged_documents(found, data):
        file = path / index_rows.data_file(name, header.generation)
        raise UserError(
            f"{file}: damaged: its checksum is another than {catalogue.NAME} has, for "
            f"{document.name}; {MENDED}"
        )
    vectors, places, hubs = data.values()
    problem = soundness.problem(vectors, places, probe, KINDS[header.kind])
    if not problem and not (np.abs(hubs) <= 2).all():
        problem = "hubness that no vector has"
    if problem:
        raise UserError(f"{path}: damaged index: {problem}; {ANEW}")
    places = np.array(places)
    places["document"] = -1
    for number, document in enumerate(documents):
        places["document"][document.first : document.first + document.count] = number
    numbers = {document.id: number for number, document in enumerate(documents)}
    return SnippetIndex(
        path,
        header.kind,
        tuple(document.name for document in documents),
        documents,
        np.array([document.first for document in documents], np.int64),
        np.array([document.count for document in documents], np.int64),
        places,
        np.array(hubs),
        tuple(tuple(numbers[each] for each in group) for group in found.editions),
        _neighbours(path, found, vectors, penalties(places, hubs)),
        header.hop_frames,
        header.step_pixels,
        header.model,
        probe,
        header.source,
    )


def penalties(places: np.ndarray, hubs: np.ndarray) -> np.ndarray | None:
    """Returns what the search takes off: hubness, and all of rows that belong to no document."""
    held = places["document"] >= 0
    if held.all() and not hubs.any():
        return None
    return np.where(held, hubs, np.float32(np.inf))


def _neighbours(
    path: Path, found: Catalogue, vectors: np.ndarray, taken_off: np.ndarray | None
) -> Neighbours:
    if found.search is None:
        return Neighbours(vectors, None, taken_off)
    file = path / found.search.file
    if Path(found.search.file).name != found.search.file:
        name = path / catalogue.NAME
        raise UserError(f"{name}: damaged: {found.search.file!r} is no file of it; {ANEW}")
    if not index_rows.is_search_whole(path, found):
        reason = f"its checksum is another than {catalogue.NAME} has"
        raise UserError(f"{file}: damaged: {reason}; {MENDED}")
    return Neighbours.load(file, vectors, taken_off)


def _load_old(path: Path) -> SnippetIndex:
    old = old_index.load(path)
    info = old.info
    hubs = hubness.hubness(old.vectors, hubness.find_cohort(old.probe, info.kind))
    return SnippetIndex(
        path,
        info.kind,
        tuple(info.documents),
        tuple(old.entries()),
        old.starts[:-1],
        np.diff(old.starts),
        old.places,
        hubs,
        (),
        Neighbours.load(path / old_index.SEARCH, old.vectors, penalties(old.places, hubs)),
        info.hop_frames,
        info.step_pixels,
        info.model,
        old.probe,
        info.source,
    )


def names(documents: Sequence[str]) -> list[str]:
    """Makes names distinct: the second "x" becomes "x (2)"."""
    seen: dict[str, int] = {}
    result = []
    for name in documents:
        seen[name] = seen.get(name, 0) + 1
        result.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return result


def shorten_name(name: str, width: int) -> str:
    """Returns a name that is at most `width` characters wide, with an ellipsis if it is cut."""
    return name if len(name) <= width else name[: width - 1] + "…"
