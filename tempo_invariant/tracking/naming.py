"""Which score is being played now: an answer half a second after another, soon after the start."""

from dataclasses import dataclass

import numpy as np

from tempo_invariant.audio.windows import HOP_FRAMES
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.hearing import embed_windows
from tempo_invariant.retrieval.identification import recording_limits
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.listening import live_cutter, step_memory
from tempo_invariant.retrieval.ranking import Candidate, Ranker

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
        self._embedder = embedder
        self._top = top
        self._windows = 0
        self._cutter = live_cutter(embedder, HOP_FRAMES)
        memory = step_memory(HALF_LIFE_SECONDS, HOP_FRAMES)
        limits = recording_limits(HOP_FRAMES, index.step_pixels)
        self._ranker = Ranker(index, limits=limits, memory=memory, history=HISTORY)

    def push(self, block: np.ndarray) -> list[Naming]:
        """Adds samples [samples] and returns what every window that they complete says."""
        _, embeddings, _ = embed_windows(self._embedder, self._cutter.push(block))
        return [self._answer(embedding) for embedding in embeddings]

    def _answer(self, embedding: np.ndarray) -> Naming:
        self._windows += 1
        self._ranker.update(embedding[None])
        candidates = self._ranker.candidates(self._top)
        judgement = self._ranker.judge(candidates[0].document)
        return Naming(self._windows, tuple(candidates), judgement)
