"""Where in the whole score the music may be, coarsely: what finds the start, and leaps."""

import numpy as np

from tempo_invariant.retrieval.coarse_alignment import START_PIXELS

MOVES = (0.775, 0.15, 0.075)
"""Probabilities that a step of 0.1 s goes on by so many snippets, which are 24 pixels apart."""

START_COST = 3.0
"""By how much the logarithm of the probability of a start falls, over `START_PIXELS`."""


class Whereabouts:
    """Probabilities of the snippets, from all that was heard so far.

    A hidden Markov model that stays at a snippet, goes on to one of the next two, or leaps.

    Args:
        columns: Columns of the snippets in the music, ascending, [snippets].
        leap: Probability of a leap in a step.
    """

    def __init__(self, columns: np.ndarray, leap: float):
        self._leap = leap
        likely = np.exp(-START_COST * np.minimum(columns / START_PIXELS, 1))
        self.probabilities = likely / likely.sum()

    def step(self, evidence: np.ndarray) -> None:
        """Lets a step go by, and adds logarithms of likelihoods [snippets]."""
        before = self.probabilities
        after = MOVES[0] * before
        after[1:] += MOVES[1] * before[:-1]
        after[2:] += MOVES[2] * before[:-2]
        after = (1 - self._leap) * after + self._leap / len(after)
        after *= np.exp(evidence - evidence.max())
        self.probabilities = after / after.sum()

    def set(self, inside: np.ndarray) -> None:
        """Takes it that the music is at one of some snippets, bool [snippets]."""
        likely = np.where(inside, 1.0, self._leap)
        self.probabilities = likely / likely.sum()

    def draw(self, count: int, draw: np.random.Generator) -> np.ndarray:
        """Draws snippets, int64 [count]."""
        marks = (np.arange(count) + draw.random()) / count
        found = np.searchsorted(np.cumsum(self.probabilities), marks)
        return found.clip(max=len(self.probabilities) - 1)
