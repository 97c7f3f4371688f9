"""Indices of formats 1 and 2, which were written in one step: they are read, and taken over.

```
INDEX/
  index.json        kind, names of the documents, what the model is, SHA-256 of the files below
  vectors.npy       float32 [count, size], unit length, document by document
  places.npy        one row a vector, see `tempo_invariant.scores.places`
  probe.npy         what the model makes of a fixed probe: its identity
  neighbours.faiss  the search index, where there are too many vectors to compare them all
  pages/            page images of the scores, which have checksums of their own
```

Format 1 had no checksums, and a search index in any case.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tempo_invariant import arrays, files, json_objects
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.retrieval import soundness
from tempo_invariant.retrieval.catalogue import ANEW, KINDS, Document

INFO_NAME = "index.json"
VECTORS, PLACES, PROBE, SEARCH = "vectors.npy", "places.npy", "probe.npy", "neighbours.faiss"
FILES = (VECTORS, PLACES, PROBE, SEARCH)

_FORMATS = 1, 2


@dataclasses.dataclass(frozen=True)
class Info:
    """The content of index.json; see `catalogue.Header` for what is there too."""

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
        if self.format not in _FORMATS:
            raise UserError(f"index of format {self.format}, not 1 or 2")
        if self.kind not in KINDS:
            raise UserError(f"kind must be one of {', '.join(KINDS)}, received {self.kind!r}")
        if min(self.hop_frames, self.step_pixels) < 1:
            raise UserError("hop_frames and step_pixels must be at least 1")


@dataclasses.dataclass(frozen=True)
class OldIndex:
    """An index of an old format.

    Attributes:
        info: What index.json holds.
        vectors: float32 [count, size], memory-mapped.
        places: The places, [count], of the kind's type.
        probe: The identity of the model, float32 [rows, size].
        starts: First row of every document, and the number of rows, int64 [documents + 1].
    """

    info: Info
    vectors: np.ndarray
    places: np.ndarray
    probe: np.ndarray
    starts: np.ndarray

    def entries(self) -> Iterator[Document]:
        """Yields what is known of each document; neither what it was made of nor checksums are."""
        for number, name in enumerate(self.info.documents):
            first, last = self.starts[number : number + 2].tolist()
            rows = self.places[first:last]
            pages = len(np.unique(rows["page"])) if self.info.kind == "sheets" else 0
            yield Document(number, name, "", first, last - first, (0, 0, 0), pages)


def load(path: Path) -> OldIndex:
    """Reads an index, and makes sure that its files are as they were written.

    Raises:
        UserError: It is damaged or cannot be read.
    """
    try:
        return _load(path)
    except UserError as error:
        raise UserError(f"{error}; {ANEW}") from error


def _load(path: Path) -> OldIndex:
    info: Info = json_objects.load(Info, path / INFO_NAME)
    place_type = KINDS[info.kind]
    try:
        _check_sums(path, info)
        vectors = arrays.load(path / VECTORS, mapped=True)
        places = soundness.taken_over(arrays.load(path / PLACES), place_type)
        probe = arrays.load(path / PROBE)
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file, though {INFO_NAME} is there") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
    problem = soundness.problem(vectors, places, probe, place_type)
    problem = problem or _order_problem(places, len(info.documents))
    if problem or len(places) != info.count:
        problem = problem or f"{len(places)} places, not {info.count}"
        raise UserError(f"{path}: damaged index: {problem}")
    starts = np.searchsorted(places["document"], np.arange(len(info.documents) + 1))
    return OldIndex(info, vectors, places, probe, starts)


def _order_problem(places: np.ndarray, documents: int) -> str | None:
    steps = np.diff(places["document"].astype(np.int64), prepend=-1, append=documents)
    if not ((steps >= 0) & (steps <= 1)).all() or steps[0] != 1 or steps[-1] != 1:
        return "places do not name every document in order"
    return None


def _check_sums(path: Path, info: Info) -> None:
    """Compares the files with their checksums, which only indices of format 1 lack."""
    needed = {VECTORS, PLACES, PROBE} | ({SEARCH} if (path / SEARCH).exists() else set())
    if info.format > 1 and not needed <= set(info.checksums):
        raise UserError(f"{path / INFO_NAME}: checksums are missing")
    for name, expected in info.checksums.items():
        if name not in FILES:
            raise UserError(f"{path / INFO_NAME}: a checksum of {name!r}, which is no file of ours")
        if files.sha256(path / name) != expected:
            raise UserError(f"{path / name}: damaged: its checksum is another than {INFO_NAME} has")
