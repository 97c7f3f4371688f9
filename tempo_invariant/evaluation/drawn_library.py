"""Libraries larger than any that is at hand: documents drawn from a model of those of an index.

A drawn document mixes the vectors of three random documents x, y, z, read in their order from
random places: m + (x - m + y - m + z - m) / sqrt(3), m being the mean of all vectors, brought to
unit length. So mean, covariance and how vectors resemble those before and after them are those of
the documents, and it is like none of them; as long as its first parent, whose places it has.
"""

import dataclasses
from collections.abc import Collection, Iterator

import numpy as np

from tempo_invariant import progress
from tempo_invariant.retrieval import hubness, library, neighbours
from tempo_invariant.retrieval.library import SnippetIndex

_PARENTS = 3


def draw(
    index: SnippetIndex, count: int, sought: Collection[int] = (), seed: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Draws documents from a model of those of an index.

    Args:
        index: Index with at least three documents that are not sought.
        count: Number of documents to draw.
        sought: Numbers of documents that queries are about: they have no descendants.
        seed: Seed for the documents.

    Yields:
        Vectors float32 [count, size] of unit length, and their places.
    """
    generator = np.random.default_rng(seed)
    vectors = np.asarray(index.vectors)
    mean = vectors.mean(axis=0)
    parents = np.setdiff1d(np.arange(len(index.documents)), list(sought))
    for _ in range(count):
        chosen = generator.choice(parents, _PARENTS, replace=False)
        rows = index.rows(chosen[0])
        length = rows.stop - rows.start
        mixed = np.zeros((length, vectors.shape[1]), np.float32)
        for parent in chosen:
            own = vectors[index.rows(parent)] - mean
            mixed += own[(generator.integers(len(own)) + np.arange(length)) % len(own)]
        mixed = mean + mixed / np.sqrt(np.float32(_PARENTS))
        yield mixed / np.linalg.norm(mixed, axis=1, keepdims=True), index.places[rows]


def enlarge(
    index: SnippetIndex,
    size: int,
    cohort: np.ndarray | None = None,
    sought: Collection[int] = (),
    seed: int = 0,
) -> SnippetIndex:
    """Returns an index in memory of all documents of another one and of drawn ones.

    Args:
        index: Index of scores.
        size: Number of documents to bring it to.
        cohort: The vectors that hubness is measured with, see `retrieval.hubness`.
        sought: See `draw`.
        seed: Seed for the documents.
    """
    new = size - len(index.documents)
    drawn = list(progress.track(draw(index, new, sought, seed), "drawn scores", new))
    lengths = np.array([len(vectors) for vectors, _ in drawn])
    count = len(index.vectors)
    places = np.concatenate([index.places, *(rows for _, rows in drawn)])
    places["document"][count:] = np.repeat(np.arange(len(index.documents), size), lengths)
    added = np.concatenate([vectors for vectors, _ in drawn])
    hubs = np.concatenate([index.hubness, hubness.hubness(added, cohort)])
    vectors = np.concatenate([index.vectors, added])
    built = neighbours.build(vectors, penalties=library.penalties(places, hubs))
    return dataclasses.replace(
        index,
        documents=index.documents + tuple(f"drawn {number:05d}" for number in range(1, new + 1)),
        starts=np.concatenate([index.starts, count + np.cumsum(lengths) - lengths]),
        lengths=np.concatenate([index.lengths, lengths]),
        places=places,
        hubness=hubs,
        neighbours=built,
    )
