"""How a path runs through a document, which tells the right one from others.

Through the right document a path goes on steadily, as fast as the music is played there, and keeps
to what is most alike at every moment. Through another one it takes what fits: it hurries and lags,
and leaves better places aside. And music goes on, where noise and tones stay as they are. None of
this needs other documents to compare with.
"""

from dataclasses import dataclass

import numpy as np

from tempo_invariant.retrieval.sequence import ScorePath

WINDOW = 8
"""Steps over which a path is compared with a steady one, four seconds of a recording."""

SLOWEST = 0.5
"""Least speed, in positions a step, by which unsteadiness is divided."""

UNSTEADIEST = 2.0
"""The most that unsteadiness is held to be; 1 is rare, and what leaps all the time has none."""


@dataclass(frozen=True)
class Trace:
    """What is seen of the best path of a query through a document.

    Attributes:
        steps: Number of steps of the query, as far as they count.
        positions: Number of positions of the document.
        unsteadiness: How far the path is from a steady one, as a share of its speed, from 0 to
            `UNSTEADIEST`: the root mean square distance from the straight line through each window
            of steps without a leap, a step.
        shortfall: How much more alike the query is, a step, to the position of the document that is
            most alike than to that of the path; 0 or more.
        sameness: How much the query is like itself at other times, see `_sameness`, from -1 to 1.
    """

    steps: float
    positions: int
    unsteadiness: float
    shortfall: float
    sameness: float


def trace(
    similarities: np.ndarray, path: ScorePath, embeddings: np.ndarray, steps: float | None = None
) -> Trace:
    """Describes the path through a document.

    Args:
        similarities: Similarities less hubness, [steps, positions].
        path: The best path through them.
        embeddings: Those of the query, float [steps, size], unit length.
        steps: Number of steps that count, if these are not all.
    """
    along = similarities[np.arange(len(similarities)), path.positions]
    return Trace(
        len(similarities) if steps is None else steps,
        similarities.shape[1],
        _unsteadiness(path),
        float(np.mean(similarities.max(axis=1) - along)),
        _sameness(embeddings),
    )


def _sameness(embeddings: np.ndarray) -> float:
    """Returns the mean similarity of steps that are at least `WINDOW` apart.

    Of fewer than twice as many steps half of them are far enough; a single step has 0.
    """
    lag = min(WINDOW, len(embeddings) // 2)
    if not lag:
        return 0.0
    earlier = np.cumsum(embeddings[:-lag], axis=0, dtype=np.float64)
    pairs = len(earlier) * (len(earlier) + 1) / 2
    return float(np.sum(earlier * embeddings[lag:]) / pairs)


def _unsteadiness(path: ScorePath) -> float:
    advances = np.diff(path.positions)[~path.leaps[1:]]
    size = min(WINDOW, len(path.positions))
    every = slice(None, None, max(1, size // 2))
    windows = np.lib.stride_tricks.sliding_window_view(path.positions.astype(float), size)[every]
    leaps = np.lib.stride_tricks.sliding_window_view(path.leaps, size)[every]
    windows = windows[~leaps[:, 1:].any(axis=1)]
    if size < 3 or not len(windows):
        return UNSTEADIEST
    line = np.stack([np.ones(size), np.arange(size)], axis=1)
    beside = windows - windows @ (line @ np.linalg.pinv(line))
    distance = np.sqrt(np.mean(beside**2, axis=1)).mean()
    return float(min(distance / max(np.mean(advances), SLOWEST), UNSTEADIEST))
