"""The library as pages see it: always a whole state of the index, and the newest before long."""

import collections
import io
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import catalogue
from tempo_invariant.retrieval.catalogue import Document
from tempo_invariant.scores.images import open_image
from tempo_invariant.scores.walking import natural
from tempo_invariant.web.refusals import Refusal, told

if TYPE_CHECKING:  # it takes seconds to import, and the page is to be there before
    from tempo_invariant.retrieval.library import SnippetIndex

COVER_WIDTH = 300
_COVERS_KEPT = 512
_PATIENCE = 10.0
"""An index is read again after so many times the time that the last reading took, at the least."""

_Stamp = tuple[int, int, int]


def score_id(document: Document) -> str:
    """Returns what a page knows a score by; another content gets another one."""
    return f"{document.id:x}-{document.checksums[0]:08x}{document.checksums[1]:08x}"


@dataclass(frozen=True)
class State:
    """The library at a moment.

    Attributes:
        index: The index; None: there is none, or it holds no score.
        version: Number that every state has for itself.
    """

    index: "SnippetIndex | None" = None
    version: int = 0
    _stamp: _Stamp | None = field(default=None, repr=False)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        entries = self.index.entries if self.index else ()
        return {score_id(entry): number for number, entry in enumerate(entries)}

    @cached_property
    def ids(self) -> dict[str, str]:
        """What scores are known by, by their names."""
        entries = self.index.entries if self.index else ()
        return {entry.name: score_id(entry) for entry in entries}

    def find(self, identity: str) -> "tuple[SnippetIndex, int]":
        """Returns the index and the number of a score in it.

        Raises:
            Refusal: 404, there is no such score.
        """
        number = self._numbers.get(identity)
        if self.index is None or number is None:
            raise Refusal(404, "no such score; the library has changed")
        return self.index, number

    @cached_property
    def scores(self) -> list[dict[str, Any]]:
        """What the library's page shows of all scores, as people sort them."""
        entries = self.index.entries if self.index else ()
        return [
            {
                "id": score_id(entry),
                "name": entry.name,
                "pages": entry.pages,
                "snippets": entry.count,
                "notes": list(entry.notes),
            }
            for entry in sorted(entries, key=lambda entry: natural(entry.name))
        ]

    def score(self, identity: str) -> dict[str, Any]:
        """Returns the pages and systems of a score.

        Raises:
            Refusal: 404, there is no such score.
        """
        index, number = self.find(identity)
        rows = index.places[index.rows(number)]
        _, first = np.unique(rows[["page", "system"]], return_index=True)
        systems = [
            {"page": int(row["page"]), "system": int(row["system"]), "box": row["box"].tolist()}
            for row in rows[np.sort(first)]
        ]
        entry = index.entries[number]
        pages = sorted({*(entry.images or ()), *(system["page"] for system in systems)})
        sizes = [
            dict(zip(("width", "height"), _size(index, number, n), strict=True)) for n in pages
        ]
        return {
            "id": identity,
            "name": entry.name,
            "pages": [{"page": n, **size} for n, size in zip(pages, sizes, strict=True)],
            "systems": systems,
            "notes": list(entry.notes),
        }

    def page(self, identity: str, page: int) -> Path:
        """Returns the file of a page.

        Raises:
            Refusal: 404, there is no such score or page, or its image was not kept.
        """
        index, number = self.find(identity)
        path = index.page_path(number, page)
        if not index.keeps_page(number, page) or not path.is_file():
            raise Refusal(404, f"{index.documents[number]}: page {page} is not in the library")
        return path

    def first_page(self, identity: str) -> Path:
        """Returns the file of the first page that there is, see `page`."""
        index, number = self.find(identity)
        pages = index.entries[number].images or np.unique(index.places["page"][index.rows(number)])
        return self.page(identity, min(map(int, pages), default=1))


def _size(index: "SnippetIndex", number: int, page: int) -> tuple[int | None, int | None]:
    """Returns the width and height of a page's image; nothing where there is none."""
    if not index.keeps_page(number, page):
        return None, None
    try:
        with open_image(index.page_path(number, page), ("PNG",)) as image:
            return image.width, image.height
    except UserError:
        return None, None


class Holdings:
    """Reads the index again when it has changed, whoever changed it.

    Args:
        path: The directory of the index, which need not be there yet.
        changed: Called with the number of each new state.
    """

    def __init__(self, path: Path, changed: Callable[[int], None]):
        self.path = path
        self.state = State()
        self.error: str | None = None
        self.is_read = False
        self._changed = changed
        self._lock = threading.Lock()
        self._next = 0.0
        self._covers_lock = threading.Lock()
        self._covers: collections.OrderedDict[str, bytes] = collections.OrderedDict()

    def refresh(self, patient: bool = False) -> bool:
        """Reads the index if it is another than the one that was read.

        What is wrong with it becomes `error`, and the state that was read before stays.

        Args:
            patient: Whether it may be left for later, where reading takes long.

        Returns:
            Whether it was not left for later.
        """
        with self._lock:
            stamp = _stamp(self.path)
            is_same = self.is_read and stamp == self.state._stamp
            if is_same and not self.error:
                return True
            if patient and time.monotonic() < self._next:
                return False
            begun, before = time.monotonic(), self.error
            try:
                index = self._read()
                self.error = None
            except Exception as error:  # it must not end the watching
                index, self.error = self.state.index, told(error)
            self._next = time.monotonic() + _PATIENCE * (time.monotonic() - begun)
            if is_same and self.error == before:
                return True
            self.state = State(index, self.state.version + 1, stamp)
            self.is_read = True
        self._changed(self.state.version)
        return True

    def _read(self) -> "SnippetIndex | None":
        from tempo_invariant.retrieval import library

        path = self.path / catalogue.NAME
        if not library.is_index(self.path):
            return None
        if path.exists() and not catalogue.load(path).documents:
            return None
        return library.load(self.path, "sheets", tell_waiting=False)

    def cover(self, identity: str) -> bytes:
        """Returns the first page of a score, small, as a PNG file.

        Raises:
            Refusal: 404, see `State.page`.
            UserError: The image is damaged.
        """
        path = self.state.first_page(identity)
        with self._covers_lock:
            if identity in self._covers:
                self._covers.move_to_end(identity)
                return self._covers[identity]
        with open_image(path, ("PNG",)) as image:
            small = image.convert("L")
        small.thumbnail((COVER_WIDTH, 2 * COVER_WIDTH))
        stream = io.BytesIO()
        small.save(stream, "PNG")
        with self._covers_lock:
            self._covers[identity] = stream.getvalue()
            while len(self._covers) > _COVERS_KEPT:
                self._covers.popitem(last=False)
        return stream.getvalue()


def _stamp(path: Path) -> _Stamp | None:
    try:
        found = os.stat(path / catalogue.NAME)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
