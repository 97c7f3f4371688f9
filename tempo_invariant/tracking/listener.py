"""Listens: names the score that is played, follows it, and says when it is lost."""

import dataclasses
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempo_invariant.audio.windows import SILENCE
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.following import lay_out
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Candidate
from tempo_invariant.scores.places import Place
from tempo_invariant.tracking.ear import STEP_SECONDS, Ear, Observations
from tempo_invariant.tracking.naming import Namer, Naming
from tempo_invariant.tracking.score_tracker import QUIET, Estimate, ScoreTracker

TURN_AHEAD_SECONDS = 1.5
"""A page is to be turned when the music reaches the next one so soon."""

MEMORY_STEPS = 100
"""Steps of what was heard last that are kept, and followed when a score is named."""

SILENT_SECONDS = 1.5
"""After so much silence nothing is heard."""

FADING = 0.999
"""Factor of the loudest for every step: it is half after 70 s."""

UNKNOWN_SECONDS = 12.0
"""After so much sound it may be said that no score of the index is played."""

PAUSE_SECONDS = 8.0
"""After so much silence another score may be played: that is asked for anew."""

NAMED_CONFIDENCE = 0.8
"""Confidence from which a score is followed. It is less than what is called known, since what was
wrong is soon let go."""

FEWEST_WINDOWS = 8
"""Of fewer windows nothing is concluded."""

LEAST_CONFIDENCE = 0.3
"""Confidence below which a score that is followed is doubted."""

MOST_DOUBTS = 8
"""After so many answers that doubt it, or name another one, a score is let go."""

STEADY_ANSWERS = 10
"""A score that comes first so often in a row is followed, if the model has no calibration."""


CHOSEN = Judgement("sure")
"""What is said of a score that the user has chosen."""


@dataclass(frozen=True)
class ListenerState:
    """What is known at a moment.

    Attributes:
        seconds: The moment: seconds of sound since the start.
        state: "silent": nothing is heard; "listening": the piece is not known yet; "following";
            "lost": it is not clear where in the score the music is; or "unknown": what is played is
            in no score of the index.
        document: Name of the score that is followed, or None.
        judgement: How sure it is that the first candidate is right; sure of a chosen score.
        candidates: Scores that fit best, best first.
        place: Where the music is at that moment, or None.
        turn_in_seconds: When the music will reach the next page; None where that cannot be said.
        pixels_per_second: Speed of the place.
    """

    seconds: float
    state: str
    document: str | None = None
    judgement: Judgement = Judgement("unsure")
    candidates: tuple[Candidate, ...] = ()
    place: Place | None = None
    turn_in_seconds: float | None = None
    pixels_per_second: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        """Returns the fields as JSON can hold them."""
        named = ("name", "score", "also")
        candidates = [candidate.to_dict() for candidate in self.candidates]
        return {
            "seconds": round(self.seconds, 3),
            "state": self.state,
            "document": self.document,
            **self.judgement.to_dict(),
            "candidates": [{key: each[key] for key in named} for each in candidates],
            "place": None if self.place is None else _place_fields(self.place),
            "turn_in_seconds": _rounded(self.turn_in_seconds),
            "pixels_per_second": round(self.pixels_per_second, 2),
        }


def _place_fields(place: Place) -> dict[str, Any]:
    fields = dataclasses.asdict(place)
    return fields | {"x": round(place.x, 1), "box": list(place.box)}


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 2)


class _Followed:
    """A score that is followed: its tracker, and when its pages are to be turned.

    Args:
        index: The index.
        embedder: The model.
        number: Number of the score in the index.
    """

    def __init__(self, index: SnippetIndex, embedder: Embedder, number: int):
        rows = index.rows(number)
        self.number = number
        self.name = index.documents[number]
        self.tracker = ScoreTracker(embedder, np.asarray(index.vectors[rows]), index.places[rows])
        self._systems, self._strip = lay_out(index.places[rows])
        self._numbers = {(each.page, each.system): n for n, each in enumerate(self._systems)}

    def place(self, page: int, system: int, x: float) -> Place:
        """Returns a place in it.

        Raises:
            UserError: There is no such system.
        """
        number = self._numbers.get((page, system))
        if number is None:
            raise UserError(f"{self.name}: has no system {system} on page {page}")
        return dataclasses.replace(self._systems[number], x=x)

    def turn_in_seconds(self, estimate: Estimate) -> float | None:
        """Returns when the next page is reached; None: it stands, or this is the last page.

        Every system is counted in whole, with its clefs: before the last one of the page the time
        is a little too long.
        """
        place, speed = estimate.place, estimate.pixels_per_second
        number = self._numbers[place.page, place.system]
        pages = [system.page for system in self._systems[number:]]
        following = next((n for n, page in enumerate(pages) if page != place.page), None)
        if following is None or speed <= 0:
            return None
        column = self._strip.starts[number] + place.x - self._systems[number].x
        return max(0.0, float(self._strip.starts[number + following] - column) / speed)


