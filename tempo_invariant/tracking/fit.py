"""How well what is heard fits what is printed there, in the last seconds and for longer."""

import numpy as np

_NEWEST = np.array([0.05, 0.01])
"""Weights of the newest step in the mean of the last two seconds, and in that of the last ten."""

LOST = 0.3
"""Below this mean of the last two seconds the music is elsewhere, or something else."""

FOUND = 0.45
"""From this mean of the last two seconds on it is there, whatever was heard before."""

FEWEST_STEPS = 30
"""Of fewer steps nothing is concluded."""


class Fit:
    """Means of the similarities of what is heard and what is printed where it should be.

    A wrong score has similar places for a while, wherever the music goes. But over ten seconds even
    the best of them fit it less than the right ones.

    Args:
        least: Below this mean of the last ten seconds, too, the music is something else.
    """

    def __init__(self, least: float):
        self._least = least
        self._steps = 0
        self._means = np.zeros(2)

    def add(self, similarity: float) -> None:
        """Adds a step."""
        self._steps += 1
        self._means += _NEWEST * (similarity - self._means)

    @property
    def means(self) -> tuple[float, float]:
        """The mean of the last two seconds, and that of the last ten; 0 before the first step."""
        heard = 1 - (1 - _NEWEST) ** max(self._steps, 1)
        recent, long = (self._means / heard).tolist()
        return recent, long

    @property
    def is_settled(self) -> bool:
        """Whether there were steps enough to conclude anything."""
        return self._steps >= FEWEST_STEPS

    @property
    def is_lost(self) -> bool:
        """Whether the music is elsewhere, or something else."""
        recent, long = self.means
        return self._steps > 0 and (recent < LOST or (long < self._least and recent < FOUND))
