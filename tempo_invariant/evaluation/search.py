"""Speed and recall of the search for neighbours among synthetic vectors."""

import dataclasses
import time

import numpy as np

from tempo_invariant import progress
from tempo_invariant.retrieval import neighbours

_BLOCK_ROWS = 500_000
_VECTORS_PER_CENTRE = 50
_SPREAD = 0.6
"""Length of the noise around a centre of length one."""

CUTOFFS = (1, 25)


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The speed and the recall of a search index.

    Attributes:
        vectors: Number of vectors that were searched.
        description: Kind of the search index.
        build_seconds: Time to build it, in seconds.
        recall: Share of the exact k nearest that are among the k found, by k.
        milliseconds: Times of single queries, one after the other: median, mean and 95th
            percentile.
        batch_milliseconds: Time a query if all are asked at once.
    """

    vectors: int
    description: str
    build_seconds: float
    recall: dict[int, float]
    milliseconds: tuple[float, float, float]
    batch_milliseconds: float


def clustered_vectors(count: int, size: int, generator: np.random.Generator) -> np.ndarray:
    """Returns unit vectors around a fiftieth as many random centres: float32 [count, size]."""
    centres = generator.standard_normal((-(-count // _VECTORS_PER_CENTRE), size), np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    vectors = np.empty((count, size), np.float32)
    for first in progress.track(range(0, count, _BLOCK_ROWS), "blocks of vectors"):
        block = vectors[first : first + _BLOCK_ROWS]
        noise = generator.standard_normal(block.shape, np.float32) * (_SPREAD / np.sqrt(size))
        block[:] = centres[generator.integers(0, len(centres), len(block))] + noise
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def measure(
    count: int,
    queries: int = 1000,
    size: int = 32,
    exact_limit: int = neighbours.EXACT_LIMIT,
    seed: int = 0,
) -> Measurement:
    """Builds the index that fits the number of vectors, and compares it with exact search.

    Args:
        count: Number of vectors.
        queries: Number of queries, which are vectors moved to a cosine of about 0.7.
        size: Number of dimensions.
        exact_limit: Largest number of vectors that is searched exhaustively.
        seed: Seed for vectors and queries.
    """
    generator = np.random.default_rng(seed)
    vectors = clustered_vectors(count, size, generator)
    started = time.perf_counter()
    index = neighbours.build(vectors, exact_limit)
    build_seconds = time.perf_counter() - started
    chosen = generator.choice(count, min(queries, count), replace=False)
    asked = neighbours.perturb(vectors[chosen], generator)
    most = max(CUTOFFS)
    _, true = neighbours.search_exactly(vectors, asked, most)
    index.search(asked[:10], most)
    started = time.perf_counter()
    _, found = index.search(asked, most)
    batch = time.perf_counter() - started
    milliseconds = 1000 * np.array([_seconds(index, query, most) for query in asked])
    tail = float(np.quantile(milliseconds, 0.95))
    return Measurement(
        vectors=count,
        description=index.description,
        build_seconds=build_seconds,
        recall={k: neighbours.recall(found[:, :k], true[:, :k]) for k in CUTOFFS},
        milliseconds=(float(np.median(milliseconds)), float(milliseconds.mean()), tail),
        batch_milliseconds=1000 * batch / len(asked),
    )


def _seconds(index: neighbours.Neighbours, query: np.ndarray, count: int) -> float:
    started = time.perf_counter()
    index.search(query[None], count)
    return time.perf_counter() - started


def text(measured: Measurement) -> str:
    """Returns the measurement as text for the screen."""
    median, mean, tail = measured.milliseconds
    recalls = ", ".join(f"@{k} {100 * value:.1f} %" for k, value in measured.recall.items())
    return (
        f"{measured.vectors:,d} vectors, {measured.description}, built in "
        f"{measured.build_seconds:.1f} s\n"
        f"one query at a time: median {median:.2f} ms, mean {mean:.2f} ms, 95 % below "
        f"{tail:.2f} ms; all at once: {measured.batch_milliseconds:.3f} ms each\n"
        f"recall against exact search: {recalls}"
    )
