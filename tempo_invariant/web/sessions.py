"""Those who play, each with a listener of their own, which outlives a connection that breaks."""

import asyncio
import collections
import contextlib
import logging
import secrets
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.web.holdings import Holdings, State
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.model import SharedModel, Stopped
from tempo_invariant.web.recorder import Recorder
from tempo_invariant.web.refusals import Refusal, told

if TYPE_CHECKING:
    from tempo_invariant.retrieval.library import SnippetIndex
    from tempo_invariant.web.shared_ears import SharedEars

_KEPT_MESSAGES = 20
"""Messages that wait for a client that reads slowly; the newest count."""

_LONGEST_BLOCK = SAMPLE_RATE
_NEWEST_BLOCK = SAMPLE_RATE // 2
"""Samples that are left of what waits, where too much does."""

__all__ = ["Listening", "MakeListener", "Recorder", "Session", "Sessions", "make_listener"]


class Listening(Protocol):
    """What listens, see `tempo_invariant.tracking.listener.Listener`."""

    def push(self, block: np.ndarray) -> Sequence[Any]:
        """Adds sound, float32 [samples] at 22,050 Hz; returns states with `to_dict`."""

    def choose(self, document: str | None) -> None:
        """Follows a score that is named; None: whatever is played."""

    def correct(self, document: str, page: int, system: int, x: float) -> None:
        """Goes on from a place that the user has shown."""


MakeListener = Callable[["SnippetIndex", "SharedEars", str | None], Listening]


def make_listener(index: "SnippetIndex", ears: "SharedEars", document: str | None) -> Listening:
    """Returns what listens for one who plays."""
    from tempo_invariant.tracking.listener import Listener

    return Listener(index, ears, document)


