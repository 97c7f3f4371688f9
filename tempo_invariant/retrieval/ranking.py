"""Ranks the documents of an index for a sequence of embeddings, whole or as it comes."""

import collections
import dataclasses
import functools
import itertools
import math
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import certainty, passages, traces
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.passages import Passage
from tempo_invariant.retrieval.sequence import PathLimits, SequenceTracker, count_votes

RANKINGS = ("sequence", "votes")
NEIGHBOURS = 25
"""Neighbours that vote, for every embedding."""

SHORTLIST_POSITIONS = 200_000
"""Paths are followed in all documents up to so many vectors, else in those with the most votes."""

_BLOCK_STEPS = 64


@dataclasses.dataclass(frozen=True)
class Candidate:
    """A document and how well it fits.

    Attributes:
        rank: Rank of the document, from 1.
        document: Number of the document in the index.
        name: Name of the document.
        votes: Number of neighbours that are in it.
        score: Mean similarity along the best path through it (of it through the query, if that is
            longer), less the cost of leaps, and less by how much its hubness there is above the
            mean of the index; None for a document with too few votes to be followed.
        position: Row of the index where that path is now; None likewise.
        also: Names of other documents of the index that are the same music.
    """

    rank: int
    document: int
    name: str
    votes: float
    score: float | None
    position: int | None
    also: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Returns rank, names, score and votes as JSON can hold them."""
        return {
            "rank": self.rank,
            "name": self.name,
            "also": list(self.also),
            "score": self.score,
            "votes": round(self.votes, 3),
        }


class _Paths:
    """The best paths through some documents of an index."""

    def __init__(self, index: SnippetIndex, documents: np.ndarray, tracker: SequenceTracker):
        rows = [index.rows(number) for number in documents]
        self.documents = documents
        self.tracker = tracker
        self._vectors = np.concatenate([index.vectors[row] for row in rows])
        self._hubness = np.concatenate([index.hubness[row] for row in rows])

    def follow(self, embeddings: np.ndarray) -> None:
        """Goes on by float32 [steps, size]."""
        for first in range(0, len(embeddings), _BLOCK_STEPS):
            block = embeddings[first : first + _BLOCK_STEPS]
            self.tracker.update(block @ self._vectors.T - self._hubness)


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
        left_out: Numbers of documents that are passed over, as if the index did not hold them.
    """

    def __init__(
        self,
        index: SnippetIndex,
        ranking: str = "sequence",
        limits: PathLimits | None = None,
        memory: float = 1.0,
        history: int | None = None,
        shortlist_positions: int = SHORTLIST_POSITIONS,
        left_out: Collection[int] = (),
    ):
        if ranking not in RANKINGS:
            raise UserError(f"ranking must be one of {RANKINGS}, received {ranking!r}")
        self._index = index
        self._ranking = ranking
        self._limits = limits or PathLimits()
        self._memory = memory
        self._shortlist_positions = shortlist_positions
        self._kept = np.setdiff1d(np.arange(len(index.documents)), list(left_out))
        if not len(self._kept):
            raise UserError("no document is left to be ranked")
        self._hubness_level = np.float32(np.mean(index.hubness))
        self._groups = {number: group for group in index.editions for number in group}
        self._votes = np.zeros((2, len(index.documents)))
        self._history: collections.deque[np.ndarray] = collections.deque(maxlen=history)
        self._pending = 0
        self._paths: _Paths | None = None
        self._scores_of_parts: dict[int, float] = {}

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
        """Returns the best documents, best first; all of them without `top`.

        Of those that are the same music the best one is named, and the others with it.
        """
        votes = self._votes[:, self._kept]
        by_votes = self._kept[np.lexsort((-votes[1], -votes[0]))]
        self._follow(by_votes)
        scores = self.scores() + self._hubness_level
        positions = np.full(len(scores), -1)
        if self._paths is not None:
            followed, tracker = self._paths.documents, self._paths.tracker
            positions[followed] = self._index.starts[followed] + tracker.positions()
        if parts := list(self._scores_of_parts):
            positions[parts] = self._index.starts[parts] + self._index.lengths[parts] - 1
        order = by_votes
        if self._ranking == "sequence":
            order = by_votes[np.argsort(-scores[by_votes], kind="stable")]
        works = itertools.islice(self._works(order.tolist()), top)
        return [
            Candidate(
                place,
                number,
                self._index.documents[number],
                float(self._votes[0, number]),
                float(scores[number]) if positions[number] >= 0 else None,
                int(positions[number]) if positions[number] >= 0 else None,
                tuple(self._index.documents[other] for other in same),
            )
            for place, (number, same) in enumerate(works, 1)
        ]

    def _works(self, order: Sequence[int]) -> Iterator[tuple[int, list[int]]]:
        """Yields the first document of every work, and the others that are the same music."""
        kept, passed = set(order), set[int]()
        for number in order:
            if number not in passed:
                same = [other for other in self._editions_of(number) if other in kept]
                passed.update(same)
                yield number, [other for other in same if other != number]

    def _editions_of(self, document: int) -> Sequence[int]:
        """Returns the documents that are the same music as one, itself among them."""
        return self._groups.get(document, (document,))

    def scores(self) -> np.ndarray:
        """Returns the scores of all documents as of the last call of `candidates`.

        Returns:
            Mean similarities less hubness, float64 [documents]; -inf for one not followed.
        """
        scores = np.full(len(self._index.documents), -np.inf)
        if self._paths is not None:
            scores[self._paths.documents] = self._paths.tracker.scores()
        scores[list(self._scores_of_parts)] = list(self._scores_of_parts.values())
        return scores

    def follow(self, document: int, last: int | None = None) -> Passage:
        """Follows the embeddings that are kept through a document.

        Args:
            document: Number of the document.
            last: Number of the last embeddings to follow; None: all that are kept.

        Returns:
            The part of them that the document holds.
        """
        rows = self._index.rows(document)
        vectors, hubness = self._index.vectors[rows], self._index.hubness[rows]
        return passages.find(self._last(last), vectors, hubness, self._limits)

    def _last(self, count: int | None) -> np.ndarray:
        """Returns the last embeddings that are kept, or all, float32 [steps, size]."""
        return np.array(list(self._history)[-count if count else None :])

    def judge(self, document: int, followed: Passage | None = None) -> Judgement:
        """Says how sure it is that a document is right: the first of the last `candidates`.

        Args:
            document: Number of the document.
            followed: What `follow` has returned for it, if that is known.
        """
        calibration = self._calibration
        if calibration is None:
            return Judgement("not told")
        scores = self.scores()
        score = float(scores[document])
        if not math.isfinite(score):
            return Judgement("unsure")
        scores[list(self._editions_of(document))] = -np.inf
        rivals = scores[np.isfinite(scores)]
        is_part = document in self._scores_of_parts
        steps = self._paths.tracker.weight if self._paths and not is_part else len(self._history)
        last = math.ceil(steps)
        passage = followed or self.follow(document, last)
        hubs = self._index.hubness[self._index.rows(document)]
        trace = traces.trace(
            passage.similarities - hubs,
            passage.path,
            self._last(last)[passage.steps],
            None if is_part else steps,
        )
        return certainty.judge(score, rivals, trace, calibration)

    @functools.cached_property
    def _calibration(self) -> certainty.Calibration | None:
        """That of the model, which ranking does without."""
        return certainty.find_calibration(self._index.probe, self._index.kind)

    def _follow(self, by_votes: np.ndarray) -> None:
        """Brings the paths through the shortlisted documents up to date."""
        chosen = self._shortlist(by_votes)
        history = np.array(self._history).reshape(-1, self._index.vectors.shape[1])
        is_part = self._limits.is_part(len(history), self._index.lengths[chosen])
        self._follow_parts(chosen[is_part], history)
        chosen = chosen[~is_part]
        parts: list[tuple[_Paths, np.ndarray]] = []
        if self._paths is not None:
            self._paths.follow(history[max(0, len(history) - self._pending) :])
            parts.append((self._paths, np.isin(self._paths.documents, chosen)))
            chosen = np.setdiff1d(chosen, self._paths.documents)
        if len(chosen):
            tracker = SequenceTracker(self._index.lengths[chosen], self._limits, self._memory)
            new = _Paths(self._index, chosen, tracker)
            new.follow(history)
            parts.append((new, np.ones(len(chosen), bool)))
        self._paths = self._joined(parts)
        self._pending = 0

    def _follow_parts(self, chosen: np.ndarray, history: np.ndarray) -> None:
        """Follows documents that are shorter than the query, and so parts of it."""
        self._scores_of_parts = {}
        if len(chosen):
            rows = map(self._index.rows, chosen)
            documents = [(self._index.vectors[row], self._index.hubness[row]) for row in rows]
            scores = passages.part_scores(history, documents, self._limits)
            self._scores_of_parts = dict(zip(chosen.tolist(), scores.tolist(), strict=True))

    def _joined(self, parts: Sequence[tuple[_Paths, np.ndarray]]) -> _Paths | None:
        """Returns the paths through those documents of some that stay, bool [documents] each."""
        if len(parts) == 1 and parts[0][1].all():
            return parts[0][0]
        stay = [(paths, np.flatnonzero(kept)) for paths, kept in parts if kept.any()]
        if not stay:
            return None
        tracker = SequenceTracker.joined([(paths.tracker, kept) for paths, kept in stay])
        followed = np.concatenate([paths.documents[kept] for paths, kept in stay])
        return _Paths(self._index, followed, tracker)

    def _shortlist(self, by_votes: np.ndarray) -> np.ndarray:
        """Returns the numbers of the documents to be followed, ascending; at least one."""
        lengths = self._index.lengths[by_votes]
        count = np.searchsorted(np.cumsum(lengths), self._shortlist_positions, side="right")
        return np.sort(by_votes[: max(1, count)])
