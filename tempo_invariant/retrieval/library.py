"""An index of embeddings with their places, as a directory that is whole or not there.

```
INDEX/
  index.json        kind, names of the documents, what the model is, SHA-256 of the files below
  vectors.npy       float32 [count, size], unit length, document by document
  places.npy        one row a vector, see `tempo_invariant.scores.places`
  probe.npy         what the model makes of a fixed probe: its identity
  neighbours.faiss  the search index, where there are too many vectors to compare them all
  pages/            page images of the scores, which have checksums of their own
```

Format 1 had no checksums, and a search index in any case; it is read as well. Damage to such a
search index of very many vectors may end the process: FAISS does not check what it reads.
"""

import contextlib
import dataclasses
import functools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant import arrays, files, json_objects
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.retrieval import hubness, neighbours, soundness
from tempo_invariant.retrieval.embedders import Embedder, check_same_model, probe
from tempo_invariant.retrieval.neighbours import Neighbours
from tempo_invariant.scores.images import open_image, to_grey
from tempo_invariant.scores.places import SHEET

FORMAT = 2
INFO_NAME = "index.json"
VECTORS, PLACES, PROBE, SEARCH = "vectors.npy", "places.npy", "probe.npy", "neighbours.faiss"

AUDIO = np.dtype([("document", "<i4"), ("seconds", "<f4")])
"""A window: number of the recording, and where the middle of the window is in it."""

KINDS = {"sheets": SHEET, "recordings": AUDIO}
"""What an index can hold."""


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
        source: Arguments of `embedders.open_embedder` that opened it; empty where none is known.
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
    source: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def vectors(self) -> np.ndarray:
        """float32 [count, size]."""
        return self.neighbours.vectors

    @property
    def lengths(self) -> np.ndarray:
        """Number of vectors of every document: int64 [documents]."""
        return np.diff(self.starts)

    editions: tuple[tuple[int, ...], ...] = ()

    @functools.cached_property
    def hubness(self) -> np.ndarray:
        """Hubness of every vector, float32 [count]; zeros where the model has no cohort."""
        return hubness.hubness(self.vectors, hubness.find_cohort(self.probe, self.kind))

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


