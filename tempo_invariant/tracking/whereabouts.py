"""Where in the whole score the music may be, coarsely: what finds the start, and leaps."""

import numpy as np


class Whereabouts:
    """Probabilities of the snippets, from all that was heard so far.

    A hidden Markov model that stays at a snippet, goes on to one of the next two, or leaps.

    Args:
        count: Number of snippets.
        advance: Expected number of snippets that a step goes on by.
        leap: Probability of a leap in a step.
    """

    def __init__(self, count: int, advance: float = 0.3, leap: float = 1e-4):
        self.probabilities = np.full(count, 1 / count)
        two = advance / 4
        one = advance - 2 * two
        self._moves = (1 - one - two, one, two)
        self._leap = leap

    def step(self, evidence: np.ndarray) -> None:
        """Lets a step go by, and adds logarithms of likelihoods [snippets]."""
        before = self.probabilities
        after = self._moves[0] * before
        after[1:] += self._moves[1] * before[:-1]
        after[2:] += self._moves[2] * before[:-2]
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
