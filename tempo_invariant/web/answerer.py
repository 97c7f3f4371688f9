"""Says which score a recording plays: one thread, and the answers' pages for as long as it runs."""

import collections
import dataclasses
import logging
import queue
import shutil
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from tempo_invariant import progress
from tempo_invariant.errors import UserError, printable
from tempo_invariant.web.holdings import Holdings, State
from tempo_invariant.web.jobs import Job, Jobs
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.model import SharedModel, Stopped
from tempo_invariant.web.refusals import Refusal, told
from tempo_invariant.wording import counted

if TYPE_CHECKING:
    from tempo_invariant.retrieval.library import SnippetIndex

PAGE = "answer.html"

_STEP_SECONDS = 0.2


class Answerer:
    """Works off recordings, and keeps the newest answers in a directory.

    Args:
        directory: The directory, which is removed by whoever made it.
        holdings: The library.
        model: The model.
        jobs: Where is said how far one has got.
        limits: How many answers are kept.
    """

    def __init__(
        self, directory: Path, holdings: Holdings, model: SharedModel, jobs: Jobs, limits: Limits
    ):
        self.directory = directory
        self._holdings = holdings
        self._model = model
        self._jobs = jobs
        self._limits = limits
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._kept: collections.deque[str] = collections.deque()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answerer", daemon=True)

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def stop(self) -> None:
        """Ends before the next recording."""
        self._stopped.set()
        self._queue.put(None)

    def add(self, job: Job) -> None:
        """Has a recording identified; its file, and the folder of that, are removed then."""
        self._queue.put(job)

    def file(self, identity: str, name: str) -> Path:
        """Returns a file of an answer: its page, or the sound that lies beside it.

        Raises:
            Refusal: 404, there is none, or no longer.
        """
        name = name or PAGE
        kept = name == PAGE or name.startswith("answer.") and not name.endswith(".json")
        path = self.directory / identity / name
        inside = path.parent == self.directory / identity  # whatever separates names here
        if identity not in self._kept or not (kept and inside and path.is_file()):
            count = self._limits.answers
            raise Refusal(
                404,
                f"this answer is gone; the newest {count} are there until the program ends, so "
                "drop the recording again",
            )
        return path

    def _run(self) -> None:
        while (job := self._queue.get()) is not None:
            try:
                self._answer(job)
            except Stopped:
                return
            except Exception as error:
                line = told(error).replace(str(job.path), job.name)
                named = line if job.name in line else f"{job.name}: {line}"
                logging.warning("%s", printable(named))
                self._jobs.fail([job], line)
            finally:
                shutil.rmtree(job.path.parent, ignore_errors=True)

    def _answer(self, job: Job) -> None:
        self._jobs.begin([job], "waiting for the model")
        self._model.wait()
        from tempo_invariant.audio import recordings
        from tempo_invariant.retrieval import identification
        from tempo_invariant.retrieval.answers import identified, text

        state, index = self._library(job)
        embedder = self._model.wait(index)
        recording = recordings.open_recording(job.path)
        recording = dataclasses.replace(recording, name=job.name)
        self._jobs.progress([job], "listening")

        def tell(what: str, done: int, total: int | None) -> None:
            self._jobs.progress([job], f"{done} {what}" if what else "listening", done, total or 0)

        with progress.told(tell):
            answer = identification.identify_recording(index, embedder, recording)
        self._jobs.progress([job], "drawing the answer")
        identified.write_score(answer, index, recording, self.directory / job.id)
        self._keep(job.id)
        best = answer.candidates[0].name
        known = answer.verdict != "unknown"
        result = {
            "verdict": answer.verdict,
            "text": text.verdict_text(answer.matching.judgement, answer.documents, "score"),
            "certainty": answer.certainty,
            "confidence": answer.confidence,
            "id": state.ids.get(best) if known else None,
            "name": best if known else None,
            "seconds": answer.duration_seconds,
            "page": f"/answers/{job.id}/",
        }
        self._jobs.finish([job], "done", result)

    def _library(self, job: Job) -> "tuple[State, SnippetIndex]":
        """Returns the library; the scores that came before the recording are waited for."""
        while True:
            scores, comes = self._jobs.scores_before(job), self._jobs.is_coming("score")
            if not scores:
                self._holdings.refresh()
                state = self._holdings.state
                if state.index is not None:
                    return state, state.index
                if not comes:
                    raise UserError("the library holds no score yet")
            waiting = counted(scores, "score") if scores else "the first score"
            self._jobs.progress([job], f"waiting for {waiting}")
            if self._stopped.wait(_STEP_SECONDS):
                raise Stopped

    def _keep(self, identity: str) -> None:
        self._kept.append(identity)
        while len(self._kept) > self._limits.answers:
            shutil.rmtree(self.directory / self._kept.popleft(), ignore_errors=True)
