"""How well a sequence of queries runs through each document: votes, and a tempo-free alignment.

A document is a row of positions in reading order (snippets of a score, or windows of a recording),
a query a row of steps (windows of a recording, or snippets of a page). The score of a document is
the largest sum of similarities along a path that gives every step a position, where the path

- starts and ends anywhere;
- stays at a position for up to `slowest` steps and then goes on by 1 to `fastest` positions, which
  bounds the tempo on both sides and prefers none in between;
- may leap to any position of the document at `leap_cost`: a repeat, a volta, a page left out.

This is subsequence dynamic time warping with slope limits, written as a Viterbi search over
positions with explicit durations.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from tempo_invariant.errors import UserError

NEVER = np.float32(-1e9)
"""Stands for minus infinity; sums of it stay finite."""

LEAP = -1
START = -2

ELSEWHERE = -1
"""Position of a step that is not in the document."""


@dataclasses.dataclass(frozen=True)
class PathLimits:
    """What a path may do.

    Attributes:
        slowest: Number of steps that the path may stay at one position.
        fastest: Number of positions by which it may go on in one step.
        leap_cost: Cost of a leap within the document, in units of similarity.
        pace: Usual number of positions that a step goes on by; 0: it is not known.
    """

    slowest: int = 4
    fastest: int = 3
    leap_cost: float = 3.0
    pace: float = 0.0

    def __post_init__(self):
        if self.slowest < 1 or self.fastest < 1:
            raise UserError(
                f"slowest and fastest must be at least 1, received {self.slowest}, {self.fastest}"
            )
        if not self.leap_cost >= 0:
            raise UserError(f"leap_cost must not be negative, received {self.leap_cost}")
        if not self.pace >= 0:
            raise UserError(f"pace must not be negative, received {self.pace}")

    @property
    def converse(self) -> "PathLimits":
        """The limits of the path of the document through the query."""
        pace = 1 / self.pace if self.pace else 0.0
        return PathLimits(self.fastest, self.slowest, self.leap_cost, pace)

    def is_part(self, steps: int, positions: Any) -> Any:
        """Tells whether a document is held to be a part of the query, because it is shorter.

        Args:
            steps: Number of steps of the query.
            positions: Number of positions of the document, or an array of them.

        Returns:
            bool, or an array of them; False if the pace is not known.
        """
        return positions < self.pace * steps


@dataclasses.dataclass(frozen=True)
class ScorePath:
    """The best path through one document.

    Attributes:
        positions: Position of every step, int64 [steps]; `ELSEWHERE` where it is not in the
            document.
        leaps: Steps to which the path leapt, bool [steps].
        score: Sum of the similarities less the costs of the leaps.
    """

    positions: np.ndarray
    leaps: np.ndarray
    score: float


class SequenceTracker:
    """Scores of the best paths through many documents, updated step by step.

    Memory does not grow with the number of steps.

    Args:
        lengths: Number of positions of each document, `[documents]`.
        limits: Limits of the path.
        memory: Factor of the past for every step; 1 forgets nothing.

    Attributes:
        steps: Number of steps so far.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        limits: PathLimits | None = None,
        memory: float = 1.0,
    ):
        if not len(lengths) or min(lengths) < 1:
            raise ValueError("every document needs a position")
        if not 0 < memory <= 1:
            raise UserError(f"memory must be above 0 and at most 1, received {memory}")
        self.limits = limits or PathLimits()
        self.memory = memory
        self.steps = 0
        counts = np.asarray(lengths, np.int64)
        # Each document is preceded by columns that no path enters, so that going on is a shift
        # of the whole row.
        self._starts = (
            np.cumsum(counts) - counts + self.limits.fastest * np.arange(1, len(counts) + 1)
        )
        self._columns = np.concatenate(
            [start + np.arange(count) for start, count in zip(self._starts, counts, strict=True)]
        )
        self._row_lengths = counts + self.limits.fastest
        self._width = int(self._row_lengths.sum())
        self._staying = np.full((self.limits.slowest, self._width), NEVER, np.float32)
        self._best = np.full(self._width, NEVER, np.float32)
        self._weights = np.zeros(len(counts))

    @property
    def weight(self) -> float:
        """Number of steps as far as they are not forgotten."""
        return float(self._weights.max())

    @classmethod
    def joined(cls, parts: Sequence[tuple["SequenceTracker", np.ndarray]]) -> "SequenceTracker":
        """Returns a tracker that goes on with chosen documents of other ones.

        Args:
            parts: Trackers of the same limits and memory, at the same step, that may have begun at
                different ones, and numbers of documents in each, int [documents].
        """
        first, _ = parts[0]
        padding = first.limits.fastest
        lengths = [tracker._row_lengths[chosen] - padding for tracker, chosen in parts]
        joined = cls(np.concatenate(lengths), first.limits, first.memory)
        columns = [
            (tracker, start - padding, start - padding + length)
            for tracker, chosen in parts
            for start, length in zip(
                tracker._starts[chosen], tracker._row_lengths[chosen], strict=True
            )
        ]
        joined._best = np.concatenate([tracker._best[a:b] for tracker, a, b in columns])
        joined._staying = np.concatenate([tracker._staying[:, a:b] for tracker, a, b in columns], 1)
        joined._weights = np.concatenate([tracker._weights[chosen] for tracker, chosen in parts])
        joined.steps = max(tracker.steps for tracker, _ in parts)
        return joined

    def update(self, similarities: np.ndarray) -> None:
        """Adds steps.

        Args:
            similarities: Similarities [steps, positions], document after document.

        Raises:
            ValueError: The number of positions is another one.
        """
        if similarities.ndim != 2 or similarities.shape[1] != len(self._columns):
            raise ValueError(
                f"similarities must be [steps, {len(self._columns)}], not {similarities.shape}"
            )
        row = np.full(self._width, NEVER, np.float32)
        for values in similarities:
            row[self._columns] = values
            self._step(row)

    def _step(self, row: np.ndarray) -> None:
        previous = self._best * np.float32(self.memory)
        if self.steps:
            entry = np.repeat(
                self._document_best(previous) - np.float32(self.limits.leap_cost),
                self._row_lengths,
            )
            for advance in range(1, self.limits.fastest + 1):
                np.maximum(entry[advance:], previous[:-advance], out=entry[advance:])
        else:
            entry = np.zeros(self._width, np.float32)
        self._staying[1:] = self._staying[:-1] * np.float32(self.memory)
        self._staying[0] = entry
        self._staying += row
        np.maximum(self._staying, NEVER, out=self._staying)
        self._best = self._staying.max(axis=0)
        self._weights = self._weights * self.memory + 1
        self.steps += 1

    def _document_best(self, row: np.ndarray) -> np.ndarray:
        return np.maximum.reduceat(row, self._starts - self.limits.fastest)

    def scores(self) -> np.ndarray:
        """Returns the score of every document a step, float32 [documents]; at first 0."""
        if not self.steps:
            return np.zeros(len(self._starts), np.float32)
        return self._document_best(self._best) / self._weights.astype(np.float32)

    def positions(self) -> np.ndarray:
        """Returns the position, from 0, of the best path of every document, int64 [documents]."""
        rows = np.split(self._best, self._starts[1:] - self.limits.fastest)
        return np.array([int(np.argmax(row[self.limits.fastest :])) for row in rows])


