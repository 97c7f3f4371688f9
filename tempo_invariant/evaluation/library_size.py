"""How often the right score comes first, by the number of scores it is sought among.

Every query is scored against all documents of an index. Of a library of N of them, the right one
and N - 1 others drawn at random, it comes first if none of those is among the k of all W others
that score as much: a share C(W - k, N - 1) / C(W, N - 1) of all libraries, exactly, for every N up
to that of the index.

Beyond it there is an extrapolation. The best scores of other documents are taken to fall off
exponentially above a threshold (the tail of any distribution whose extremes are Gumbel's, by
Pickands: "Statistical inference using extreme order statistics", 1975), for every query by itself;
that gives the chance p that another document scores as much as the right one, and (1 - p)^(N - 1).
"""

import dataclasses
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import gammaln

from tempo_invariant import progress
from tempo_invariant.audio import windows
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import drawn_library, identification, metrics
from tempo_invariant.evaluation.query_sets import Query
from tempo_invariant.retrieval import hubness
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import recording_limits
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Ranker
from tempo_invariant.retrieval.sequence import PathLimits, SequenceTracker

TAIL = 0.05
"""Share of the other documents, those of the highest scores, whose scores the tail is fitted to."""

SIZES = (100, 200, 466, 1000, 2000)
BEYOND = (10_000, 100_000)

_FEWEST_IN_TAIL = 20
_BLOCK_STEPS = 20


@dataclasses.dataclass(frozen=True)
class Scored:
    """Scores of every query along the best path through every document.

    Attributes:
        right: Score of the right document, the best one where several are right: [queries].
        others: Scores of the others, descending: [queries, documents]; -inf at the end.
        pieces: Piece of every query.
    """

    right: np.ndarray
    others: np.ndarray
    pieces: tuple[str, ...]


def score(
    index: SnippetIndex,
    recordings: SnippetIndex,
    right: Sequence[Sequence[int]],
    pieces: Sequence[str],
    limits: PathLimits,
    penalties: np.ndarray | None = None,
) -> Scored:
    """Follows every recording through every document.

    Args:
        index: Index of the documents.
        recordings: Index of the queries.
        right: Numbers of the documents that are right for each query, at least one.
        pieces: Piece of every query.
        limits: Limits of the paths.
        penalties: What is taken off the similarities of each vector, float32 [count].
    """
    vectors = np.asarray(index.vectors)
    best, others = [], []
    for number in progress.track(range(len(right)), "queries"):
        tracker = SequenceTracker(index.lengths, limits)
        embeddings = np.asarray(recordings.vectors[recordings.rows(number)])
        for first in range(0, len(embeddings), _BLOCK_STEPS):
            similarities = embeddings[first : first + _BLOCK_STEPS] @ vectors.T
            tracker.update(similarities if penalties is None else similarities - penalties)
        scores = tracker.scores()
        own = list(right[number])
        best.append(scores[own].max())
        scores[own] = -np.inf
        others.append(-np.sort(-scores))
    return Scored(np.array(best), np.stack(others), tuple(pieces))


def measured(scored: Scored, size: int) -> np.ndarray:
    """Returns for each query the share of all libraries of a size in which it is found.

    Args:
        scored: Scores.
        size: Number of documents in the library, at most as many as have been scored.

    Returns:
        float64 [queries].
    """
    count = scored.others.shape[1] - 1
    if not 1 <= size <= count + 1:
        raise ValueError(f"size must be from 1 to {count + 1}, received {size}")
    better = np.count_nonzero(scored.others >= scored.right[:, None], axis=1)
    drawn = size - 1
    possible = count - better >= drawn
    rest = np.where(possible, count - better, drawn)
    logarithm = (
        gammaln(rest + 1)
        - gammaln(rest - drawn + 1)
        - gammaln(count + 1)
        + gammaln(count - drawn + 1)
    )
    return np.where(possible, np.exp(logarithm), 0.0)


def extrapolated(scored: Scored, size: int) -> np.ndarray:
    """Returns for each query the chance that it is found in a library of any size, as fitted.

    Args:
        scored: Scores.
        size: Number of documents in the library.

    Returns:
        float64 [queries].
    """
    others = scored.others[:, :-1]
    count = others.shape[1]
    tail = min(count - 1, max(_FEWEST_IN_TAIL, round(TAIL * count)))
    others = np.maximum(others, others[np.isfinite(others)].min())  # other editions, at the end
    threshold = others[:, tail]
    excess = np.maximum(others[:, :tail] - threshold[:, None], 0)
    scale = np.maximum(excess.mean(axis=1), np.finfo(np.float32).tiny)
    share = np.count_nonzero(others >= scored.right[:, None], axis=1) / count
    fitted = tail / count * np.exp(-np.maximum(scored.right - threshold, 0) / scale)
    chance = np.where(scored.right > threshold, fitted, share)
    return np.exp((size - 1) * np.log1p(-np.minimum(chance, 1 - 1e-12)))


