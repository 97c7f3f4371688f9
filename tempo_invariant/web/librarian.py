"""Adds scores to the library and drops them: one thread, which alone writes to the index."""

import contextlib
import logging
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from typing import Any

from tempo_invariant.audio import windows
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import atomic_write, telling_failures, why_left_out
from tempo_invariant.scores.folders import KINDS, LILYPOND, FoundScore, list_folder
from tempo_invariant.web.holdings import Holdings, score_id
from tempo_invariant.web.jobs import Job, Jobs
from tempo_invariant.web.model import SharedModel, Stopped
from tempo_invariant.wording import counted
from tempo_invariant.worker_processes import map_ahead, processors

JOURNAL = ".waiting"
"""Names of files, one a line, that have come and may not be in the index yet."""

REMOVED = ".removed"
"""Where the files of scores go that are dropped from the library."""

SUFFIXES = [suffix for suffix, kind in KINDS.items() if kind != LILYPOND]
"""Of files that can be dropped; those of LilyPond are programs."""

_QUIET_SECONDS = 0.7
_LONGEST_QUIET_SECONDS = 5.0
"""Files that come within so short a time go together, which pages of one score must."""

_NICE = 10
"""Reading stands back so far behind those who play."""

_BUSY_SECONDS = 2.0
_MOST_JOURNAL_BYTES = 2**22


