"""What a query and a document have in common, and the path through it.

Usually a document holds all of the query: the score all that a recording plays, the recording all
of a page. Where it is the other way round, as with an excerpt of ten seconds that is asked with a
whole score, most of the query is not in the document, and a path that gives each of its steps a
position says little. There the document is followed through the query.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tempo_invariant.retrieval.sequence import PathLimits, ScorePath, SequenceTracker, best_path

_BLOCK_COLUMNS = 200_000
"""So many steps of the query, over all documents, are searched at once."""


@dataclass(frozen=True)
class Passage:
    """The part of a query that a document holds.

    Attributes:
        steps: Numbers of the query's steps that are in the document, ascending, int64 [steps].
        similarities: Similarities of these steps with the document, float32 [steps, positions].
        path: The path of these steps through the document.
        score: Mean similarity less hubness along the path, less the costs of leaps: a step of the
            query, or a position of the document, whichever is followed through the other.
    """

    steps: np.ndarray
    similarities: np.ndarray
    path: ScorePath
    score: float


def find(
    embeddings: np.ndarray, vectors: np.ndarray, hubness: np.ndarray, limits: PathLimits
) -> Passage:
    """Follows a query through a document, or the document through the query if that is longer.

    Args:
        embeddings: Embeddings of the query, float32 [steps, size].
        vectors: Vectors of the document, float32 [positions, size].
        hubness: Hubness of these, float32 [positions].
        limits: Limits of the path of the query through the document.
    """
    similarities = embeddings @ vectors.T
    if limits.is_part(*similarities.shape):
        path = best_path((similarities - hubness).T, limits.converse)
        steps, positions = _steps_on(path)
        leaps = np.r_[False, (np.diff(steps) > 1) | (np.diff(positions) < 0)]
        walked = ScorePath(positions, leaps, path.score)
        return Passage(steps, similarities[steps], walked, path.score / len(vectors))
    path = best_path(similarities - hubness, limits)
    every = np.arange(len(similarities))
    return Passage(every, similarities, path, path.score / len(similarities))


def part_scores(
    embeddings: np.ndarray,
    documents: Sequence[tuple[np.ndarray, np.ndarray]],
    limits: PathLimits,
) -> np.ndarray:
    """Returns the scores of documents that are parts of a query, as `find` has them.

    Args:
        embeddings: Embeddings of the query, float32 [steps, size].
        documents: Vectors, float32 [positions, size], and hubness, float32 [positions], of each.
        limits: Limits of the path of the query through a document.

    Returns:
        float64 [documents].
    """
    lengths = np.array([len(vectors) for vectors, _ in documents], np.int64)
    found = np.empty(len(documents))
    most = max(1, _BLOCK_COLUMNS // len(embeddings))
    by_length = np.argsort(lengths, kind="stable")
    for block in np.split(by_length, range(most, len(by_length), most)):
        tracker = SequenceTracker([len(embeddings)] * len(block), limits.converse)
        columns = [
            vectors @ embeddings.T - hubness[:, None]
            for vectors, hubness in (documents[number] for number in block)
        ]
        for position in range(lengths[block].max()):
            rows = [column[min(position, len(column) - 1)] for column in columns]
            tracker.update(np.concatenate(rows)[None])
            ended = lengths[block] == position + 1
            found[block[ended]] = tracker.scores()[ended]
    return found


def _steps_on(path: ScorePath) -> tuple[np.ndarray, np.ndarray]:
    """Returns the steps of a query that a document's path through it comes by, and where.

    Args:
        path: Path whose "steps" are the positions of the document, and whose "positions" are steps
            of the query.

    Returns:
        Steps of the query, ascending, int64 [steps], and the first position of the document at each
        of them, int64 [steps].
    """
    first_at: dict[int, int] = {}
    following = np.r_[path.positions[1:], path.positions[-1] + 1]
    following[:-1][path.leaps[1:]] = path.positions[:-1][path.leaps[1:]] + 1
    for position, (step, after) in enumerate(zip(path.positions, following, strict=True)):
        for passed in range(step, max(after, step + 1)):
            first_at.setdefault(passed, position)
    steps = sorted(first_at)
    return np.array(steps, np.int64), np.array([first_at[step] for step in steps], np.int64)
