"""Retrieval metrics from embeddings, and their intervals over pieces; NumPy only."""

from collections.abc import Iterator, Sequence

import numpy as np

CUTOFFS = (1, 5, 25)
"""The k of recall at k."""

COLUMNS = {"r@1": "R@1", "r@5": "R@5", "r@25": "R@25", "mrr": "MRR", "mr": "MR"}
"""Headings of the metrics in tables."""

TIE = 1e-6
"""Candidates whose cosine similarity is within this of the partner's count as ahead of it."""

BLOCK_ROWS = 1024

RESAMPLES = 1000
"""Draws of the bootstrap."""

LEVEL = 0.95
"""Share of the draws inside an interval."""


def ranks(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Returns the rank of each query's partner among all candidates by cosine similarity.

    Ties count against the query: the rank is one plus the number of other candidates that are at
    least as similar as the partner (within `TIE`), so that a model that maps everything to one
    point ranks last. Embeddings that are not finite rank last too.

    Args:
        queries: Embeddings `[count, size]`.
        candidates: Embeddings `[count, size]`; row i is the partner of query i.

    Returns:
        int64 `[count]`, from 1 (found first) to count.

    Raises:
        ValueError: The shapes differ or are not `[count, size]`.
    """
    queries, candidates = np.asarray(queries), np.asarray(candidates)
    if queries.shape != candidates.shape or queries.ndim != 2:
        raise ValueError(
            "queries and candidates must have one shape [count, size], "
            f"got {queries.shape} and {candidates.shape}"
        )
    result = []
    for similarities, partner in _similarities(queries, candidates):
        behind = np.count_nonzero(similarities < similarities[partner][:, None] - TIE, axis=1)
        result.append(len(candidates) - behind)
    return np.concatenate(result) if result else np.empty(0, np.int64)


def nearest_others(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Returns the candidate most similar to each query, its partner aside.

    Args:
        queries: Embeddings `[count, size]`, finite, at least two.
        candidates: Embeddings `[count, size]`; row i is the partner of query i.

    Returns:
        int64 `[count]`, indices of candidates.
    """
    result = []
    for similarities, partner in _similarities(np.asarray(queries), np.asarray(candidates)):
        similarities[partner] = -np.inf
        result.append(similarities.argmax(axis=1))
    return np.concatenate(result)


def summary(ranks: np.ndarray) -> dict[str, float]:
    """Returns recall at 1, 5 and 25, mean reciprocal rank (all from 0 to 1) and median rank.

    Args:
        ranks: Ranks from 1, `[count]`; at least one.

    Returns:
        Values under "r@1", "r@5", "r@25", "mrr" and "mr".

    Raises:
        ValueError: There are no ranks.
    """
    ranks = np.asarray(ranks)
    if not ranks.size:
        raise ValueError("ranks must not be empty")
    recalls = {f"r@{k}": float(np.mean(ranks <= k)) for k in CUTOFFS}
    return recalls | {"mrr": float(np.mean(1 / ranks)), "mr": float(np.median(ranks))}


def retrieval_metrics(queries: np.ndarray, candidates: np.ndarray) -> dict[str, float]:
    """Returns the `summary` of the `ranks` of queries among candidates, both `[count, size]`."""
    return summary(ranks(queries, candidates))


def piece_draws(count: int, seed: int = 0, resamples: int = RESAMPLES) -> np.ndarray:
    """Draws pieces with replacement for the bootstrap.

    Args:
        count: Number of pieces.
        seed: Seed for the bootstrap resampling.
        resamples: Number of draws.

    Returns:
        How often each draw has each piece: int64 `[resamples, count]`.
    """
    return np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), resamples)


