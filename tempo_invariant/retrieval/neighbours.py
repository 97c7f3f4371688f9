"""Nearest neighbours by inner product with FAISS: exact, or IVF-PQ where there are too many.

Above `EXACT_LIMIT` vectors an inverted file with product quantisation finds candidates, which are
ranked again by their exact inner products. How many of its lists are visited is not guessed: it
is doubled until, on perturbed vectors of the index itself, at least `RECALL` of the true
neighbours are found.
"""

from pathlib import Path
from typing import Any

import faiss
import numpy as np

from tempo_invariant.errors import UserError, one_line

EXACT_LIMIT = 1_000_000
"""The most vectors that are searched exhaustively."""

RECALL = 0.97
"""Share of the exact neighbours that IVF-PQ has to find when it is built."""

CANDIDATES = 8
"""Candidates of IVF-PQ that are ranked exactly, for every neighbour that is wanted."""

_FLAT = b"IxFI"
"""How FAISS begins the file of an index that is nothing but the vectors."""

_TRAINED_PER_LIST = 64
_SMALLEST_TRAINING = 1000
_TESTED_QUERIES = 256
_TESTED_NEIGHBOURS = 25
_PERTURBATION = 1.0
_BLOCK_ROWS = 1_000_000


class Neighbours:
    """Searches unit vectors.

    Args:
        vectors: The vectors, float32 [count, size], possibly memory-mapped.
        index: IVF-PQ of these vectors, by FAISS; None: they are searched exhaustively.

    Attributes:
        vectors: The vectors as given.
    """

    def __init__(self, vectors: np.ndarray, index: Any = None):
        if index is not None and (index.ntotal != len(vectors) or index.d != vectors.shape[1]):
            raise UserError(
                f"the search index holds {index.ntotal} vectors of size {index.d}, not "
                f"{len(vectors)} of size {vectors.shape[1]}"
            )
        self.vectors = vectors
        self._index = index

    @property
    def exact(self) -> bool:
        """Whether the search is exhaustive."""
        return self._index is None

    @property
    def description(self) -> str:
        """What kind of index it is, in a few words."""
        if self.exact:
            return "exact"
        return f"IVF-PQ, {self._index.nprobe} of {self._index.nlist} lists"

    def search(self, queries: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Finds the nearest vectors of each query.

        Args:
            queries: The queries, float32 [queries, size].
            count: Number of neighbours.

        Returns:
            Inner products float32 and row numbers int64, both [queries, neighbours], the best
            first; fewer neighbours than `count` if there are fewer vectors, number -1 where
            IVF-PQ found none.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        count = min(count, len(self.vectors))
        if self.exact:
            return faiss.knn(queries, self.vectors, count, faiss.METRIC_INNER_PRODUCT)
        wanted = min(CANDIDATES * count, len(self.vectors))
        _, found = self._index.search(queries, wanted)
        if found.max(initial=-1) >= len(self.vectors):
            raise UserError(f"the search index is damaged: it names vector {found.max()}")
        candidates = self.vectors[np.maximum(found, 0)]
        products = np.einsum("qcs,qs->qc", candidates, queries)
        products = np.where(found >= 0, products, np.float32(-np.inf))
        order = np.argsort(-products, axis=1, kind="stable")[:, :count]
        return np.take_along_axis(products, order, 1), np.take_along_axis(found, order, 1)

    def save(self, path: str | Path) -> None:
        """Writes IVF-PQ, without the vectors; there is nothing to write where there is none."""
        if not self.exact:
            faiss.write_index(self._index, str(path))

    @classmethod
    def load(cls, path: str | Path, vectors: np.ndarray) -> "Neighbours":
        """Reads what `save` wrote, if it wrote anything.

        Raises:
            UserError: The file is damaged, or belongs to other vectors.
        """
        path = Path(path)
        if not path.exists():
            return cls(vectors)
        with path.open("rb") as stream:
            if stream.read(len(_FLAT)) == _FLAT:  # as once written for the exhaustive search too
                return cls(vectors)
        try:
            index: Any = faiss.read_index(str(path))
            index.nprobe, index.nlist  # noqa: B018  # only IVF has them
            return cls(vectors, index)
        except (RuntimeError, MemoryError, AttributeError) as error:
            reason = one_line(str(error).strip().splitlines()[-1])
            raise UserError(f"{path}: not a readable FAISS index ({reason})") from error
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


def build(vectors: np.ndarray, exact_limit: int = EXACT_LIMIT, seed: int = 0) -> Neighbours:
    """Makes the index that fits the number of vectors.

    Args:
        vectors: The vectors, float32 [count, size], unit length, at least one.
        exact_limit: The most vectors for which the search is exhaustive; training the other
            kind takes 1,000 in any case.
        seed: Seed for the sample that it is trained on.
    """
    count, size = vectors.shape
    if count <= max(exact_limit, _SMALLEST_TRAINING):
        return Neighbours(vectors)
    lists = _list_count(count)
    # Four bits a dimension: quick to train and scanned in registers; what that blurs, ranking the
    # candidates exactly makes good.
    codes = f"IVF{lists},PQ{size}x4fs"
    index = faiss.index_factory(size, codes, faiss.METRIC_INNER_PRODUCT)
    generator = np.random.default_rng(seed)
    trained = min(count, max(_TRAINED_PER_LIST * lists, _SMALLEST_TRAINING))
    index.train(_sample(vectors, trained, generator))
    _add(index, vectors)
    built = Neighbours(vectors, index)
    _choose_probes(built, generator)
    return built


def exact_neighbours(vectors: np.ndarray, queries: np.ndarray, count: int) -> np.ndarray:
    """Finds the true neighbours of each query, a block of vectors at a time.

    Args:
        vectors: The vectors, float32 [count, size].
        queries: The queries, float32 [queries, size].
        count: Number of neighbours, at most as many as there are vectors.

    Returns:
        int64 [queries, count], the best first.
    """
    heap = faiss.ResultHeap(nq=len(queries), k=count, keep_max=True)
    for first in range(0, len(vectors), _BLOCK_ROWS):
        block = np.ascontiguousarray(vectors[first : first + _BLOCK_ROWS], np.float32)
        products, found = faiss.knn(
            queries, block, min(count, len(block)), faiss.METRIC_INNER_PRODUCT
        )
        heap.add_result(products, found + first)
    heap.finalize()
    return heap.I


def recall(found: np.ndarray, true: np.ndarray) -> float:
    """Returns the share of the true neighbours that were found; both int [queries, neighbours]."""
    hits = [len(np.intersect1d(ours, theirs)) for ours, theirs in zip(found, true, strict=True)]
    return sum(hits) / true.size


def _choose_probes(neighbours: Neighbours, generator: np.random.Generator) -> None:
    """Doubles the number of lists visited until recall is reached."""
    index, vectors = neighbours._index, neighbours.vectors
    queries = perturb(_sample(vectors, _TESTED_QUERIES, generator), generator)
    true = exact_neighbours(vectors, queries, _TESTED_NEIGHBOURS)
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


def _sample(vectors: np.ndarray, count: int, generator: np.random.Generator) -> np.ndarray:
    rows = np.sort(generator.choice(len(vectors), min(count, len(vectors)), replace=False))
    return np.ascontiguousarray(vectors[rows], np.float32)


def _add(index: Any, vectors: np.ndarray) -> None:
    for first in range(0, len(vectors), _BLOCK_ROWS):
        index.add(np.ascontiguousarray(vectors[first : first + _BLOCK_ROWS], np.float32))
