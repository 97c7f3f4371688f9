"""Retrieval metrics from embeddings, and their intervals over pieces; NumPy only."""

from collections.abc import Mapping, Sequence

import numpy as np

CUTOFFS = (1, 5, 25)
"""The k of recall at k."""

TIE = 1e-6
"""Candidates whose cosine similarity is within this of the partner's count as ahead of it."""

BLOCK_ROWS = 1024


def ranks(queries: np.ndarray, candidates: np.ndarray) -> np.ndarray:
    """Rank of each query's partner among all candidates by cosine similarity.

    Ties count against the query: the rank is one plus the number of other candidates that are at
    least as similar as the partner (within `TIE`), so that a model that maps everything to one
    point ranks last. Embeddings that are not finite rank last too.

    Args:
        queries: `[count, size]`.
        candidates: `[count, size]`; row i is the partner of query i.

    Returns:
        int64 `[count]`, from 1 (found first) to count.

    Raises:
        ValueError: the shapes differ or are not `[count, size]`.
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
    """The candidate most similar to each query, its partner aside: what is found where it is not.

    Args:
        queries: `[count, size]`, finite, at least two.
        candidates: `[count, size]`; row i is the partner of query i.

    Returns:
        int64 `[count]`, indices of candidates.
    """
    result = []
    for similarities, partner in _similarities(np.asarray(queries), np.asarray(candidates)):
        similarities[partner] = -np.inf
        result.append(similarities.argmax(axis=1))
    return np.concatenate(result)


def summary(ranks: np.ndarray) -> dict[str, float]:
    """Recall at 1, 5 and 25, mean reciprocal rank (all from 0 to 1) and median rank.

    Args:
        ranks: ranks from 1, `[count]`; at least one.

    Returns:
        Values under "r@1", "r@5", "r@25", "mrr" and "mr".

    Raises:
        ValueError: there are no ranks.
    """
    ranks = np.asarray(ranks)
    if not ranks.size:
        raise ValueError("ranks must not be empty")
    recalls = {f"r@{k}": float(np.mean(ranks <= k)) for k in CUTOFFS}
    return recalls | {"mrr": float(np.mean(1 / ranks)), "mr": float(np.median(ranks))}


def retrieval_metrics(queries: np.ndarray, candidates: np.ndarray) -> dict[str, float]:
    """`summary` of the `ranks` of queries `[count, size]` among candidates `[count, size]`."""
    return summary(ranks(queries, candidates))


def bootstrap_intervals(
    ranks: np.ndarray,
    pieces: Sequence[str] | np.ndarray,
    seed: int = 0,
    resamples: int = 1000,
    level: float = 0.95,
) -> Mapping[str, tuple[float, float]]:
    """Percentile intervals of the `summary`, from resampling whole pieces with replacement.

    Pairs of one piece are not independent, hence pieces and not pairs are drawn.

    Args:
        ranks: ranks from 1, `[count]`.
        pieces: the piece of every query, `[count]`.
        seed: of the random draw.
        resamples: number of draws.
        level: share of the draws inside the interval.

    Returns:
        `(low, high)` under each key of `summary`.

    Raises:
        ValueError: lengths differ or are zero.
    """
    ranks = np.asarray(ranks)
    if not len(ranks) or len(ranks) != len(pieces):
        raise ValueError(f"need as many pieces as ranks, got {len(pieces)} and {len(ranks)}")
    names, piece_index = np.unique(np.asarray(pieces), return_inverse=True)
    values, value_index = np.unique(ranks, return_inverse=True)
    histogram = np.zeros((len(names), len(values)))
    np.add.at(histogram, (piece_index, value_index), 1)
    draws = np.random.default_rng(seed).multinomial(
        len(names), np.full(len(names), 1 / len(names)), size=resamples
    )
    counts = draws @ histogram
    totals = counts.sum(axis=1)
    estimates = {f"r@{k}": counts @ (values <= k) / totals for k in CUTOFFS}
    estimates["mrr"] = counts @ (1 / values) / totals
    estimates["mr"] = _weighted_medians(values, counts, totals)
    tails = [(1 - level) / 2, (1 + level) / 2]
    return {
        key: (float(low), float(high))
        for key, (low, high) in (
            (key, np.quantile(estimate, tails)) for key, estimate in estimates.items()
        )
    }


def _weighted_medians(values, counts, totals):
    """Median of each row of a table of how often each sorted value occurs, `[rows]`."""
    cumulative = np.cumsum(counts, axis=1)
    middle = [(totals - 1) // 2, totals // 2]
    index = [np.count_nonzero(cumulative <= place[:, None], axis=1) for place in middle]
    return (values[index[0]] + values[index[1]]) / 2


def _similarities(queries, candidates):
    """Cosine similarities of a block of queries at a time, and where the partners are in it."""
    queries, candidates = _unit(queries), _unit(candidates)
    for start in range(0, len(queries), BLOCK_ROWS):
        similarities = queries[start : start + BLOCK_ROWS] @ candidates.T
        rows = np.arange(len(similarities))
        yield similarities, (rows, start + rows)


def _unit(vectors):
    vectors = vectors.astype(np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
