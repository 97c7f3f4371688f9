"""Writing an index: documents come and go one by one, and each change holds as a whole.

The order of steps makes it so: the rows and page images of a document are written first, behind
what the catalogue tells of; then a line of the catalogue tells of them. A process that is killed
leaves at most rows and files that no line tells of, which the next writer removes. Files that
readers may have open are never changed where they read, but replaced.
"""

import contextlib
import dataclasses
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from tempo_invariant import files
from tempo_invariant.errors import UserError, printable
from tempo_invariant.json_objects import is_text
from tempo_invariant.retrieval import (
    catalogue,
    editions,
    hubness,
    index_directory,
    index_files,
    index_rows,
    library,
    neighbours,
    old_index,
    soundness,
)
from tempo_invariant.retrieval.catalogue import KINDS, Catalogue, Change, Document, Header, Search
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.index_rows import DATA, HUBNESS, PLACES, VECTORS
from tempo_invariant.retrieval.late_embedder import is_open
from tempo_invariant.retrieval.library import PAGES, SnippetIndex
from tempo_invariant.retrieval.model_identity import check_same_model, probe

MOST_HOLES = 0.2
"""The largest share of rows that may belong to no document; above it the files are made anew."""


class IndexBusy(UserError):
    """Another process is writing an index."""


