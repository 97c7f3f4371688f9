"""An index of embeddings with their places, as a directory that is whole or not there.

```
INDEX/
  index.json        kind, names of the documents, page files, what the model is
  vectors.npy       float32 [count, size], unit length, document by document
  places.npy        one row a vector, see `tempo_invariant.scores.places`
  neighbours.faiss  the search index
  probe.npy         what the model makes of a fixed probe: its identity
  pages/            page images of the scores
```
"""

import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import write_json
from tempo_invariant.retrieval import library, neighbours
from tempo_invariant.retrieval.embedders import Embedder, check_same_model, probe
from tempo_invariant.retrieval.neighbours import Neighbours
from tempo_invariant.scores.places import SHEET, with_bars

FORMAT = 1
INFO_NAME = "index.json"


@dataclasses.dataclass(frozen=True)
class SnippetIndex:
    """An index in memory, its vectors memory-mapped.

    Attributes:
        path: The directory.
        kind: Kind of the documents, "sheets" or "recordings".
        documents: Names of the scores or recordings.
        starts: First row of every document, and the number of rows, int64 [documents + 1].
        places: Place of every vector, [count], of the kind's type in `KINDS`.
        neighbours: The vectors and the search in them.
        hop_frames: Distance of windows that it was made with, in spectrogram frames.
        step_pixels: Distance of snippets that it was made with, in page pixels.
        model: Description of the model that made the embeddings, in words.
        probe: The identity of that model, float32 [rows, size], see `embedders.probe`.
    """

    path: Path
    kind: str
    documents: tuple[str, ...]
    starts: np.ndarray
    places: np.ndarray
    neighbours: Neighbours
    hop_frames: int
    step_pixels: int
    model: str
    probe: np.ndarray

    @property
    def vectors(self) -> np.ndarray:
        """float32 [count, size]."""
        return self.neighbours.vectors

    @property
    def lengths(self) -> np.ndarray:
        """Number of vectors of every document: int64 [documents]."""
        return np.diff(self.starts)

    def rows(self, document: int) -> slice:
        """Returns the rows of a document."""
        return slice(int(self.starts[document]), int(self.starts[document + 1]))

    def page_path(self, document: int, page: int) -> Path:
        """Returns the file of a page image; there is none if the index was made without pages."""
        return self.path / "pages" / page_file(document, page)

    def check_model(self, embedder: Embedder) -> None:
        """Raises `UserError` unless the index was made with this model."""
        check_same_model(self.probe, embedder, f"{self.path} was made with {self.model}")


def page_file(document: int, page: int) -> str:
    """Returns the name of a page image in an index."""
    return f"{document:06d}_{page:03d}.png"