def with_interval(found: np.ndarray, pieces: Sequence[str]) -> list[float]:
    """Returns the mean of values and the ends of its interval, from resampling pieces.

    Args:
        found: Values of the queries, [queries].
        pieces: Their pieces.
    """
    names, piece = np.unique(np.asarray(pieces), return_inverse=True)
    totals = np.bincount(piece, weights=found)
    draws = metrics.piece_draws(len(names))
    estimates = draws @ totals / (draws @ np.bincount(piece))
    return [float(np.mean(found)), *metrics.interval(estimates)]


def curve(scored: Scored, sizes: Sequence[int], beyond: Sequence[int]) -> list[dict[str, Any]]:
    """Returns the share of queries whose right document comes first, by the size of the library.

    Args:
        scored: Scores.
        sizes: Sizes to measure; those above the number of documents are left out.
        beyond: Sizes for the extrapolation.

    Returns:
        A row for each size: "scores", "measured" (none where it is not) and "fitted", each the
        value and the ends of its interval.
    """
    most = scored.others.shape[1]
    rows = []
    for size in sorted({*(size for size in sizes if size < most), most, *beyond}):
        row: dict[str, Any] = {"scores": size, "measured": None}
        if size <= most:
            row["measured"] = with_interval(measured(scored, size), scored.pieces)
        row["fitted"] = with_interval(extrapolated(scored, size), scored.pieces)
        rows.append(row)
    return rows


def run(
    embedder: Embedder,
    index: SnippetIndex,
    queries: Sequence[Query],
    keep: str | Path,
    size: int = 0,
) -> list[dict[str, Any]]:
    """Measures the curve of an index, before and after hubness, and what a shortlist costs.

    Args:
        embedder: The model of the index.
        index: Index of scores, those of the queries among them.
        queries: Recordings.
        keep: Directory for the indices of recordings, used again from there.
        size: Number of scores to bring the index to with drawn ones; 0 draws none.

    Returns:
        A report for every condition.

    Raises:
        UserError: A query's score is missing, or a recording cannot be read or is silent.
    """
    numbers = {name: number for number, name in enumerate(index.documents)}
    if missing := sorted({query.piece for query in queries} - set(numbers)):
        raise UserError(f"{index.path}: holds no score {missing[0]!r}")
    groups = {number: group for group in index.editions for number in group}
    right_of = {
        piece: groups.get(numbers[piece], (numbers[piece],))
        for piece in {query.piece for query in queries}
    }
    if size > len(index.documents):
        sought = {number for right in right_of.values() for number in right}
        index = drawn_library.enlarge(index, size, hubness.cohort(embedder), sought)
    recorded = identification.record_all(embedder, queries, windows.HOP_FRAMES, Path(keep))
    return [_measure(index, recordings, played, right_of) for played, recordings in recorded]


def _measure(
    index: SnippetIndex,
    recordings: SnippetIndex,
    queries: Sequence[Query],
    right_of: Mapping[str, Sequence[int]],
) -> dict[str, Any]:
    pieces = [query.piece for query in queries]
    right = [right_of[piece] for piece in pieces]
    limits = recording_limits(recordings.hop_frames, index.step_pixels)
    ways = {"similarity": None} | ({"less hubness": index.hubness} if index.hubness.any() else {})
    curves = {}
    for name, taken_off in ways.items():
        scored = score(index, recordings, right, pieces, limits, taken_off)
        curves[name] = curve(scored, SIZES, BEYOND)
    return {
        "condition": queries[0].condition.text,
        "scores": len(index.documents),
        "vectors": len(index.vectors),
        "pieces": len(set(pieces)),
        "queries": len(queries),
        "curves": curves,
        "shortlist": _shortlisted(index, recordings, right, pieces, limits),
    }


def _shortlisted(
    index: SnippetIndex,
    recordings: SnippetIndex,
    right: Sequence[Sequence[int]],
    pieces: Sequence[str],
    limits: PathLimits,
) -> dict[str, Any]:
    """Measures the ranking as `identify` does it: votes choose which documents are followed."""
    found = []
    started = time.process_time()
    for number in progress.track(range(len(right)), "queries"):
        ranker = Ranker(index, "sequence", limits)
        ranker.update(np.asarray(recordings.vectors[recordings.rows(number)]))
        found.append(ranker.candidates(1)[0].document in right[number])
    return {
        "first": with_interval(np.array(found), pieces),
        "processor_seconds": (time.process_time() - started) / len(right),
    }


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Returns the reports as text for the screen: R@1 in per cent, intervals over pieces."""
    lines = []
    for report in reports:
        shortlist = report["shortlist"]
        lines += [
            f"{report['condition']}: {report['queries']} queries of {report['pieces']} pieces "
            f"among {report['scores']:,d} scores, {report['vectors']:,d} snippets",
            f"  votes choose who is followed: R@1 {metrics.percent(shortlist['first'])}, "
            f"{shortlist['processor_seconds']:.2f} s of processor time for each",
        ]
        for name, rows in report["curves"].items():
            lines += [f"  all are followed, by {name}:", "     scores  measured            fitted"]
            for row in rows:
                values = [row["measured"], row["fitted"]]
                cells = [metrics.percent(value) if value else "" for value in values]
                lines.append(f"{row['scores']:11,d}  {cells[0]:20}{cells[1]}")
    return "\n".join(lines)