def best_path(
    similarities: np.ndarray,
    limits: PathLimits | None = None,
    start_costs: np.ndarray | None = None,
    elsewhere: float | None = None,
) -> ScorePath:
    """Finds the best path through one document.

    Args:
        similarities: Similarities [steps, positions], at least one of each.
        limits: Limits of the path.
        start_costs: Cost of starting at each position [positions]; None: it is free everywhere.
        elsewhere: Similarity of every step with what is not in the document. There the path may
            begin and stay; it goes there as if it came after the last position, and comes back by
            leaping. None: the path is in the document throughout.

    Returns:
        The path whose score, over its steps, is what `SequenceTracker.scores` gives if starting is
        free.
    """
    limits = limits or PathLimits()
    similarities = np.asarray(similarities, np.float32)
    if not similarities.size:
        raise ValueError(f"similarities must not be empty, received {similarities.shape}")
    if elsewhere is not None:
        similarities = np.pad(similarities, [(0, 0), (0, 1)], constant_values=elsewhere)
        start_costs = None if start_costs is None else np.append(start_costs, 0)
    steps, positions = similarities.shape
    stays = np.empty((steps, positions), np.int16)
    moves = np.empty((steps, positions), np.int16)
    leapt_from = np.zeros(steps, np.int64)
    staying = np.full((limits.slowest, positions), NEVER, np.float32)
    best = np.full(positions, NEVER, np.float32)
    for step, row in enumerate(similarities):
        leapt_from[step] = np.argmax(best)
        if step:
            entry, moves[step] = _enter(best, limits)
            if elsewhere is not None and best[-1] >= entry[-1]:
                entry[-1], moves[step, -1] = best[-1], 0
        else:
            entry = np.zeros(positions) if start_costs is None else -np.asarray(start_costs)
            moves[step] = START
        staying[1:] = staying[:-1]
        staying[0] = entry
        staying = np.maximum(staying + row, NEVER)
        stays[step] = np.argmax(staying, axis=0)
        best = np.take_along_axis(staying, stays[step][None].astype(np.int64), axis=0)[0]
    path = _trace(stays, moves, leapt_from, int(np.argmax(best)), float(best.max()))
    if elsewhere is not None:
        path.positions[path.positions == positions - 1] = ELSEWHERE
    return path


