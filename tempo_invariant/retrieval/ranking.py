"""Ranks the documents of an index for a sequence of embeddings, whole or as it comes."""

import collections
import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.sequence import PathLimits, SequenceTracker, count_votes

RANKINGS = ("sequence", "votes")
NEIGHBOURS = 25
"""Neighbours that vote, for every embedding."""

SHORTLIST_POSITIONS = 200_000
"""Paths are followed in all documents up to so many vectors, else in those with the most votes."""

FEWEST_STEPS = 6
"""Of less, three seconds of a recording, the levels below say nothing: they were measured from 10
seconds on."""

LEAD_LEVELS = (0.15, 0.06)
"""Leads over the second document from which the first one is "sure", and "likely".

Measured with the model `best` on the 94 test pieces of MSMD, played with expression and as a phone
records it, 10 s, 30 s and the whole of each: of 282 answers 87 % lead by 0.15 and 96 % by 0.06, all
of them right; with their own score taken out of the index none leads by 0.15, and 4 % by 0.06. Of
the 94 scores, asked of an index of the whole recordings, 87 % lead by 0.15 and 98 % by 0.06, all of
them right; without their own recording none, and one.
"""

SCORE_LEVELS = (0.55, 0.45)
"""The same for the score of a document that is alone: of 282 best ones of 93 wrong scores none has
0.55, and 6 % have 0.45."""

_BLOCK_STEPS = 64


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A document and how well it fits.

    Attributes:
        rank: Rank of the document, from 1.
        document: Number of the document in the index.
        name: Name of the document.
        votes: Number of neighbours that are in it.
        score: Mean similarity along the best path through it, less the cost of leaps; None for a
            document with too few votes to be followed.
        position: Row of the index where that path is now; None likewise.
    """

    rank: int
    document: int
    name: str
    votes: float
    score: float | None
    position: int | None

    def to_dict(self) -> dict[str, Any]:
        """Returns rank, name, score and votes as JSON can hold them."""
        return {
            "rank": self.rank,
            "name": self.name,
            "score": self.score,
            "votes": round(self.votes, 3),
        }


def find_certainty(candidates: Sequence[Candidate], steps: int) -> str:
    """Returns how sure it is that the first of some candidates is right.

    Args:
        candidates: Best documents, best first: two, where the index holds as many.
        steps: Number of embeddings that were ranked; of fewer than `FEWEST_STEPS` none is sure.

    Returns:
        "sure", "likely" or "unsure".
    """
    scores = [candidate.score for candidate in candidates[:2] if candidate.score is not None]
    if candidates[0].score is None or steps < FEWEST_STEPS:
        return "unsure"
    value, levels = scores[0], SCORE_LEVELS
    if len(scores) > 1:
        value, levels = scores[0] - scores[1], LEAD_LEVELS
    return "sure" if value >= levels[0] else "likely" if value >= levels[1] else "unsure"


class Ranker:
    """Collects embeddings and ranks the documents of an index.

    Args:
        index: Index of the documents.
        ranking: Kind of ranking: "votes", or "sequence", by the score of the best path.
        limits: Limits of the paths.
        memory: Factor of the past for every embedding; 1 forgets nothing.
        history: Number of the last embeddings that are kept, for documents that come to be followed
            later; None keeps all.
        shortlist_positions: Number of vectors to follow, see `SHORTLIST_POSITIONS`.
    """

    def __init__(
        self,
        index: SnippetIndex,
        ranking: str = "sequence",
        limits: PathLimits | None = None,
        memory: float = 1.0,
        history: int | None = None,
        shortlist_positions: int = SHORTLIST_POSITIONS,
    ):
        if ranking not in RANKINGS:
            raise UserError(f"ranking must be one of {RANKINGS}, received {ranking!r}")
        self._index = index
        self._ranking = ranking
        self._limits = limits or PathLimits()
        self._memory = memory
        self._shortlist_positions = shortlist_positions
        self._votes = np.zeros((2, len(index.documents)))
        self._history: collections.deque[np.ndarray] = collections.deque(maxlen=history)
        self._pending = 0
        self._followed = np.zeros(0, np.int64)
        self._vectors = np.zeros((0, index.vectors.shape[1]), np.float32)
        self._tracker: SequenceTracker | None = None

    def update(self, embeddings: np.ndarray) -> None:
        """Adds float32 [steps, size], unit length."""
        if not len(embeddings):
            return
        similarities, found = self._index.neighbours.search(embeddings, NEIGHBOURS)
        documents = np.where(found >= 0, self._index.places["document"][found], -1)
        weights = self._memory ** np.arange(len(embeddings) - 1, -1, -1.0)
        votes = count_votes(documents, similarities, self._votes.shape[1], weights)
        self._votes = self._votes * self._memory ** len(embeddings) + np.stack(votes)
        self._history.extend(embeddings)
        self._pending += len(embeddings)

    def candidates(self, top: int | None = None) -> list[Candidate]:
        """Returns the best documents, best first; all of them without `top`."""
        by_votes = np.lexsort((-self._votes[1], -self._votes[0]))
        self._follow(by_votes)
        scores = np.full(len(by_votes), -np.inf)
        positions = np.full(len(by_votes), -1)
        if self._tracker is not None:
            scores[self._followed] = self._tracker.scores()
            firsts = self._index.starts[self._followed]
            positions[self._followed] = firsts + self._tracker.positions()
        order = by_votes
        if self._ranking == "sequence":
            order = by_votes[np.argsort(-scores[by_votes], kind="stable")]
        return [
            Candidate(
                place,
                int(number),
                self._index.documents[number],
                float(self._votes[0, number]),
                float(scores[number]) if positions[number] >= 0 else None,
                int(positions[number]) if positions[number] >= 0 else None,
            )
            for place, number in enumerate(order[:top], 1)
        ]

    def _follow(self, by_votes: np.ndarray) -> None:
        """Brings the paths through the shortlisted documents up to date."""
        chosen = self._shortlist(by_votes)
        if self._tracker is None or not np.array_equal(chosen, self._followed):
            self._followed = chosen
            rows = [self._index.vectors[self._index.rows(number)] for number in chosen]
            self._vectors = np.concatenate(rows)
            self._tracker = SequenceTracker(self._index.lengths[chosen], self._limits, self._memory)
            self._pending = len(self._history)
        waiting = list(self._history)[len(self._history) - self._pending :]
        for first in range(0, len(waiting), _BLOCK_STEPS):
            block = np.stack(waiting[first : first + _BLOCK_STEPS])
            self._tracker.update(block @ self._vectors.T)
        self._pending = 0

    def _shortlist(self, by_votes: np.ndarray) -> np.ndarray:
        """Returns the numbers of the documents to be followed, ascending; at least one."""
        lengths = self._index.lengths[by_votes]
        count = np.searchsorted(np.cumsum(lengths), self._shortlist_positions, side="right")
        return np.sort(by_votes[: max(1, count)])