def read_page(path: Path) -> np.ndarray:
    """Reads a page image of an index: uint8 [rows, columns].

    Raises:
        UserError: It is missing, damaged (a PNG has checksums) or larger than a page can be.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such page image; make the index anew, with its pages")
    with open_image(path, ("PNG",)) as image:
        image.verify()
    with open_image(path, ("PNG",)) as image:
        return to_grey(image)


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
        UserError: The directory exists or cannot be written.
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
        files.check_output_directory(self.path, new=True)
        settings = hop_frames, step_pixels, embedder.name
        self._info = _Info(FORMAT, kind, *settings, 0, [], source=embedder.source or {})
        self._place_type = KINDS[kind]
        self._probe = probe(embedder)
        self._exact_limit = exact_limit
        self._vectors: list[np.ndarray] = []
        self._places: list[np.ndarray] = []

    def __enter__(self) -> "IndexWriter":
        files.remove_leftovers(self.path.parent)
        self._stack = contextlib.ExitStack()
        with files.telling_failures(self.path):
            self._partial = self._stack.enter_context(files.partial_directory(self.path.parent))
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def next_document(self) -> int:
        """The number that the next document gets."""
        return len(self._info.documents)

    def add(self, name: str, vectors: np.ndarray, rows: np.ndarray) -> None:
        """Adds a document.

        Args:
            name: Name of the score or recording.
            vectors: Its embeddings, float32 [count, size], unit length, in reading order.
            rows: Places of the vectors; the document's number is filled in.

        Raises:
            UserError: The model does not give vectors of unit length.
        """
        vectors = np.asarray(vectors, np.float32)
        if not soundness.are_unit(vectors):
            raise UserError(f"{name}: {self._info.model} gives vectors that are not of length 1")
        rows = rows.astype(self._place_type, copy=True)
        rows["document"] = self.next_document
        self._info.documents.append(name)
        self._vectors.append(vectors)
        self._places.append(rows)

    def add_page(self, page: int, image: np.ndarray) -> None:
        """Keeps the image uint8 [rows, columns] of a page of the next document."""
        from PIL import Image

        folder = self._partial / "pages"
        with files.telling_failures(self.path):
            folder.mkdir(exist_ok=True)
            Image.fromarray(image).save(folder / page_file(self.next_document, page), optimize=True)

    def finish(self) -> "SnippetIndex":
        """Writes the rest, gives the directory its name and returns the index.

        Raises:
            UserError: There is no document, or the directory has been made meanwhile.
        """
        if not self._info.documents:
            raise UserError(f"{self.path}: nothing to write, not one document could be used")
        vectors, rows = np.concatenate(self._vectors), np.concatenate(self._places)
        with files.telling_failures(self.path):
            arrays.save(self._partial / VECTORS, vectors)
            arrays.save(self._partial / PLACES, rows)
            arrays.save(self._partial / PROBE, self._probe)
            neighbours.build(vectors, self._exact_limit).save(self._partial / SEARCH)
            names = sorted(path.name for path in self._partial.iterdir() if path.is_file())
            checksums = {name: files.sha256(self._partial / name) for name in names}
            info = dataclasses.replace(self._info, count=len(vectors), checksums=checksums)
            files.write_json(self._partial / INFO_NAME, dataclasses.asdict(info))
            self._partial.chmod(0o755)
            os.rename(self._partial, self.path)
        return load(self.path)


@dataclasses.dataclass(frozen=True)
class _Info:
    """The content of index.json; see `SnippetIndex` for what is there too."""

    format: int
    kind: str
    hop_frames: int
    step_pixels: int
    model: str
    count: int
    documents: list[str]
    checksums: dict[str, str] = dataclasses.field(default_factory=dict)
    source: dict[str, str] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.format not in (1, FORMAT):
            raise UserError(f"index of format {self.format}, not {FORMAT}; make it anew")
        if self.kind not in KINDS:
            raise UserError(f"kind must be one of {', '.join(KINDS)}, received {self.kind!r}")
        if min(self.hop_frames, self.step_pixels) < 1:
            raise UserError("hop_frames and step_pixels must be at least 1")


def is_index(path: str | os.PathLike) -> bool:
    """Tells whether a path is the directory of an index."""
    return (Path(path) / INFO_NAME).exists()


def load(path: str | os.PathLike, kind: str | None = None) -> SnippetIndex:
    """Reads an index, and makes sure that its files are as they were written.

    All vectors are read for that once, about a gigabyte a second; then they stay in their file.

    Args:
        path: The directory.
        kind: Kind that it must have, "sheets" or "recordings"; None: either.

    Raises:
        UserError: It is missing, damaged or of the other kind.
    """
    path = Path(path)
    if not is_index(path):
        raise UserError(
            f"{path} is not an index: it holds no {INFO_NAME} (tempo-invariant index makes one)"
        )
    info: _Info = json_objects.load(_Info, path / INFO_NAME)
    if kind and info.kind != kind:
        raise UserError(f"{path}: an index of {info.kind}, where one of {kind} is needed")
    try:
        _check_sums(path, info)
        vectors = arrays.load(path / VECTORS, mapped=True)
        rows = soundness.taken_over(arrays.load(path / PLACES), KINDS[info.kind])
        probe_rows = arrays.load(path / PROBE)
        found = Neighbours.load(path / SEARCH, vectors)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file, though {INFO_NAME} is there") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
    problem = soundness.problem(vectors, rows, probe_rows, KINDS[info.kind], len(info.documents))
    if problem or len(rows) != info.count:
        problem = problem or f"{len(rows)} places, not {info.count}"
        raise UserError(f"{path}: damaged index: {problem}")
    return SnippetIndex(
        path,
        info.kind,
        tuple(info.documents),
        np.searchsorted(rows["document"], np.arange(len(info.documents) + 1)),
        rows,
        found,
        info.hop_frames,
        info.step_pixels,
        info.model,
        probe_rows,
        info.source,
    )


def _check_sums(path: Path, info: _Info) -> None:
    """Compares the files with their checksums, which only indices of format 1 lack."""
    needed = {VECTORS, PLACES, PROBE} | ({SEARCH} if (path / SEARCH).exists() else set())
    if info.format > 1 and not needed <= set(info.checksums):
        raise UserError(f"{path / INFO_NAME}: checksums are missing")
    for name, expected in info.checksums.items():
        if name not in (VECTORS, PLACES, PROBE, SEARCH):
            raise UserError(f"{path / INFO_NAME}: a checksum of {name!r}, which is no file of ours")
        if files.sha256(path / name) != expected:
            raise UserError(f"{path / name}: damaged: its checksum is another than {INFO_NAME} has")


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