def _enter(best: np.ndarray, limits: PathLimits) -> tuple[np.ndarray, np.ndarray]:
    """Returns the best value with which each position is entered, and the move that does it."""
    entry = np.full_like(best, best.max() - np.float32(limits.leap_cost))
    moves = np.full(len(best), LEAP, np.int16)
    for advance in range(1, min(limits.fastest, len(best) - 1) + 1):
        better = best[:-advance] > entry[advance:]
        entry[advance:][better] = best[:-advance][better]
        moves[advance:][better] = advance
    return entry, moves


def _trace(
    stays: np.ndarray, moves: np.ndarray, leapt_from: np.ndarray, position: int, score: float
) -> ScorePath:
    """Follows the moves back from the position of the last step."""
    steps = len(stays)
    positions, leaps = np.empty(steps, np.int64), np.zeros(steps, bool)
    step = steps - 1
    while step >= 0:
        entered = step - int(stays[step, position])
        positions[entered : step + 1] = position
        move = int(moves[entered, position])
        leaps[entered] = move == LEAP
        position = int(leapt_from[entered]) if move == LEAP else position - move
        step = entered - 1
    return ScorePath(positions, leaps, score)


def count_votes(
    documents: np.ndarray,
    similarities: np.ndarray,
    count: int,
    weights: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Counts the votes of retrieved neighbours for their documents.

    Dorfer, Hajič jr., Arzt, Frostel, Widmer: "Learning audio–sheet music correspondences for
    cross-modal retrieval and piece identification", 2018: every neighbour of every query is a
    vote for its document.

    Args:
        documents: Document of each neighbour, int [queries, neighbours]; -1 for none.
        similarities: Similarity of each neighbour, float [queries, neighbours].
        count: Number of documents.
        weights: Weight of the votes of each query, float [queries]; None weighs all alike.

    Returns:
        Votes float64 [count], and the sums of their similarities float64 [count], which decide
        between equal numbers of votes.
    """
    shape = documents.shape
    each = np.broadcast_to(np.ones(shape[0]) if weights is None else weights, shape[::-1]).T
    valid = documents >= 0
    chosen, each = documents[valid], each[valid]
    votes = np.bincount(chosen, weights=each, minlength=count)
    return votes, np.bincount(chosen, weights=each * similarities[valid], minlength=count)
