"""Pages of scores as queries: what recordings are asked with."""

from collections.abc import Collection, Iterator

import numpy as np

from tempo_invariant.retrieval.library import SnippetIndex


def ask_with(scores: SnippetIndex, names: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields the middle page of each of some scores, and its first system.

    Args:
        scores: Index of the scores.
        names: Names of the scores that are used; the index may lack some.

    Yields:
        Name of the score, and embeddings in reading order, float32 [snippets, size].
    """
    for number, name in enumerate(scores.documents):
        if name in names:
            rows = scores.rows(number)
            places, vectors = scores.places[rows], np.array(scores.vectors[rows])
            pages = np.unique(places["page"])
            middle = places["page"] == pages[(len(pages) - 1) // 2]
            first = places["system"] == places["system"][middle].min()
            yield name, vectors[middle]
            yield name, vectors[middle & first]


def whole_scores(scores: SnippetIndex, names: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields all pages of each of some scores, see `ask_with`: recordings play a part of them."""
    for number, name in enumerate(scores.documents):
        if name in names:
            yield name, np.array(scores.vectors[scores.rows(number)])
