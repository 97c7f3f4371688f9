"""The same music twice: documents of an index that are editions, or recordings, of one work.

Snippets of two engravings of the same music are nearly alike to the model, whatever their fonts,
staff sizes and line breaks; so are windows of two recordings, whatever tempo and room, but less so:
what a window holds depends on the tempo. Every document names others in which snippets of its own
have neighbours; a pair is one work if the best path (see `retrieval.sequence`) through either finds
nearly all of the other. Both ways, since a movement is in the whole sonata but is not the sonata;
and nearly all, since a variation, or a promenade that returns, is like its theme for most of it.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence

import numpy as np

from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.sequence import PathLimits, best_path

ALIKE = {"sheets": 0.7, "recordings": 0.65}
"""The similarity from which snippets, or windows, may be the same music, by the kind of index."""

COVERAGE = 0.78
"""Share of either document that has to be found in the other.

Measured with the model `best`: of 24 pieces of MSMD engraved anew with other staff sizes and paper,
23 reach it both ways; of all pairs of other music among 2,735 scores none reaches 0.77. Of 19 of
its test pieces, played by two pianos at tempi of 0.9, 1 and 1.1, 18 reach it; of all 94, played at
1 and 0.66, 76, at 1 and 1.5, 61; of pairs of other music two of Satie's Gymnopédies reach 0.73.
"""

LEAPS = 2.0, 0.01
"""The most leaps of such a path, and how many more for each of its steps: of the 24 pieces none
needs more than two. Music in another order is other music."""

LIMITS = PathLimits(slowest=3, fastest=3, leap_cost=3.0)
"""How far apart the spacing of two engravings, or the tempo of two recordings, may be; a leap: a
repeat that is written out, or played."""

_ASKED = 8
_NEIGHBOURS = 64
_FEWEST_VOTES = 5
_BLOCK_DOCUMENTS = 64
_LONGEST_RATIO = 3.0
_BLOCK_STEPS = 512


def find_editions(
    index: SnippetIndex,
    known: Iterable[Sequence[int]] = (),
    added: Collection[int] | None = None,
) -> list[tuple[int, ...]]:
    """Finds documents of an index that are the same music.

    Args:
        index: Index of scores or of recordings.
        known: Groups that were found before, numbers of documents.
        added: Numbers of the documents that have come since then; None: all.

    Returns:
        Groups of two or more documents, each ascending, ordered by their first ones; no document
        is in two.
    """
    alike = ALIKE[index.kind]
    groups = _Groups(len(index.documents))
    for group in known:
        for member in group[1:]:
            groups.join(group[0], member)
    chosen = range(len(index.documents)) if added is None else sorted(added)
    for document, other in _candidates(index, chosen):
        if not groups.together(document, other) and same_music(
            index.vectors[index.rows(document)], index.vectors[index.rows(other)], alike
        ):
            groups.join(document, other)
    return groups.found()


def same_music(first: np.ndarray, second: np.ndarray, alike: float) -> bool:
    """Whether two documents are editions, or recordings, of one work.

    Args:
        first: Vectors of one document in order, float32 [count, size].
        second: Those of the other.
        alike: The similarity from which a part of one is found in the other.
    """
    shorter, longer = sorted((len(first), len(second)))
    if longer > _LONGEST_RATIO * shorter:
        return False
    pairs = ((first, second), (second, first))
    return all(_could_cover(*pair, alike) for pair in pairs) and all(
        coverage(*pair, alike) >= COVERAGE for pair in pairs
    )


def coverage(query: np.ndarray, document: np.ndarray, alike: float) -> float:
    """Returns the share of a document that the best path through another one finds there.

    It is 0 if that path leaps more often than `LEAPS` allow.

    Args:
        query: Vectors of the one that is sought, float32 [count, size].
        document: Vectors of the one in which it is sought.
        alike: The similarity from which a part is found.
    """
    found = leaps = 0
    for first in range(0, len(query), _BLOCK_STEPS):  # bounds the memory of the path
        similarities = query[first : first + _BLOCK_STEPS] @ document.T
        path = best_path(similarities, LIMITS)
        along = similarities[np.arange(len(similarities)), path.positions]
        found += np.count_nonzero(along >= alike)
        leaps += np.count_nonzero(path.leaps)
    most = LEAPS[0] + LEAPS[1] * len(query)
    return found / len(query) if leaps <= most else 0.0


def _could_cover(query: np.ndarray, document: np.ndarray, alike: float) -> bool:
    """Whether a path that needs no order would find enough; tells most pairs apart in no time."""
    asked = query[:: max(1, len(query) // _BLOCK_STEPS)]
    return bool(np.mean((asked @ document.T).max(axis=1) >= alike) >= COVERAGE)


def _candidates(index: SnippetIndex, documents: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Yields each document with those in which several of its snippets have neighbours."""
    for first in range(0, len(documents), _BLOCK_DOCUMENTS):
        block = documents[first : first + _BLOCK_DOCUMENTS]
        asked = np.concatenate([_spread(index.rows(document)) for document in block])
        owners = index.places["document"][asked]
        _, rows = index.neighbours.search(index.vectors[asked], _NEIGHBOURS)
        found = np.where(rows >= 0, index.places["document"][rows], -1)
        for document in block:
            voters = [np.unique(voted) for voted in found[owners == document]]
            named, votes = np.unique(np.concatenate(voters), return_counts=True)
            fewest = min(_FEWEST_VOTES, len(voters))
            for other in named[(votes >= fewest) & (named >= 0) & (named != document)].tolist():
                yield document, other


def _spread(rows: slice) -> np.ndarray:
    """Returns some rows of a document, evenly spread, none at its ends."""
    return np.unique(np.linspace(rows.start, rows.stop - 1, _ASKED + 2).round().astype(int)[1:-1])


class _Groups:
    """Documents that are joined with each other, and so with all that those are joined with."""

    def __init__(self, count: int):
        self._first = list(range(count))

    def join(self, one: int, other: int) -> None:
        kept, gone = sorted((self._first[one], self._first[other]))
        self._first = [kept if first == gone else first for first in self._first]

    def together(self, one: int, other: int) -> bool:
        return self._first[one] == self._first[other]

    def found(self) -> list[tuple[int, ...]]:
        members: dict[int, list[int]] = {}
        for document, first in enumerate(self._first):
            members.setdefault(first, []).append(document)
        return [tuple(group) for group in members.values() if len(group) > 1]
