"""Pages of scores as queries: what recordings are asked with."""

from collections.abc import Collection, Iterator

import numpy as np

from tempo_invariant.retrieval.library import SnippetIndex


def ask_with(scores: SnippetIndex, names: Collection[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Yields every page of some scores, and the first system of each page.

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
            for page in np.unique(places["page"]):
                mine = places["page"] == page
                yield name, vectors[mine]
                yield name, vectors[mine & (places["system"] == places["system"][mine].min())]
