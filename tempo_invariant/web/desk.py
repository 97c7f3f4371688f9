"""All that works behind the page: the library, the model, jobs, and what follows them."""

import shutil
import threading
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from tempo_invariant import files, samples
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import index_directory
from tempo_invariant.web.answerer import Answerer
from tempo_invariant.web.events import Events
from tempo_invariant.web.holdings import Holdings
from tempo_invariant.web.incoming import Incoming
from tempo_invariant.web.jobs import Job, Jobs
from tempo_invariant.web.librarian import SUFFIXES, Librarian
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.model import SharedModel
from tempo_invariant.web.recorder import Recorder
from tempo_invariant.web.refusals import Refusal
from tempo_invariant.web.sessions import MakeListener, Sessions, make_listener

if TYPE_CHECKING:
    from tempo_invariant.retrieval.embedders import Embedder

_WATCH_SECONDS = 1.0
_PATIENCE_SECONDS = 2.0
"""Loading begins then at the latest; before, the page is to be shown."""


def scores_folder(index: Path) -> Path:
    """Returns the folder of an index's scores: `music` for `music-index`, else `NAME-scores`.

    A folder that is called as the sample would hide it from the commands.
    """
    stem = index.name.removesuffix("-index")
    other = stem in ("", index.name, *samples.SCORES)
    return index.with_name(f"{index.name}-scores" if other else stem)


def check_index(index: Path) -> dict[str, str]:
    """Returns the arguments that opened an index's model; empty where there is no index yet.

    Raises:
        UserError: It is something else, damaged, or an index of recordings.
    """
    index_directory.check(index)
    header = index_directory.header(index)
    if header is not None and header.kind != "sheets":
        raise UserError(f"{index}: an index of recordings, where one of scores is needed")
    return header.source if header else {}


class Desk:
    """What a page can ask for.

    Args:
        index: The directory of the index.
        opener: Function that returns the model.
        model_name: Name of the model.
        work: Directory for what is kept as long as the server runs.
        limits: Bounds of it all.
        record: Directory that keeps what is heard; None: nothing is.
        make_listener: Function that returns what listens, see `sessions.make_listener`.

    Attributes:
        where: Where the library is, in words.
    """

    def __init__(
        self,
        index: Path,
        opener: "Callable[[], Embedder]",
        model_name: str,
        work: Path,
        limits: Limits | None = None,
        record: Path | None = None,
        make_listener: MakeListener = make_listener,
    ):
        self.where = f"the library is {index}" + ", which is new" * (not index.is_dir())
        self.model_name = model_name
        self.limits = limits or Limits()
        self.events = Events()
        self.jobs = Jobs(self.limits, self.events)
        self.incoming = Incoming(self.limits)
        self.holdings = Holdings(index, lambda _: self._tell())
        self.model = SharedModel(opener, self._tell)
        self.work = work
        folder = scores_folder(index)
        self.librarian = Librarian(folder, work, self.holdings, self.model, self.jobs)
        self.answerer = Answerer(work, self.holdings, self.model, self.jobs, self.limits)
        self.sessions = Sessions(
            self.holdings, self.model, self.limits, make_listener, Recorder(record)
        )
        self._shown = threading.Event()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Begins; the running event loop tells what changes."""
        self.events.begin()
        files.remove_leftovers(self.librarian.folder)
        threading.Thread(target=self._load, name="loader", daemon=True).start()
        self.librarian.start()
        self.answerer.start()

    def stop(self, seconds: float) -> None:
        """Ends what is being done, as far as that takes no longer than some seconds."""
        self._stopped.set()
        self._shown.set()
        self.model.stop()
        self.sessions.stop()
        self.answerer.stop()
        self.librarian.stop(seconds)

    def is_shown(self) -> None:
        """Notes that a page is there, so that what takes the processor's time may begin."""
        self._shown.set()

    def _load(self) -> None:
        self._shown.wait(_PATIENCE_SECONDS)
        if not self._stopped.is_set():
            self.holdings.refresh()
            self.model.load()
            if self.model.error is None:
                self.sessions.prepare()
        while not self._stopped.wait(_WATCH_SECONDS):
            self.holdings.refresh(patient=True)
            self.sessions.sweep()

    def status(self) -> dict[str, Any]:
        """Returns what a page is to know of the library as a whole."""
        loading = None if not self.model.is_loading else "the model"
        loading = loading if self.holdings.is_read else "the library"
        error = self.holdings.error or self.model.error
        return {"version": self.holdings.state.version, "loading": loading, "error": error}

    def state(self) -> dict[str, Any]:
        """Returns the same as an event."""
        status = self.status()
        return {"library": status.pop("version"), **status}

    def _tell(self) -> None:
        self.events.publish("library", self.state())

    def place_score(self, file: Path, path: PurePosixPath, name: str) -> Job:
        """Moves a file that has come into the library's folder, and has it added.

        Raises:
            UserError: It cannot be.
        """
        taken = self.holdings.state.ids
        target, is_new = self.incoming.place(file, self.librarian.folder, path, taken)
        job = Job("score", name, target, is_new)
        try:
            self.librarian.add(job)
        except UserError:
            if is_new:
                target.unlink(missing_ok=True)
            raise
        return job

    def check_score(self, path: PurePosixPath, name: str) -> None:
        """Raises `Refusal` (415) if a file's name promises no score that can be dropped."""
        if path.suffix.lower() not in SUFFIXES:
            why = "LilyPond files are programs; tempo-invariant index adds them"
            if path.suffix.lower() not in (".ly", ".ily", ".lyi"):
                why = "no PDF file, image, or score in MusicXML, MEI, kern or ABC"
            raise Refusal(415, f"{name}: {why}")

    def place_recording(self, file: Path, path: PurePosixPath, name: str) -> Job:
        """Moves a recording that has come to its place, and has it identified."""
        job = Job("recording", name, Path())
        folder = self.work / "recordings" / job.id
        folder.mkdir(parents=True)
        job.path = file.rename(folder / path.name)
        try:
            self.jobs.add(job)
        except UserError:
            shutil.rmtree(folder)
            raise
        self.answerer.add(job)
        return job
