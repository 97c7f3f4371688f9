"""What a listener says while it hears a performance, and how far its cursor is from the music."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tempo_invariant.evaluation.alterations import Performance
from tempo_invariant.evaluation.following import Truth
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval.score_alignment import Strip
from tempo_invariant.scores.places import Place
from tempo_invariant.tracking.listener import TURN_AHEAD_SECONDS, Listener, ListenerState

EARLIEST_TURN_SECONDS = 4.0
"""A page that is turned earlier before it is reached is turned too early."""

NEAR_SECONDS = 0.5
"""Error up to which the cursor is with the music."""

STEADY_SECONDS = 1.0
"""It is there again when it stays so for this long."""


@dataclass(frozen=True)
class Session:
    """What a listener has said.

    Attributes:
        states: Its states.
        latencies: Seconds from the moment that each state is about until it was said, if blocks
            come as they are played: the rest of the block, what had to wait, and the computation.
        processor_seconds: Processor time in all.
    """

    states: Sequence[ListenerState]
    latencies: np.ndarray
    processor_seconds: float


def listen(listener: Listener, pcm: np.ndarray, block_seconds: float) -> Session:
    """Plays samples [samples] to a listener, in blocks as a microphone gives them."""
    size = round(block_seconds * SAMPLE_RATE)
    states: list[ListenerState] = []
    latencies: list[float] = []
    processor, ready = time.process_time(), 0.0
    for first in range(0, len(pcm), size):
        block = pcm[first : first + size]
        arrived = (first + len(block)) / SAMPLE_RATE
        started = time.perf_counter()
        said = listener.push(block)
        ready = max(ready, arrived) + time.perf_counter() - started
        states += said
        latencies += [ready - state.seconds for state in said]
    return Session(states, np.array(latencies), time.process_time() - processor)


class Cursor:
    """The cursor in the right score while a session goes on, held against the truth.

    Args:
        session: What the listener has said.
        piece: Name of the right score.
        systems: Left ends of its systems, see `following.lay_out`.
        strip: Its systems joined.
        truth: When its places sound in the recording.
        performance: What was heard of the recording.
    """

    def __init__(
        self,
        session: Session,
        piece: str,
        systems: Sequence[Place],
        strip: Strip,
        truth: Truth,
        performance: Performance,
    ):
        self._truth, self._performance, self._strip = truth, performance, strip
        self._pages = np.array([system.page for system in systems])
        lefts = {
            (system.page, system.system): start - system.x
            for system, start in zip(systems, strip.starts[:-1], strict=True)
        }
        states = session.states
        self.seconds = np.array([state.seconds for state in states])
        self._columns = np.full(len(states), np.nan)
        self._speeds = np.array([state.pixels_per_second for state in states])
        self._shown = np.zeros(len(states), int)
        for number, state in enumerate(states):
            if state.place is None or state.document != piece:
                continue
            place, turn = state.place, state.turn_in_seconds
            self._columns[number] = place.x + lefts[place.page, place.system]
            turned = turn is not None and turn <= TURN_AHEAD_SECONDS
            self._shown[number] = place.page + turned

    def _last(self, seconds: np.ndarray) -> np.ndarray:
        """Returns the number of the last state at some times; -1 before the first."""
        return np.searchsorted(self.seconds, seconds + 1e-6, side="right") - 1

    def late(self, seconds: np.ndarray) -> np.ndarray:
        """Returns by how many seconds what the cursor shows is played later than it is shown.

        The cursor goes on from the last state as fast as that says. The time is that of the
        recording, and counts to its nearest end where what is shown is not played in it.

        Args:
            seconds: Times in what is heard, [times].

        Returns:
            float64 [times]; infinite where no cursor is shown in the right score, NaN in silence.
        """
        if not len(self.seconds):
            return np.full(len(seconds), np.inf)
        last = self._last(seconds)
        number = np.maximum(last, 0)
        columns = self._columns[number] + self._speeds[number] * (seconds - self.seconds[number])
        shown = np.interp(columns, self._truth.columns, self._truth.seconds)
        late = shown - self._performance.origin(seconds)
        nowhere = (last < 0) | np.isnan(columns)
        return np.where(nowhere & ~np.isnan(self._performance.origin(seconds)), np.inf, late)

    def onsets(self) -> np.ndarray:
        """Returns the times at which the notes of a whole recording are struck, as far as heard."""
        heard = self._truth.seconds
        return heard[(heard >= 0) & (heard < self._performance.duration_seconds)]

    def turns(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns when the pages of a whole recording are to be turned, and what comes of it.

        Returns:
            Times of the first note of each page but the first, and which of the turns are right: at
            that time the page is shown, and it was not yet `EARLIEST_TURN_SECONDS` before.
        """
        pages = self._pages[self._strip.system(self._truth.columns)]
        firsts = np.flatnonzero(np.diff(pages) > 0) + 1
        due, page = self._truth.seconds[firsts], pages[firsts]
        heard = (due >= 0) & (due < self._performance.duration_seconds)
        due, page = due[heard], page[heard]
        if not len(self.seconds):
            return due, np.zeros(len(due), bool)
        at, before = self._last(due), self._last(due - EARLIEST_TURN_SECONDS)
        in_time = (at >= 0) & (self._shown[at] == page)
        too_early = (before >= 0) & (self._shown[before] == page)
        return due, in_time & ~too_early

    def recovery(self, seconds: float) -> float:
        """Returns how long after a time the cursor is with the music, and stays; or infinity."""
        times = self.seconds[self.seconds >= seconds]
        near = np.abs(self.late(times)) <= NEAR_SECONDS
        for number in np.flatnonzero(near):
            stay = times[number:] <= times[number] + STEADY_SECONDS
            if near[number:][stay].all():
                return float(times[number] - seconds)
        return np.inf