class Listener:
    """Listens to one stream of sound.

    Once the score is known, what was heard before is followed through it, so that the place is
    known at the same moment. A score that is not likely any more is let go, and what is played
    after a long silence is asked for anew.

    Args:
        index: Index of scores, made with the same model.
        embedder: The model.
        document: Name of the score that is played, if that is known.

    Raises:
        UserError: The index holds no such score.
    """

    def __init__(self, index: SnippetIndex, embedder: Embedder, document: str | None = None):
        self._index, self._embedder = index, embedder
        self._ear = Ear(embedder)
        self._heard: deque[Observations] = deque()
        self._namer: Namer | None = None
        self._naming = Naming()
        self._followed: _Followed | None = None
        self._doubts = self._firsts = 0
        self._first = -1
        self._quiet_seconds = self._sound_seconds = self._loudest = 0.0
        self.choose(document)

    def push(self, block: np.ndarray) -> list[ListenerState]:
        """Adds sound, float32 [samples] at 22,050 Hz, and returns a state for every 0.1 s of it."""
        observations = self._ear.push(block)
        self._remember(observations)
        estimates: Sequence[Estimate | None] = [None] * len(observations)
        if self._followed:
            estimates = self._followed.tracker.step(observations)
        for naming in self._namer.push(block) if self._namer else ():
            self._naming = naming
            if self._decide():
                estimates = self._catch_up(len(observations))
        heard = zip(observations.seconds, observations.levels, estimates, strict=True)
        return [self._state(*each) for each in heard]

    def choose(self, document: str | None) -> None:
        """Follows a score that the user names, and no other; None: whatever is played.

        Raises:
            UserError: The index holds no such score.
        """
        self._choose(None if document is None else self._open(document))

    def correct(self, document: str, page: int, system: int, x: float) -> None:
        """The user says that the music is at a place now; it goes on from there.

        Args:
            document: Name of the score; if another one is followed, this one is chosen.
            page: Number of the page, from 1.
            system: Number of the system on the page, from 1.
            x: Column of the page.

        Raises:
            UserError: There is no such score, page or system.
        """
        followed = self._open(document)
        place = followed.place(page, system, x)
        if followed is not self._followed:
            self._choose(followed)
        followed.tracker.correct(place)

    def _open(self, document: str) -> _Followed:
        """Returns a score that can be followed: the one that is, or another one of this name."""
        if self._followed is not None and self._followed.name == document:
            return self._followed
        if document not in self._index.documents:
            raise UserError(f"{self._index.path}: holds no score {document!r}")
        return _Followed(self._index, self._embedder, self._index.documents.index(document))

    def _choose(self, followed: _Followed | None) -> None:
        """Follows a score until another is chosen; None: whatever is played."""
        self._naming = Naming()
        self._namer = Namer(self._index, self._embedder) if followed is None else None
        before, self._followed = self._followed, followed
        if followed is not before:
            self._catch_up(0)

    def _remember(self, observations: Observations) -> None:
        if len(observations):
            self._heard.append(observations)
        while len(self._heard) > 1 and sum(map(len, self._heard)) > MEMORY_STEPS:
            self._heard.popleft()

    def _follow(self, number: int | None) -> None:
        self._doubts = 0
        self._followed = None
        if number is not None:
            self._followed = _Followed(self._index, self._embedder, number)

    def _catch_up(self, count: int) -> Sequence[Estimate | None]:
        """Follows what was heard before through the score; returns the last estimates."""
        estimates: list[Estimate | None] = []
        for observations in self._heard:
            if self._followed:
                estimates += self._followed.tracker.step(observations)
            else:
                estimates += [None] * len(observations)
        return estimates[len(estimates) - count :]

    def _decide(self) -> bool:
        """Decides by the last answer which score is followed; tells whether that has changed."""
        judgement, first = self._naming.judgement, self._naming.candidates[0]
        self._firsts = self._firsts + 1 if first.document == self._first else 1
        self._first = first.document
        if self._naming.windows < FEWEST_WINDOWS:
            return False
        sure = judgement.confidence
        if sure is None:  # the model has no calibration
            sure = 1.0 if self._firsts >= STEADY_ANSWERS else LEAST_CONFIDENCE
        named = first.document if sure >= NAMED_CONFIDENCE else None
        if self._followed is None:
            self._follow(named)
            return named is not None
        same = self._followed.name in (first.name, *first.also)
        self._doubts = 0 if same and sure >= LEAST_CONFIDENCE else self._doubts + 1
        if self._doubts < MOST_DOUBTS:
            return False
        self._follow(None if same else named)
        return True

    def _state(self, seconds: float, level: float, estimate: Estimate | None) -> ListenerState:
        """Returns what is known at a moment."""
        self._count(level)
        judgement = self._judgement()
        state = ListenerState(seconds, "listening", None, judgement, self._naming.candidates)
        if self._followed and estimate:
            return dataclasses.replace(
                state,
                state=estimate.state,
                document=self._followed.name,
                place=estimate.place,
                turn_in_seconds=self._followed.turn_in_seconds(estimate),
                pixels_per_second=estimate.pixels_per_second,
            )
        if self._quiet_seconds >= SILENT_SECONDS or not self._sound_seconds:
            return dataclasses.replace(state, state="silent")
        if judgement.certainty == "absent" and self._sound_seconds >= UNKNOWN_SECONDS:
            return dataclasses.replace(state, state="unknown")
        return state

    def _judgement(self) -> Judgement:
        """Returns how sure it is what is played; what is followed is likely, however short it is.

        Of a few windows it is never said that an answer is likely, see `certainty.judge`.
        """
        if self._namer is None:
            return CHOSEN
        judgement = self._naming.judgement
        sure = judgement.confidence or 0.0
        if self._followed and judgement.short and sure >= NAMED_CONFIDENCE:
            return Judgement("likely", sure)
        return judgement

    def _count(self, level: float) -> None:
        """Counts a step of sound or silence; after a long one the piece is asked for anew."""
        self._loudest = max(level, self._loudest * FADING)
        silent = level < max(SILENCE, self._loudest * QUIET)
        self._quiet_seconds = self._quiet_seconds + STEP_SECONDS if silent else 0.0
        self._sound_seconds += 0.0 if silent else STEP_SECONDS
        if self._namer and self._quiet_seconds >= PAUSE_SECONDS and self._sound_seconds:
            self._namer = Namer(self._index, self._embedder)
            self._sound_seconds = 0.0
