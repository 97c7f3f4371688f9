"""Work that was asked for: what waits, what is being done, what has come of it."""

import itertools
import secrets
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tempo_invariant.errors import one_line
from tempo_invariant.web.events import Events
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.refusals import Refusal

WAITING, RUNNING, DONE, FAILED = "waiting", "running", "done", "failed"

_TELL_SECONDS = 0.2
"""Least time between two tellings of how far a job has got."""


@dataclass
class Job:
    """Something to do.

    Attributes:
        kind: "score" or "recording".
        name: Name of the file as the client gave it.
        path: The file.
        is_new: Whether the file came for this job, so that it goes again if that fails.
        id: What it is asked for by; nobody can guess it.
        state: `WAITING`, `RUNNING`, `DONE` or `FAILED`.
        done: How much of it is done.
        total: How much there is to do; 0: not known.
        text: The same in words.
        error: Why it has failed, one line.
        result: What has come of it.
    """

    kind: str
    name: str
    path: Path
    is_new: bool = True
    id: str = field(default_factory=lambda: secrets.token_urlsafe(16))
    state: str = WAITING
    done: int = 0
    total: int = 0
    text: str = "waiting"
    error: str | None = None
    result: dict[str, Any] | None = None

    @property
    def is_over(self) -> bool:
        """Whether it is done or has failed."""
        return self.state in (DONE, FAILED)

    def to_dict(self) -> dict[str, Any]:
        """Returns what a page may know of it."""
        own = ("path", "is_new")
        return {name: value for name, value in vars(self).items() if name not in own}


class Jobs:
    """All jobs, of which so many may wait and so many are remembered; used from any thread."""

    def __init__(self, limits: Limits, events: Events):
        self._limits = limits
        self._events = events
        self._lock = threading.Lock()
        self._jobs: dict[str, Job] = {}
        self._told: dict[str, float] = {}

    def add(self, job: Job) -> None:
        """Takes a job in.

        Raises:
            Refusal: 429, so many are waiting already.
        """
        with self._lock:
            self._check_room()
            over = [each for each in self._jobs.values() if each.is_over]
            for old in over[: max(0, len(over) - self._limits.kept + 1)]:
                del self._jobs[old.id]
            self._jobs[job.id] = job
        self._tell(job)

    def check_room(self) -> None:
        """Raises `Refusal` (429) if so many jobs are waiting that no more is taken in."""
        with self._lock:
            self._check_room()

    def _check_room(self) -> None:
        if sum(not job.is_over for job in self._jobs.values()) >= self._limits.waiting:
            most = self._limits.waiting
            raise Refusal(429, f"{most:,} files are waiting already; drop the rest later")

    def dismiss(self, identity: str) -> None:
        """Forgets a job that is over.

        Raises:
            Refusal: 404, there is none; 409, it is not over.
        """
        with self._lock:
            job = self._jobs.get(identity)
            if job is None:
                raise Refusal(404, "no such job")
            if not job.is_over:
                raise Refusal(409, f"{job.name}: is not done yet")
            del self._jobs[identity]

    def to_list(self) -> list[dict[str, Any]]:
        """Returns what pages may know of all of them, the oldest first."""
        with self._lock:
            return [job.to_dict() for job in self._jobs.values()]

    def is_coming(self, kind: str) -> bool:
        """Whether a job of a kind waits or is being done."""
        with self._lock:
            return any(job.kind == kind and not job.is_over for job in self._jobs.values())

    def scores_before(self, job: Job) -> int:
        """Returns how many scores that came before a job are still to be added."""
        with self._lock:
            before = itertools.takewhile(lambda each: each is not job, self._jobs.values())
            return sum(each.kind == "score" and not each.is_over for each in before)

    def begin(self, jobs: Iterable[Job], text: str) -> None:
        """Says that jobs are being done."""
        for job in jobs:
            job.state, job.text = RUNNING, text
            self._tell(job)

    def progress(self, jobs: Iterable[Job], text: str, done: int = 0, total: int = 0) -> None:
        """Says how far jobs have got; told to pages now and then."""
        for job in jobs:
            job.text, job.done, job.total = text, done, total
            if time.monotonic() - self._told.get(job.id, 0.0) >= _TELL_SECONDS:
                self._tell(job)

    def finish(self, jobs: Iterable[Job], text: str, result: dict[str, Any]) -> None:
        """Says what has come of jobs."""
        for job in jobs:
            job.state, job.text, job.result = DONE, text, result
            job.done = job.total = max(job.total, 1)
            self._tell(job)

    def fail(self, jobs: Iterable[Job], error: Exception | str) -> None:
        """Says why jobs have failed."""
        for job in jobs:
            job.state, job.text, job.error = FAILED, "failed", one_line(error, 500)
            self._tell(job)

    def _tell(self, job: Job) -> None:
        self._told[job.id] = time.monotonic()
        if job.is_over:
            self._told.pop(job.id, None)
        self._events.publish(f"job {job.id}", {"job": job.to_dict()})
