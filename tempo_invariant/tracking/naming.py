"""Which score is being played now: an answer half a second after another, soon after the start."""

from dataclasses import dataclass

import numpy as np

from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.listening import LiveRanking
from tempo_invariant.retrieval.ranking import Candidate

HALF_LIFE_SECONDS = 15.0
"""After so long the past counts half."""

HISTORY = 120
"""Embeddings that are kept: a minute."""


@dataclass(frozen=True)
class Naming:
    """What is known of the piece.

    Attributes:
        windows: Number of windows that were heard.
        candidates: The scores that fit best, best first.
        judgement: How sure it is that the first one is right.
    """

    windows: int = 0
    candidates: tuple[Candidate, ...] = ()
    judgement: Judgement = Judgement("unsure")


class Namer:
    """Ranks the scores of an index while sound comes in.

    Args:
        index: Index of scores, made with the same model.
        embedder: The model.
        top: Number of candidates that are named.
    """

    def __init__(self, index: SnippetIndex, embedder: Embedder, top: int = 5):
        self._top = top
        self._ranking = LiveRanking(index, embedder, HALF_LIFE_SECONDS, HISTORY)

    def push(self, block: np.ndarray) -> list[Naming]:
        """Adds samples [samples] and returns what every window that they complete says."""
        return [self._answer(embedding) for embedding in self._ranking.hear(block)]

    def _answer(self, embedding: np.ndarray) -> Naming:
        self._ranking.update(embedding[None])
        candidates, judgement = self._ranking.answer(self._top)
        return Naming(self._ranking.windows, tuple(candidates), judgement)