class IndexWriter:
    """Adds documents to an index, and drops them; makes the index where there is none.

    Used as a context manager, in which it holds the lock. What has been added is there when `add`
    returns. An index of an old format becomes one of the present. What is damaged is dropped, and
    named in a warning, when it is entered.

    Args:
        path: The directory of the index.
        kind: Kind of the documents, "sheets" or "recordings".
        embedder: The model, which is not asked anything before it has to be, see `check_model`.
        hop_frames: Distance of windows in spectrogram frames.
        step_pixels: Distance of snippets in page pixels.
        exact_limit: The most vectors that are searched exhaustively.

    Raises:
        UserError: The directory is something else or cannot be written; or, when it is entered, the
            index is damaged as a whole, another process writes it, or it was made with another
            model (if that can be seen without opening the model) or other settings.
    """

    _catalogue: Catalogue
    _header: Header

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
        files.check_output_directory(self.path)
        index_directory.check(self.path)
        self._embedder = embedder
        self._settings = kind, hop_frames, step_pixels
        self._exact_limit = exact_limit
        self._is_checked = False

    def check_model(self, header: Header | None = None) -> None:
        """Opens the model, if it isn't; raises `UserError` if the index is that of another one."""
        header = header or self._header
        if not self._is_checked:
            made_with = f"{self.path} was made with {header.model}"
            check_same_model(np.array(header.probe, np.float32), self._embedder, made_with)
            self._is_checked = True

    def __enter__(self) -> "IndexWriter":
        with contextlib.ExitStack() as stack, files.telling_failures(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(_locked(self.path))
            stack.callback(self._remove_if_empty)
            self._open_catalogue()
            self._header = self._catalogue.header
            self._data = stack.enter_context(contextlib.ExitStack())
            self._open_data()
            index_files.tidy(self.path, self._catalogue)
            index_files.tidy_pages(self.path, self._catalogue)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def documents(self) -> Mapping[str, Document]:
        """The documents of the index by name."""
        return self._catalogue.by_name

    def page_problem(self, name: str) -> str | None:
        """Returns which page image of a document is missing or damaged; None if none is."""
        return index_files.page_problem(self.path, self._catalogue, self.documents[name])

    def add(
        self,
        name: str,
        vectors: np.ndarray,
        rows: np.ndarray,
        content: str = "",
        pages: Mapping[int, bytes] | None = None,
        notes: Sequence[str] = (),
        file: str = "",
        settings: str = "",
    ) -> None:
        """Adds a document, in place of any of the same name.

        Args:
            name: Name of the score or recording.
            vectors: Its embeddings, float32 [count, size], unit length, in reading order.
            rows: Places of the vectors; the document's number is filled in.
            content: SHA-256 of the files that it was made of, and of the settings.
            pages: Images of its pages by number, as PNG files; None: they are not wanted.
            notes: Printable lines about it.
            file: Absolute path of a recording.
            settings: What its reading depends on besides its files.

        Raises:
            UserError: The index is that of another model, the model does not give vectors of unit
            length, or the disk is full.
        """
        self.check_model()
        header, found = self._header, self._catalogue
        vectors = np.ascontiguousarray(vectors, np.float32)
        if not len(vectors) or not soundness.are_unit(vectors):
            raise UserError(f"{name}: {header.model} gives vectors that are not of length 1")
        places = rows.astype(KINDS[header.kind], copy=True)
        places["document"] = found.next_id
        hubs = hubness.hubness(vectors, self._cohort)
        data = {VECTORS: vectors, PLACES: places, HUBNESS: hubs}
        document = Document(
            found.next_id,
            name,
            content,
            found.rows,
            len(vectors),
            index_rows.checksums(data),
            len(np.unique(places["page"])) if header.kind == "sheets" else 0,
            tuple(notes),
            index_files.utc(time.time()),
            None if pages is None else tuple(pages),
            file,
            settings,
        )
        before = self.documents.get(name)
        with files.telling_failures(self.path):
            for page, image in (pages or {}).items():
                folder = self.path / PAGES
                folder.mkdir(exist_ok=True)
                (folder / library.page_file(document.id, page)).write_bytes(image)
            for key, array in data.items():
                stream = self._streams[key]
                stream.seek(document.first * index_rows.data_type(key, header).itemsize)
                stream.write(array.tobytes())
                catalogue.sync(stream)
            self._append(Change(document, drops=(before.id,) if before else ()))

    def drop(self, names: Iterable[str]) -> None:
        """Drops documents.

        Raises:
            KeyError: There is no document of that name.
        """
        known = self.documents
        numbers = tuple(known[name].id for name in names)
        if numbers:
            with files.telling_failures(self.path):
                self._append(Change(drops=numbers))

    def wait_for(self, count: int) -> None:
        """Notes how many documents are still to come; -1: some."""
        if count != self._catalogue.waiting:
            with files.telling_failures(self.path):
                self._append(Change(waiting=count))

    def finish(self) -> SnippetIndex:
        """Closes up holes, brings search and editions up to date, and returns the index.

        Raises:
            UserError: There is no document.
        """
        found = self._catalogue
        if not found.documents:
            raise UserError(f"{self.path}: nothing to write, not one document could be used")
        with files.telling_failures(self.path):
            if found.holes > MOST_HOLES * found.rows:
                index_files.compact(self.path, found, self._header)
                self._catalogue = catalogue.load(self.path / catalogue.NAME)
                self._header = self._catalogue.header
                self._open_data()
            self.wait_for(0)
            index = library.opened(self.path, self._catalogue)
            index = self._find_editions(self._build_search(index))
            index_files.tidy(self.path, self._catalogue)
        return index

    def _append(self, change: Change) -> None:
        catalogue.append(self._streams[catalogue.NAME], self._catalogue, change)

    def _remove_if_empty(self) -> None:
        """Removes an index that was not begun, or holds no document and no files of others."""
        found = getattr(self, "_catalogue", None)
        if not (found.documents if found else index_directory.is_index(self.path)):
            with contextlib.suppress(OSError):
                if not index_files.holds_others(self.path):
                    shutil.rmtree(self.path, ignore_errors=True)

    def _open_catalogue(self) -> None:
        """Reads what is there: an index, an old one, or nothing yet."""
        path = self.path / catalogue.NAME
        files.remove_leftovers(self.path)
        if not path.exists() and (self.path / old_index.INFO_NAME).exists():
            old = old_index.load(self.path)
            self._check(index_files.old_header(old, 0))
            index_files.take_over(self.path, old, *self._find_cohort(old.probe))
        found = catalogue.load(path, salvage=True) if path.exists() else None
        if found and (found.documents or found.damage):
            self._check(found.header)
            found = index_files.mend(self.path, found)
        if not (found and found.documents):
            self._begin(found.header.generation + 1 if found else 1)
            self._catalogue = catalogue.load(path)
            return
        library.opened(self.path, found)  # damage is told before the work
        self._cohort, checksum = self._find_cohort(np.array(found.header.probe, np.float32))
        if found.header.cohort != checksum:
            header = dataclasses.replace(found.header, cohort=checksum)
            index_files.compact(self.path, found, header, self._cohort)
            found = catalogue.load(path)
        self._catalogue = found

    def _begin(self, generation: int) -> None:
        """Writes the files of an index without documents."""
        made, embedder = probe(self._embedder), self._embedder
        if not np.isfinite(made).all():
            raise UserError(f"{embedder.name} gives embeddings that are not numbers")
        self._is_checked = True
        self._cohort, checksum = self._find_cohort(made)
        source = embedder.source or {}
        header = Header(
            catalogue.FORMAT,
            generation,
            *self._settings,
            model=printable(embedder.name),
            probe=made.tolist(),
            cohort=checksum,
            source=source if all(map(is_text, source.values())) else {},
            first_id=0,
        )
        index_files.rewrite(self.path, header, ())

    def _find_cohort(self, probe: np.ndarray) -> tuple[np.ndarray | None, int]:
        """Returns the cohort of a model for this kind of index, and its checksum."""
        cohort = hubness.find_cohort(probe, self._settings[0])
        return cohort, 0 if cohort is None else index_rows.checksum(cohort)

    def _build_search(self, index: SnippetIndex) -> SnippetIndex:
        """Makes the file for searching where there is need of one that covers more."""
        if not index.neighbours.is_outgrown(self._exact_limit):
            return index
        taken_off = library.penalties(index.places, index.hubness)
        built = neighbours.build(index.vectors, self._exact_limit, penalties=taken_off)
        name = f"neighbours-{self._header.generation}-{built.covered}.faiss"
        with files.atomic_write(self.path / name) as temporary:
            built.save(temporary)
        checksum = files.sha256(self.path / name)
        self._append(Change(search=Search(name, built.covered, checksum)))
        return dataclasses.replace(index, neighbours=built)

    def _find_editions(self, index: SnippetIndex) -> SnippetIndex:
        """Finds out which of the documents that have come are the same music as others."""
        found = self._catalogue
        new = [n for n, entry in enumerate(index.entries) if entry.id not in found.compared]
        if not new:
            return index
        groups = editions.find_editions(index, index.editions, new)
        ids = tuple(tuple(index.entries[n].id for n in group) for group in groups)
        self._append(Change(editions=ids))
        return dataclasses.replace(index, editions=tuple(groups))

    def _check(self, header: Header) -> None:
        """Refuses an index of another kind, step or hop, or of what may be another model."""
        kind, hop_frames, step_pixels = self._settings
        if header.kind != kind:
            raise UserError(library.wrong_kind(self.path, header.kind, kind))
        name = "step_pixels" if kind == "sheets" else "hop_frames"
        there, here = getattr(header, name), step_pixels if kind == "sheets" else hop_frames
        if there != here:
            raise UserError(f"{self.path}: was made with {name} {there}, not {here}")
        if (
            is_open(self._embedder)
            or self._embedder.source != header.source
            or hubness.is_other_version(header.source, np.array(header.probe, np.float32))
        ):
            self.check_model(header)

    def _open_data(self) -> None:
        """Opens the files to write to, and cuts off what no line tells of."""
        self._data.close()
        self._streams: dict[str, IO[bytes]] = {}
        sizes = {catalogue.NAME: self._catalogue.end}
        for key in DATA:
            row_bytes = index_rows.data_type(key, self._header).itemsize
            sizes[key] = self._catalogue.rows * row_bytes
        for key, size in sizes.items():
            name = index_rows.data_file(key, self._header.generation) if key in DATA else key
            path = self.path / name
            self._streams[key] = self._data.enter_context(path.open("r+b"))
            if path.stat().st_size > size:
                self._streams[key].truncate(size)


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Holds the lock of an index; where the file system has none, it does without.

    Raises:
        IndexBusy: Another process holds it.
    """
    with (path / index_directory.LOCK).open("a") as stream:
        try:
            import fcntl  # there is none on Windows

            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise IndexBusy(f"{path}: another process is writing to it; try again later") from error
        except (OSError, ImportError):
            pass
        yield