class Librarian:
    """Works off what is asked of the library.

    Args:
        folder: The folder of the scores, made when the first one comes.
        work: Directory for what is kept for a moment.
        holdings: The library, as it is read.
        model: The model.
        jobs: Where is said how far one has got.
    """

    def __init__(
        self, folder: Path, work: Path, holdings: Holdings, model: SharedModel, jobs: Jobs
    ):
        self.folder = folder
        self._space = work
        self._holdings = holdings
        self._model = model
        self._jobs = jobs
        self._changed = threading.Condition()
        self._waiting: list[Job] = []
        self._drops: list[tuple[str, Future[None]]] = []
        self._left: set[Path] = set()
        self._added: list[tuple[Sequence[Job], str, dict[str, Any]]] = []
        self._stopped = False
        self._thread = threading.Thread(target=self._run, name="librarian", daemon=True)

    def start(self) -> None:
        """Begins, with what had come before the last end and was not done."""
        for path in self._journal():
            job = Job("score", path.relative_to(self.folder).as_posix(), path)
            try:
                self._jobs.add(job)
                self._waiting.append(job)
            except UserError:  # so many wait that it is for the next time
                self._left.add(path)
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Ends after what is just being written; returns whether it has ended in time."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def add(self, job: Job) -> None:
        """Has a score added whose file is in its place.

        Raises:
            UserError: It cannot be written down that it waits, or too many do.
        """
        with self._changed:
            if job.is_new:
                with telling_failures(self.folder):
                    with (self.folder / JOURNAL).open("a", encoding="utf-8") as stream:
                        stream.write(self._line(job.path))
            self._jobs.add(job)
            self._waiting.append(job)
            self._changed.notify_all()

    def drop(self, identity: str) -> "Future[None]":
        """Has a score dropped from the index; its file goes to `REMOVED`."""
        future: Future[None] = Future()
        with self._changed:
            self._drops.append((identity, future))
            self._changed.notify_all()
        return future

    def _journal(self) -> list[Path]:
        path = self.folder / JOURNAL
        try:
            if path.stat().st_size > _MOST_JOURNAL_BYTES:
                return []
            lines = path.read_text(encoding="utf-8").split("\n")  # names may have other breaks
        except (OSError, ValueError):
            return []
        paths = [self.folder / line for line in dict.fromkeys(lines) if line]
        return [each for each in paths if ".." not in each.parts and each.is_file()]

    def _line(self, path: Path) -> str:
        return f"{path.relative_to(self.folder).as_posix()}\n"

    def _write_journal(self) -> None:
        """Writes down what is left for the next start."""
        journal = self.folder / JOURNAL
        if self._left:
            with atomic_write(journal) as temporary:
                temporary.write_text("".join(map(self._line, sorted(self._left))), "utf-8")
        else:
            journal.unlink(missing_ok=True)

    def _run(self) -> None:
        with contextlib.suppress(Stopped):
            while True:
                batch = self._next()
                try:
                    self._work(batch)
                    self._left.difference_update(job.path for job in batch)
                except Stopped:
                    raise
                except Exception as error:
                    self._give_up(batch, error)
                with self._changed, contextlib.suppress(OSError, UserError):
                    if not self._waiting:  # else all is looked at again
                        self._write_journal()

    def _give_up(self, batch: Sequence[Job], error: Exception) -> None:
        """Says of all that was to be done why it cannot be; files that came stay for next time."""
        self._tell_added()
        text = str(error)
        with contextlib.suppress(Exception):  # that befalls all is told all the same
            text = why_left_out(error)
        logging.warning("%s", text)
        given_up = [job for job in batch if not job.is_over]
        self._left.update(job.path for job in given_up if job.is_new)
        self._jobs.fail(given_up, text)
        with self._changed:
            drops, self._drops = self._drops, []
        for _, future in drops:
            future.set_exception(error)

    def _check_going(self) -> None:
        if self._stopped:
            raise Stopped

    def _next(self) -> list[Job]:
        """Waits for something to do and, where scores come, until no more do."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or self._waiting or self._drops)
            end = time.monotonic() + _LONGEST_QUIET_SECONDS
            count = 0
            while count < len(self._waiting) and time.monotonic() < end and not self._stopped:
                count = len(self._waiting)
                self._changed.wait(_QUIET_SECONDS)
            self._check_going()
            batch, self._waiting = self._waiting, []
            return batch

    def _work(self, batch: Sequence[Job]) -> None:
        from tempo_invariant.retrieval import index_directory
        from tempo_invariant.retrieval.index_writer import IndexBusy, IndexWriter
        from tempo_invariant.scores.documents import STEP_PIXELS

        if batch:
            self._jobs.progress(batch, "waiting for the model")
        embedder = self._model.wait() if batch else self._model.wait_for_unloaded()
        scores = self._find(batch) if batch else {}
        path = self._holdings.path
        while True:
            known = index_directory.header(path)
            step = known.step_pixels if known else STEP_PIXELS
            hop = windows.HOP_FRAMES
            try:
                with IndexWriter(path, "sheets", embedder, hop, step) as writer:
                    self._serve_drops(writer)
                    if scores:
                        self._add(writer, embedder, scores, (step, embedder.staves))
                break
            except IndexBusy:
                waiting = [job for job in batch if not job.is_over]
                self._jobs.progress(waiting, "another process is writing to the library")
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, _BUSY_SECONDS)
                self._check_going()
        self._tell_added()

    def _find(self, batch: Sequence[Job]) -> dict[str, tuple[FoundScore, list[Job]]]:
        """Returns the scores that files belong to, with their jobs; those of no score fail."""
        listing = list_folder(self.folder)
        by_file = {path: found for found in listing.scores for path in found.files}
        reasons = {path: why for why, paths in listing.left_out.items() for path in paths}
        scores: dict[str, tuple[FoundScore, list[Job]]] = {}
        for job in batch:
            found = by_file.get(job.path)
            if found is None:
                inside = job.path.relative_to(self.folder).as_posix()
                self._fail([job], printable(f"{job.name}: {reasons.get(inside, 'is gone')}"))
            else:
                scores.setdefault(found.name, (found, []))[1].append(job)
        return scores

    def _add(self, writer, embedder, scores, cutting) -> None:
        """Adds those scores that the index does not have as they are."""
        from tempo_invariant.retrieval.index_update import Update
        from tempo_invariant.retrieval.indexing import add_score
        from tempo_invariant.scores.collection import reader_of
        from tempo_invariant.scores.reading import read_telling, told_pages

        update = Update(writer, keep_pages=True)
        needed = []
        for name, (found, jobs) in scores.items():
            reader = reader_of(found, cutting)
            if update.is_needed(name, reader.files):
                needed.append(reader)
            else:
                self._finish(writer, name, jobs, already=True)
        if needed:
            writer.check_model()
        processes = min(len(needed), max(1, processors() - 1))
        with contextlib.ExitStack() as stack:
            told = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._space)))
            stack.enter_context(update.working(len(needed)))
            read = partial(read_telling, told, True)
            results = map_ahead(read, needed, processes, nice=_NICE)
            stack.enter_context(contextlib.closing(results))
            for reader, future in results:
                jobs = scores[reader.name][1]
                self._jobs.begin(jobs, "reading")
                self._await(future, partial(told_pages, told, reader.name), jobs)
                self._jobs.progress(jobs, "embedding")
                left_out = len(update.done["left_out"])
                add_score(update, embedder, reader, future)
                if len(update.done["left_out"]) > left_out:
                    for job in jobs:
                        text = update.done["left_out"][-1].replace(str(job.path), job.name)
                        self._fail([job], text)
                else:
                    self._finish(writer, reader.name, jobs, already=False)
                self._serve_drops(writer)
                self._check_going()
        if writer.documents:
            update.finish(prune=False)

    def _fail(self, jobs: Sequence[Job], text: str) -> None:
        """Says why files are no score; those that came with their jobs, copies, are removed."""
        for job in jobs:
            if job.is_new:
                with contextlib.suppress(OSError):
                    job.path.unlink()
        self._jobs.fail(jobs, text)

    def _finish(self, writer, name: str, jobs: Sequence[Job], already: bool) -> None:
        document = writer.documents[name]
        text = "is in the library already" if already else "done"
        identity, notes = score_id(document), list(document.notes)
        result = {"id": identity, "ids": [identity], "name": name, "already": already}
        result["notes"] = notes
        self._added.append((jobs, text, result))
        self._tell_added(patient=True)

    def _tell_added(self, patient: bool = False) -> None:
        """Says of scores that they are done, once the library is read with them."""
        if self._holdings.refresh(patient):
            for done in self._added:
                self._jobs.finish(*done)
            self._added.clear()

    def _await(
        self, future: Future, pages: Callable[[], tuple[int, int]], jobs: Sequence[Job]
    ) -> None:
        """Waits until a score is read, and says how far that has got."""
        while not wait([future], 0.2).done:
            self._check_going()
            self._tell_added(patient=True)
            done, total = pages()
            if total:
                self._jobs.progress(jobs, f"{done} of {counted(total, 'page')}", done, total)

    def _serve_drops(self, writer) -> None:
        """Drops the scores that are to be dropped."""
        with self._changed:
            drops, self._drops = self._drops, []
        if not drops:
            return
        names = {score_id(document): name for name, document in writer.documents.items()}
        dropped = []
        for identity, future in drops:
            try:
                if identity in names:
                    name = names.pop(identity)
                    self._put_away(name, writer.documents[name].content)
                    writer.drop([name])
                dropped.append(future)
            except Exception as error:
                future.set_exception(error)
        self._tell_added()
        for future in dropped:
            future.set_result(None)
        if writer.documents:
            writer.finish()

    def _put_away(self, name: str, content: str) -> None:
        """Moves the files of a score, if they are in the folder and as they were indexed.

        Files that another score has as well, as LilyPond's may include the same ones, stay.
        """
        from tempo_invariant.retrieval.index_update import content_of

        listed = self._listed()
        for found in listed:
            if found.name == name and content_of(found.files) == content:
                removed = self.folder / REMOVED / f"{time.time_ns()}"
                kept = {path for other in listed if other is not found for path in other.files}
                for path in set(found.files) - kept:
                    target = removed / path.relative_to(self.folder)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.replace(path, target)

    def _listed(self) -> list[FoundScore]:
        if self.folder.is_dir():
            with contextlib.suppress(UserError):
                return list_folder(self.folder).scores
        return []