class IndexWriter:
    """Collects documents and writes the index in one step.

    Used as a context manager: the directory appears when `finish` is called, nothing is left
    behind otherwise.

    Args:
        path: The directory to make.
        kind: Kind of the documents, "sheets" or "recordings".
        embedder: The model.
        hop_frames: Distance of windows in spectrogram frames.
        step_pixels: Distance of snippets in page pixels.
        exact_limit: The most vectors that are searched exhaustively.

    Raises:
        UserError: The directory exists.
    """

    def __init__(
        self,
        path: str | os.PathLike,
        kind: str,
        embedder: Embedder,
        hop_frames: int,
        step_pixels: int,
        exact_limit: int = neighbours.EXACT_LIMIT,
    ):
        self.path = Path(path)
        if self.path.exists():
            raise UserError(f"{self.path} exists already: choose a new directory")
        neighbours.import_faiss()
        self._info = {
            "format": FORMAT,
            "kind": kind,
            "hop_frames": hop_frames,
            "step_pixels": step_pixels,
            "model": embedder.name,
        }
        self._place_type = library.KINDS[kind]
        self._probe = probe(embedder)
        self._exact_limit = exact_limit
        self._documents: list[str] = []
        self._vectors: list[np.ndarray] = []
        self._places: list[np.ndarray] = []

    def __enter__(self) -> "IndexWriter":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._partial = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.path.parent))
        return self

    def __exit__(self, *exception: object) -> None:
        shutil.rmtree(self._partial, ignore_errors=True)

    @property
    def next_document(self) -> int:
        """The number that the next document gets."""
        return len(self._documents)

    def add(self, name: str, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Adds a document.

        Args:
            name: Name of the score or recording.
            vectors: Its embeddings, float32 [count, size], unit length, in reading order.
            rows: Places of the vectors; the document's number is filled in.
        """
        rows = rows.astype(self._place_type, copy=True)
        rows["document"] = self.next_document
        self._documents.append(name)
        self._vectors.append(np.asarray(vectors, np.float32))
        self._places.append(rows)

    def add_page(self, page: int, image: np.ndarray) -> None:
        """Keeps the image uint8 [rows, columns] of a page of the next document."""
        from PIL import Image

        folder = self._partial / "pages"
        folder.mkdir(exist_ok=True)
        Image.fromarray(image).save(folder / page_file(self.next_document, page), optimize=True)

    def finish(self) -> "SnippetIndex":
        """Writes the rest, gives the directory its name and returns the index.

        Raises:
            UserError: There is no document, or the directory has been made meanwhile.
        """
        if not self._documents:
            raise UserError(f"{self.path}: nothing to write, not one document could be used")
        vectors, rows = np.concatenate(self._vectors), np.concatenate(self._places)
        np.save(self._partial / "vectors.npy", vectors)
        np.save(self._partial / "places.npy", rows)
        np.save(self._partial / "probe.npy", self._probe)
        neighbours.build(vectors, self._exact_limit).save(self._partial / "neighbours.faiss")
        info = self._info | {"count": len(vectors), "documents": self._documents}
        write_json(self._partial / INFO_NAME, info)
        self._partial.chmod(0o755)
        try:
            os.rename(self._partial, self.path)
        except OSError as error:
            raise UserError(f"{self.path}: cannot be written ({error.strerror})") from error
        return load(self.path)


def load(path: str | os.PathLike, kind: str | None = None) -> SnippetIndex:
    """Reads an index.

    Args:
        path: The directory.
        kind: Kind that it must have, "sheets" or "recordings"; None: either.

    Raises:
        UserError: It is missing, damaged or of the other kind.
    """
    path = Path(path)
    try:
        info = json.loads((path / INFO_NAME).read_text())
        if info["format"] != FORMAT:
            raise UserError(f"{path}: index of format {info['format']}, not {FORMAT}; make it anew")
        vectors = np.load(path / "vectors.npy", mmap_mode="r", allow_pickle=False)
        rows = with_bars(np.load(path / "places.npy", allow_pickle=False))
        probe_rows = np.load(path / "probe.npy", allow_pickle=False)
        found_kind, documents = info["kind"], tuple(info["documents"])
        settings = int(info["hop_frames"]), int(info["step_pixels"]), str(info["model"])
        whole = len(vectors) == len(rows) == info["count"] and vectors.ndim == 2
        whole = whole and rows.dtype == library.KINDS[found_kind]
    except FileNotFoundError as error:
        missing = Path(error.filename)
        if missing.name == INFO_NAME:
            raise UserError(
                f"{path} is not an index: it holds no {INFO_NAME} "
                "(python -m tempo_invariant.index makes one)"
            ) from error
        raise UserError(f"{missing}: no such file, though {INFO_NAME} is there") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise UserError(f"{path}: damaged index ({one_line(error)})") from error
    if not whole:
        raise UserError(f"{path}: damaged index: vectors and places do not fit together")
    if kind and found_kind != kind:
        raise UserError(f"{path}: an index of {found_kind}, where one of {kind} is needed")
    return SnippetIndex(
        path,
        found_kind,
        documents,
        _starts(rows["document"], len(documents), path),
        rows,
        Neighbours.load(path / "neighbours.faiss", vectors),
        *settings,
        probe_rows,
    )


def _starts(numbers: np.ndarray, count: int, path: Path) -> np.ndarray:
    """Returns the first row of every document, and the number of rows."""
    lengths = np.bincount(numbers, minlength=count)
    ordered = len(lengths) == count and lengths.all() and (np.diff(numbers) >= 0).all()
    if not ordered:
        raise UserError(f"{path}: damaged index: places do not name every document in order")
    return np.concatenate([[0], np.cumsum(lengths)])


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


AUDIO = np.dtype([("document", "<i4"), ("seconds", "<f4")])
"""A window: number of the recording, and where the middle of the window is in it."""


KINDS = {"sheets": SHEET, "recordings": AUDIO}
"""What an index can hold."""
