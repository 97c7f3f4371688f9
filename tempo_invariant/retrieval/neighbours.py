"""Nearest neighbours by inner product with FAISS: exact, or IVF-PQ where there are too many.

Above `EXACT_LIMIT` vectors an inverted file with product quantisation finds candidates, which are
ranked again by their exact inner products. How many of its lists are visited is not guessed: it
is doubled until, on perturbed vectors of the index itself, at least `RECALL` of the true
neighbours are found.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from tempo_invariant.errors import UserError, one_line

EXACT_LIMIT = 500_000
"""The most vectors that are searched exhaustively: half a second for a minute of audio, for which
IVF-PQ takes a third of a second among four million."""

RECALL = 0.97
"""Share of the exact neighbours that IVF-PQ has to find when it is built."""

CANDIDATES = 8
"""Candidates of IVF-PQ that are ranked exactly, for every neighbour that is wanted."""

MOST_UNCOVERED = 0.1
"""The largest share of the vectors that is searched exhaustively beside IVF-PQ."""

FEW_QUERIES = 8
"""For so few queries, as while listening, threads that wait for each other cost more processor time
than the search: seven times as much where other programs run, too."""

_FLAT = b"IxFI"
"""How FAISS begins the file of an index that is nothing but the vectors."""

_TRAINED_PER_LIST = 64
_SMALLEST_TRAINING = 1000
_TESTED_QUERIES = 256
_TESTED_NEIGHBOURS = 25
_PERTURBATION = 1.0
_BLOCK_ROWS = 1_000_000
_EXACT_ROWS = 65_536
_NEVER = np.float32(1e6)
"""Stands for an infinite penalty, which would not be a number times nought."""


class Neighbours:
    """Searches unit vectors by inner product, less a penalty of each vector.

    IVF-PQ may cover the first vectors only, as when others have been added since it was built; the
    rest are searched exhaustively.

    Args:
        vectors: The vectors, float32 [count, size], possibly memory-mapped.
        index: IVF-PQ of the first of these vectors, by FAISS; None: all are searched exhaustively.
        penalties: What is taken off each vector's inner products, float32 [count], such as its
            hubness; infinite for a vector that is never to be found. None: nothing.

    Attributes:
        vectors: The vectors as given.
    """

    def __init__(self, vectors: np.ndarray, index: Any = None, penalties: np.ndarray | None = None):
        count, size = vectors.shape
        if index is not None and (index.ntotal > count or index.d not in (size, size + 1)):
            raise UserError(
                f"the search index holds {index.ntotal} vectors of size {index.d}, not "
                f"{count} of size {size}"
            )
        self.vectors = vectors
        self._index = index
        self._penalties = penalties

    @property
    def covered(self) -> int:
        """Number of the first vectors that IVF-PQ covers; 0 if the search is exhaustive."""
        return 0 if self._index is None else int(self._index.ntotal)

    @property
    def exact(self) -> bool:
        """Whether the search is exhaustive."""
        return self._index is None

    @property
    def description(self) -> str:
        """What kind of index it is, in a few words."""
        if self._index is None:
            return "exact"
        rest = len(self.vectors) - self.covered
        lists = f"IVF-PQ, {self._index.nprobe} of {self._index.nlist} lists"
        return lists + (f", {rest:,d} vectors exact" if rest else "")

    def is_outgrown(self, exact_limit: int = EXACT_LIMIT) -> bool:
        """Whether `build` should be called anew: too many vectors are searched exhaustively."""
        count = len(_findable(self.vectors, self._penalties))
        rest = len(self.vectors) - self.covered
        return count > max(exact_limit, _SMALLEST_TRAINING) and rest > MOST_UNCOVERED * count

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the nearest vectors of each query.

        Args:
            queries: The queries, float32 [queries, size].
            count: Number of neighbours.

        Returns:
            Inner products less penalties float32 and row numbers int64, both [queries, neighbours],
            the best first; fewer neighbours than `count` if there are fewer vectors, number -1
            where fewer were found.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        count = min(count, len(self.vectors))
        with _threads_for(queries):
            results = [self._search_covered(queries, count), self._search_rest(queries, count)]
        products, found = (np.concatenate(parts, 1) for parts in zip(*results, strict=True))
        order = np.argsort(-products, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(products, order, 1), np.take_along_axis(found, order, 1)

    def _search_covered(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds neighbours by IVF-PQ among the vectors that it covers, ranked exactly."""
        if not self.covered:
            return np.zeros((len(queries), 0), np.float32), np.zeros((len(queries), 0), np.int64)
        wanted = min(CANDIDATES * count, self.covered)
        extended = _extend(queries, np.float32(-1)) if self._has_penalties else queries
        _, found = self._index.search(extended, wanted)
        if found.max(initial=-1) >= self.covered:
            raise UserError(f"the search index is damaged: it names vector {found.max()}")
        rows = np.maximum(found, 0)
        products = np.einsum("qcs,qs->qc", self.vectors[rows], queries)
        if self._penalties is not None:
            products -= self._penalties[rows]
        products[found < 0] = -np.inf
        return products, np.where(np.isfinite(products), found, -1)

    def _search_rest(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds neighbours exhaustively among the other vectors."""
        first = self.covered
        penalties = None if self._penalties is None else self._penalties[first:]
        products, found = search_exactly(self.vectors[first:], queries, count, penalties)
        return products, np.where(found >= 0, found + first, -1)

    @property
    def _has_penalties(self) -> bool:
        """Whether IVF-PQ knows the penalties, as another dimension of the vectors."""
        return self._index.d > self.vectors.shape[1]

    def save(self, path: str | Path) -> None:
        """Writes IVF-PQ, without the vectors; there is nothing to write where there is none."""
        if not self.exact:
            faiss.write_index(self._index, str(path))

    @classmethod
    def load(
        cls, path: str | Path, vectors: np.ndarray, penalties: np.ndarray | None = None
    ) -> "Neighbours":
        """Reads what `save` wrote, if it wrote anything; it may cover the first vectors only.

        Args:
            path: The file.
            vectors: The vectors, float32 [count, size].
            penalties: What is taken off their inner products, float32 [count], as now known; None:
                nothing.

        Raises:
            UserError: The file is damaged, or belongs to other vectors.
        """
        path = Path(path)
        if not path.exists():
            return cls(vectors, None, penalties)
        with path.open("rb") as stream:
            if stream.read(len(_FLAT)) == _FLAT:  # as once written for the exhaustive search too
                return cls(vectors, None, penalties)
        try:
            index: Any = faiss.read_index(str(path))
            index.nprobe, index.nlist  # noqa: B018  # only IVF has them
            return cls(vectors, index, penalties)
        except (RuntimeError, MemoryError, AttributeError) as error:
            reason = one_line(str(error).strip().splitlines()[-1])
            raise UserError(f"{path}: not a readable FAISS index ({reason})") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


@contextlib.contextmanager
def _threads_for(queries: np.ndarray) -> Iterator[None]:
    """Lets FAISS use one thread for a few queries, in this thread and for this time."""
    threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1 if len(queries) <= FEW_QUERIES else threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


def build(
    vectors: np.ndarray,
    exact_limit: int = EXACT_LIMIT,
    seed: int = 0,
    penalties: np.ndarray | None = None,
) -> Neighbours:
    """Makes the index that fits the number of vectors.

    Args:
        vectors: The vectors, float32 [count, size], unit length, at least one.
        exact_limit: The most vectors for which the search is exhaustive; training the other
            kind takes 1,000 in any case.
        seed: Seed for the sample that it is trained on.
        penalties: See `Neighbours`.
    """
    count, size = vectors.shape
    findable = _findable(vectors, penalties)
    if len(findable) <= max(exact_limit, _SMALLEST_TRAINING):
        return Neighbours(vectors, None, penalties)
    if penalties is not None:
        size += 1
    lists = _list_count(len(findable))
    # Four bits a dimension: quick to train and scanned in registers; what that blurs, ranking the
    # candidates exactly makes good.
    index = faiss.index_factory(size, f"IVF{lists},PQ{size}x4fs", faiss.METRIC_INNER_PRODUCT)
    generator = np.random.default_rng(seed)
    trained = min(len(findable), max(_TRAINED_PER_LIST * lists, _SMALLEST_TRAINING))
    index.train(_rows(vectors, penalties, _sample(findable, trained, generator)))
    for first in range(0, count, _BLOCK_ROWS):
        index.add(_rows(vectors, penalties, slice(first, first + _BLOCK_ROWS)))
    built = Neighbours(vectors, index, penalties)
    _choose_probes(built, penalties, findable, generator)
    return built


def _findable(vectors: np.ndarray, penalties: np.ndarray | None) -> np.ndarray:
    """Returns the numbers of the vectors that may be found, ascending."""
    if penalties is None:
        return np.arange(len(vectors))
    return np.flatnonzero(np.isfinite(penalties))


def _rows(vectors: np.ndarray, penalties: np.ndarray | None, rows: Any) -> np.ndarray:
    """Returns some vectors as IVF-PQ holds them: those never to be found are far from all."""
    chosen = np.ascontiguousarray(vectors[rows], np.float32)
    if penalties is None:
        return chosen
    taken_off = penalties[rows]
    findable = np.isfinite(taken_off)
    chosen = chosen * findable[:, None]
    return _extend(chosen, np.where(findable, taken_off, np.float32(1)))


def _extend(vectors: np.ndarray, value: np.ndarray | np.floating) -> np.ndarray:
    """Adds a dimension, so that the inner product of [q, -1] and [v, p] is that of q and v less p.

    Args:
        vectors: float32 [count, size].
        value: Values in the new dimension, float32 [count], or the same for all.
    """
    extended = np.empty((len(vectors), vectors.shape[1] + 1), np.float32)
    extended[:, :-1] = vectors
    extended[:, -1] = value
    return extended


def search_exactly(
    vectors: np.ndarray, queries: np.ndarray, count: int, penalties: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the true neighbours of each query, a block of vectors at a time.

    Args:
        vectors: The vectors, float32 [count, size].
        queries: The queries, float32 [queries, size].
        count: Number of neighbours.
        penalties: See `Neighbours`.

    Returns:
        What `Neighbours.search` returns.
    """
    count = min(count, len(vectors))
    heap = faiss.ResultHeap(nq=len(queries), k=count, keep_max=True)
    if penalties is not None:
        queries = _extend(queries, np.float32(-1))
    for first in range(0, len(vectors), _EXACT_ROWS):
        rows = slice(first, first + _EXACT_ROWS)
        block = np.ascontiguousarray(vectors[rows], np.float32)
        if penalties is not None:
            block = _extend(block, np.minimum(penalties[rows], _NEVER))
        metric = faiss.METRIC_INNER_PRODUCT
        products, found = faiss.knn(queries, block, min(count, len(block)), metric)
        heap.add_result(products, found + first)
    heap.finalize()
    possible = heap.D > -_NEVER / 2
    return np.where(possible, heap.D, -np.inf), np.where(possible, heap.I, -1)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Returns the share of the true neighbours that were found; both int [queries, neighbours]."""
    hits = [len(np.intersect1d(ours, theirs)) for ours, theirs in zip(found, true, strict=True)]
    return sum(hits) / true.size


def _choose_probes(
    neighbours: Neighbours,
    penalties: np.ndarray | None,
    findable: np.ndarray,
    generator: np.random.Generator,
) -> None:
    """Doubles the number of lists visited until recall is reached."""
    index, vectors = neighbours._index, neighbours.vectors
    chosen = _sample(findable, _TESTED_QUERIES, generator)
    queries = perturb(np.asarray(vectors[chosen], np.float32), generator)
    _, true = search_exactly(vectors, queries, _TESTED_NEIGHBOURS, penalties)
    index.nprobe = 4
    while index.nprobe < index.nlist:
        _, found = neighbours.search(queries, _TESTED_NEIGHBOURS)
        if recall(found, true) >= RECALL:
            return
        index.nprobe = min(2 * index.nprobe, index.nlist)


def perturb(vectors: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Moves unit vectors to a cosine of about 0.7, as queries come from the other modality."""
    size = vectors.shape[1]
    noise = generator.standard_normal(vectors.shape) * _PERTURBATION / np.sqrt(size)
    noisy = vectors + noise.astype(np.float32)
    return noisy / np.linalg.norm(noisy, axis=1, keepdims=True)


def _list_count(count: int) -> int:
    """Returns a power of two near the square root, few enough to be trained."""
    wanted = 2 ** round(np.log2(np.sqrt(count)))
    while _TRAINED_PER_LIST * wanted > count:
        wanted //= 2
    return wanted


def _sample(numbers: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    return np.sort(generator.choice(numbers, min(count, len(numbers)), replace=False))