class Session:
    """One who plays: sound comes in, messages come out, and a thread works in between.

    Sound that waits is bounded: when the machine cannot keep up, all but the newest is dropped.

    Attributes:
        id: What it is resumed by; nobody can guess it.
        seconds: Sound that has come, in seconds, whether it was heard or dropped.
        left: When its connection broke; None while there is one.
    """

    def __init__(self, owner: "Sessions", document: str | None):
        self.id = secrets.token_urlsafe(16)
        self.left: float | None = None
        self.connection: object | None = None
        self._owner = owner
        self._document = document
        self._changed = threading.Condition()
        self._blocks: collections.deque[np.ndarray] = collections.deque()
        self._orders: collections.deque[Callable[[], None]] = collections.deque(maxlen=32)
        self._messages: collections.deque[dict[str, Any]] = collections.deque(maxlen=_KEPT_MESSAGES)
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._samples = self._waiting = self._dropped = 0
        self._told_dropped = 0
        self._ended = False
        self._record = owner.recorder.begin(self.id)
        self._state = State()
        self._listener: Listening | None = None
        self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
        self._thread.start()

    @property
    def seconds(self) -> float:
        """Sound that has come, in seconds."""
        return self._samples / SAMPLE_RATE

    def hear(self, block: np.ndarray) -> None:
        """Takes sound in, float32 [samples] at 22,050 Hz."""
        self._record.write(block)
        with self._changed:
            self._samples += len(block)
            for first in range(0, len(block), _LONGEST_BLOCK):
                self._blocks.append(block[first : first + _LONGEST_BLOCK])
            self._waiting += len(block)
            if self._waiting > self._owner.limits.behind_seconds * SAMPLE_RATE:
                while len(self._blocks) > 1 and self._waiting > _NEWEST_BLOCK:
                    dropped = len(self._blocks.popleft())
                    self._waiting -= dropped
                    self._dropped += dropped
            self._changed.notify_all()

    def choose(self, identity: str | None) -> None:
        """Has it follow a score by its id, and no other; None: whatever is played."""
        self._order(lambda: self._choose(identity))

    def correct(self, identity: str, page: int, system: int, x: float) -> None:
        """Has it go on from a place that the user has shown."""
        self._order(lambda: self._correct(identity, page, system, x))

    def end(self) -> None:
        """Ends it."""
        with self._changed:
            self._ended = True
            self._changed.notify_all()
        self._record.close()

    async def messages(self, connection: object) -> list[dict[str, Any]]:
        """Returns what is to be told to its connection, once there is something.

        The last one may be an error. Another connection, which had it before, is told nothing.
        """
        await self._news.wait()
        if connection is not self.connection:
            return []
        self._news.clear()
        found = []
        with contextlib.suppress(IndexError):
            while True:
                found.append(self._messages.popleft())
        return found

    def _order(self, order: Callable[[], None]) -> None:
        with self._changed:
            self._orders.append(order)
            self._changed.notify_all()

    def _tell(self, *messages: dict[str, Any]) -> None:
        self._messages.extend(messages)
        with contextlib.suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self._news.set)

    def _run(self) -> None:
        try:
            if self._owner.model.is_loading:
                self._tell({"loading": "the model"})
            self._begin(self._document)
            while self._work():
                pass
        except Stopped:
            pass
        except Exception as error:
            if not isinstance(error, UserError):
                logging.warning("while listening: %s", told(error), exc_info=error)
            self._tell({"error": told(error)})
            self._ended = True

    def _begin(self, document: str | None) -> None:
        """Makes the listener, for the library as it is now; the one before stays if that fails."""
        self._owner.model.wait()
        state = self._owner.holdings.state
        index = state.index
        if index is None:
            raise UserError("the library holds no score yet")
        ears = self._owner.ears(index)
        name = None if document is None else index.documents[state.find(document)[1]]
        listener = self._owner.make_listener(index, ears, name)
        with self._changed:  # it begins with the sound that waits
            self._state, self._listener = state, listener
            self._dropped = self._told_dropped = self._samples - self._waiting

    def _work(self) -> bool:
        """Does what is to be done next; returns whether there may be more."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or self._orders or self._blocks)
            if self._ended:
                return False
            orders, blocks, count = list(self._orders), [], 0
            self._orders.clear()
            while self._blocks and not orders and count < _LONGEST_BLOCK:
                blocks.append(self._blocks.popleft())
                count += len(blocks[-1])
            self._waiting -= count
            dropped, before = self._dropped, self._told_dropped
            self._told_dropped = dropped
        if dropped > before:
            self._tell({"behind": round((dropped - before) / SAMPLE_RATE, 2)})
        for order in orders:
            try:
                order()
            except UserError as error:
                self._tell({"refused": str(error)})
        if blocks and self._listener is not None:
            states = self._listener.push(np.concatenate(blocks))
            self._tell(*(self._message(state, dropped) for state in states))
        return True

    def _message(self, state: Any, dropped: int) -> dict[str, Any]:
        """Returns a state with what the page knows scores by."""
        found, ids = state.to_dict(), self._state.ids
        found["seconds"] = round(found["seconds"] + dropped / SAMPLE_RATE, 3)
        if found.get("document") is not None:
            found["document"] = {"id": ids.get(found["document"]), "name": found["document"]}
        for candidate in found.get("candidates", ()):
            candidate["id"] = ids.get(candidate["name"])
        return found

    def _choose(self, identity: str | None) -> None:
        newest = self._owner.holdings.state
        if self._state.version != newest.version and newest.index is not None:
            self._begin(identity)
        elif self._listener is not None:
            name = None
            if identity is not None:
                index, number = self._state.find(identity)
                name = index.documents[number]
            self._listener.choose(name)

    def _correct(self, identity: str, page: int, system: int, x: float) -> None:
        index, number = self._state.find(identity)
        if self._listener is not None:
            self._listener.correct(index.documents[number], page, system, x)


class Sessions:
    """All who play.

    Args:
        holdings: The library.
        model: The model.
        limits: How many may play, and how long a session waits for a connection.
        make_listener: Function that returns what listens.
        recorder: What keeps the sound, if anything does.
    """

    def __init__(
        self,
        holdings: Holdings,
        model: SharedModel,
        limits: Limits,
        make_listener: MakeListener,
        recorder: Recorder,
    ):
        self.holdings = holdings
        self.model = model
        self.limits = limits
        self.make_listener = make_listener
        self.recorder = recorder
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        self._ears: SharedEars | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self._sessions)

    def ears(self, index: "SnippetIndex") -> "SharedEars":
        """Returns the model of an index as all listeners share it, once it is loaded."""
        from tempo_invariant.web.shared_ears import SharedEars

        embedder = self.model.wait(index)
        with self._lock:
            if self._ears is None:
                self._ears = SharedEars(embedder)
            return self._ears

    def prepare(self) -> None:
        """Does what the first who plays would have to wait for; what is wrong is logged."""
        try:
            import tempo_invariant.tracking.listener  # noqa: F401

            index = self.holdings.state.index
            if index is not None:
                self.ears(index)
        except Exception as error:
            logging.warning("%s", told(error))

    def open(self, identity: str | None, document: str | None) -> tuple[Session, bool]:
        """Returns a session for a connection: one that it resumes, or a new one.

        Args:
            identity: What the session is known by that is to be resumed.
            document: What the score is known by that a new session is to follow.

        Returns:
            The session, and whether it was resumed.

        Raises:
            Refusal: 503, so many are playing already.
        """
        self.sweep()
        with self._lock:
            known = self._sessions.get(identity or "")
            if known is not None:
                known.left = None
                return known, True
            if len(self._sessions) >= self.limits.listeners:
                left = [each for each in self._sessions.values() if each.left is not None]
                if not left:
                    count = self.limits.listeners
                    raise Refusal(503, f"{count} are playing already, which is the most")
                self._end(min(left, key=lambda each: each.left or 0.0))
            session = Session(self, document)
            self._sessions[session.id] = session
            return session, False

    def leave(self, session: Session) -> None:
        """Notes that the connection of a session has broken; it waits for another one."""
        session.left = time.monotonic()

    def end(self, session: Session) -> None:
        """Ends a session."""
        with self._lock:
            self._end(session)

    def sweep(self) -> None:
        """Ends sessions that have waited for too long."""
        oldest = time.monotonic() - self.limits.resume_seconds
        with self._lock:
            for session in list(self._sessions.values()):
                if session.left is not None and session.left < oldest:
                    self._end(session)

    def stop(self) -> None:
        """Ends all."""
        with self._lock:
            for session in list(self._sessions.values()):
                self._end(session)

    def _end(self, session: Session) -> None:
        self._sessions.pop(session.id, None)
        session.end()
