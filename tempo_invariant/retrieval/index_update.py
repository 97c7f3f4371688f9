"""An index being brought up to date: what is to be done, and what became of it."""

import contextlib
import dataclasses
import hashlib
import logging
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from tempo_invariant import files
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import why_left_out
from tempo_invariant.retrieval import index_files
from tempo_invariant.retrieval.catalogue import Document
from tempo_invariant.retrieval.index_writer import IndexWriter
from tempo_invariant.retrieval.library import NOUNS, SnippetIndex
from tempo_invariant.wording import counted, listed


@dataclasses.dataclass
class Indexed:
    """What became of an index.

    Attributes:
        index: The index as it is now.
        added: Names of documents that are new.
        replaced: Names of documents that have changed.
        unchanged: Names of documents that are as they were.
        dropped: Names of documents that were there no more.
        gone: Names of documents that are not there, and stay in the index.
        left_out: A line for every document that could not be used; if the index has an earlier
            state of it, that stays.
        pages: Number of pages that were read.
        seconds: Time that it took.
    """

    index: SnippetIndex
    added: list[str]
    replaced: list[str]
    unchanged: list[str]
    dropped: list[str]
    gone: list[str]
    left_out: list[str]
    pages: int
    seconds: float

    def summary(self) -> Iterator[str]:
        """Yields printable lines that say it."""
        index, count = self.index, len(self.index.documents)
        kind = NOUNS[index.kind]
        kinds = ("added", "replaced", "dropped", "left_out")
        numbers = {name: len(getattr(self, name)) for name in kinds}
        said = [
            f"{number:,d} {name.replace('_', ' ')}" for name, number in numbers.items() if number
        ]
        if not numbers["added"] + numbers["replaced"] + numbers["dropped"]:
            said.insert(0, "nothing new")
        what = ", ".join(said)
        yield printable(f"{index.path}: {counted(count, kind)}: {what}")
        if self.gone:
            gone = f"{counted(len(self.gone), kind)} of the index not found there"
            yield f"{gone}: {listed(self.gone)} (--prune drops what is gone)"
        if self.pages:
            speed = self.pages / self.seconds
            yield f"{counted(self.pages, 'page')} in {self.seconds:,.0f} s, {speed:.1f} a second"


class Update:
    """An index being brought up to date: what is to be done, and what became of it."""

    def __init__(self, writer: IndexWriter, settings: str = "", keep_pages: bool = False):
        self.writer = writer
        self.done = {name: list[str]() for name in ("added", "replaced", "unchanged", "left_out")}
        self.pages = 0
        self._settings = settings
        self._keep_pages = keep_pages
        self._begun = time.monotonic()
        self._contents: dict[str, str] = {}

    def is_needed(self, name: str, paths: Sequence[Path]) -> bool:
        """Whether a document has to be read, since it is new or its files have changed."""
        if name in self._contents:
            self.leave_out(name, UserError(f"{name}: another of this name is used"))
            return False
        content = self._contents[name] = content_of(paths, self._settings)
        known = self.writer.documents.get(name)
        if known is None or not _is_same(known, content, paths):
            return True
        if known.file and not os.path.exists(known.file):  # it has moved, and is to be played
            return True
        if self._keep_pages and (problem := self.writer.page_problem(name)):
            if known.images is not None:
                logging.warning("%s; %s is read again", problem, name)
            return True
        self.done["unchanged"].append(name)
        return False

    def leave_out(self, name: str, error: Exception) -> None:
        """Notes that a document cannot be used, unless the error will befall all others, too."""
        reason = why_left_out(error)
        named = isinstance(error, UserError) or reason.startswith(name)
        self.done["left_out"].append(reason if named else f"{name}: {reason}")
        logging.warning("left out: %s", self.done["left_out"][-1])

    def add(
        self,
        name: str,
        vectors: np.ndarray,
        rows: np.ndarray,
        pages: Mapping[int, bytes] | None = None,
        notes: Sequence[str] = (),
        file: str = "",
    ) -> None:
        """Adds a document or replaces it, see `IndexWriter.add`."""
        kind = "replaced" if name in self.writer.documents else "added"
        content, settings = self._contents[name], self._settings
        self.writer.add(name, vectors, rows, content, pages, notes, file, settings)
        self.done[kind].append(name)

    @contextlib.contextmanager
    def working(self, count: int | None) -> Iterator[None]:
        """Has the index know, while the block runs, and if it fails, what is still to come.

        Args:
            count: Number of documents that are needed; None: not known.
        """
        before = self._handled()
        self.writer.wait_for(-1 if count is None else count)
        try:
            yield
        except BaseException:
            if count is not None:
                left = count - (self._handled() - before)
                with contextlib.suppress(Exception):  # the disk may be full
                    self.writer.wait_for(left)
                if left:
                    logging.warning(
                        "%s: %d of %d %s left; the same command goes on with %s",
                        *(self.writer.path, left, count),
                        *(("is", "it") if left == 1 else ("are", "them")),
                    )
            raise

    def _handled(self) -> int:
        return sum(len(self.done[name]) for name in ("added", "replaced", "left_out"))

    def speed(self) -> float:
        """Pages a second until now."""
        return self.pages / max(time.monotonic() - self._begun, 1e-6)

    def finish(self, prune: bool, is_whole: bool = True) -> Indexed:
        """Drops what is gone, if that is wanted, and finishes the index.

        Args:
            prune: Whether it is wanted.
            is_whole: Whether all of a collection was looked at, so that what is gone is known.

        Raises:
            UserError: Nothing is left, or would be; then nothing is dropped.
        """
        gone = [name for name in self.writer.documents if name not in self._contents]
        dropped = gone if prune and len(gone) < len(self.writer.documents) else []
        self.writer.drop(dropped)
        index = self.writer.finish()
        if prune and gone and not dropped:
            raise UserError(
                f"{index.path}: nothing is dropped, since nothing would be left: of all that it "
                f"holds ({listed(gone)}) nothing is there any more; delete it if that is meant"
            )
        seconds = time.monotonic() - self._begun
        stays = gone if is_whole and not dropped else []
        return Indexed(
            index, dropped=dropped, gone=stays, pages=self.pages, seconds=seconds, **self.done
        )


def content_of(paths: Sequence[Path], settings: str = "") -> str:
    """Returns the SHA-256 of the contents of files, and of what else their reading depends on."""
    digests = [_file_digest(path) for path in paths]
    return hashlib.sha256("\n".join([*digests, settings]).encode()).hexdigest()


def _file_digest(path: Path) -> str:
    try:
        return files.sha256(path)
    except OSError:
        return ""  # reading it will tell what is wrong


def _is_same(known: Document, content: str, paths: Sequence[Path]) -> bool:
    """Whether a document of an index is still that of some files.

    What a document of an index of an old format was made of is not known: it is the same if its
    files are older than that index.
    """
    if known.content:
        return known.content == content
    times = [path.stat().st_mtime for path in paths if path.exists()]
    return bool(times) and index_files.utc(max(times)) <= known.added