def interval(estimates: np.ndarray) -> tuple[float, float]:
    """Returns the percentile interval `(low, high)` of the estimates from all draws."""
    low, high = np.quantile(estimates, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def cell(name: str, values: Sequence[float]) -> str:
    """Returns a value of the `summary` as text, with its interval in brackets.

    Args:
        name: Name of the metric.
        values: Value and both ends of its interval; R@k is shown in per cent.
    """
    if name not in ("mrr", "mr"):
        return percent(values)
    value, low, high = (f"{number:.3f}" if name == "mrr" else f"{number:g}" for number in values)
    return f"{value} [{low}, {high}]"


def percent(values: Sequence[float]) -> str:
    """Returns a share as text in per cent, with its interval in brackets."""
    # Adding 0 makes 0.0 of -0.0.
    value, low, high = (f"{round(100 * number, 1) + 0:.1f}" for number in values)
    return f"{value} [{low}, {high}]"


def bootstrap_intervals(
    ranks: np.ndarray,
    pieces: Sequence[str] | np.ndarray,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> dict[str, tuple[float, float]]:
    """Returns 95 % intervals of the `summary`, from resampling whole pieces with replacement.

    Pairs of one piece are not independent, hence pieces and not pairs are drawn.

    Args:
        ranks: Ranks from 1, `[count]`.
        pieces: The piece of every query, `[count]`.
        seed: Seed for the bootstrap resampling.
        resamples: Number of draws.

    Returns:
        `(low, high)` under each key of `summary`.

    Raises:
        ValueError: The lengths differ or are zero.
    """
    ranks = np.asarray(ranks)
    if not len(ranks) or len(ranks) != len(pieces):
        raise ValueError(f"need as many pieces as ranks, got {len(pieces)} and {len(ranks)}")
    names, piece_index = np.unique(np.asarray(pieces), return_inverse=True)
    values, value_index = np.unique(ranks, return_inverse=True)
    histogram = np.zeros((len(names), len(values)))
    np.add.at(histogram, (piece_index, value_index), 1)
    counts = piece_draws(len(names), seed, resamples) @ histogram
    totals = counts.sum(axis=1)
    estimates = {f"r@{k}": counts @ (values <= k) / totals for k in CUTOFFS}
    estimates["mrr"] = counts @ (1 / values) / totals
    estimates["mr"] = _weighted_medians(values, counts, totals)
    return {key: interval(estimate) for key, estimate in estimates.items()}


def share(hits: np.ndarray, pieces: Sequence[str] | np.ndarray, seed: int = 0) -> list[float]:
    """Returns the share of hits, and its 95 % interval from resampling whole pieces.

    Args:
        hits: Whether each row is a hit, bool `[count]`, or which share of it is, float from 0 to 1;
            at least one.
        pieces: The piece of every row, `[count]`.
        seed: Seed for the bootstrap resampling.

    Returns:
        Value, and both ends of its interval, from 0 to 1.
    """
    names, numbers = np.unique(np.asarray(pieces), return_inverse=True)
    hit_counts = np.bincount(numbers, np.asarray(hits, float), len(names))
    draws = piece_draws(len(names), seed)
    estimates = draws @ hit_counts / (draws @ np.bincount(numbers, minlength=len(names)))
    return [float(np.mean(hits)), *interval(estimates)]


def _weighted_medians(values: np.ndarray, counts: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Returns the median of each row of a table of how often each sorted value occurs, `[rows]`."""
    cumulative = np.cumsum(counts, axis=1)
    middle = [(totals - 1) // 2, totals // 2]
    index = [np.count_nonzero(cumulative <= place[:, None], axis=1) for place in middle]
    return (values[index[0]] + values[index[1]]) / 2


def _similarities(
    queries: np.ndarray, candidates: np.ndarray
) -> Iterator[tuple[np.ndarray, tuple[np.ndarray, np.ndarray]]]:
    """Yields the cosine similarities of a block of queries, and where the partners are in it."""
    queries, candidates = _unit(queries), _unit(candidates)
    for start in range(0, len(queries), BLOCK_ROWS):
        similarities = queries[start : start + BLOCK_ROWS] @ candidates.T
        rows = np.arange(len(similarities))
        yield similarities, (rows, start + rows)


def _unit(vectors: np.ndarray) -> np.ndarray:
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
