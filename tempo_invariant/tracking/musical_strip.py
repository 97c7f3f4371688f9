"""The strip of a score without what takes no time: clefs, key signatures, ends of systems."""

import dataclasses

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.following import lay_out
from tempo_invariant.retrieval.score_alignment import Strip
from tempo_invariant.scores.places import NO_BAR, Place

SYSTEM_START_PIXELS = 40.0
"""Clef and key signature take at least so much."""

SYSTEM_END_PIXELS = 10.0
"""After the last note of a system, at least so much is left."""

SHORTEST_PIXELS = 40.0
"""A system has at least so much music."""


class MusicalStrip:
    """Columns of the music: those of a strip of systems, but for the ends of the systems.

    Args:
        places: Places of snippets in reading order, `places.SHEET` [snippets].

    Attributes:
        columns: Columns of the snippets in the music, ascending, float64 [snippets].
    """

    def __init__(self, places: np.ndarray):
        self._systems, self._strip = lay_out(places)
        self._bars = places["bar"]
        self._printed, self._played = _knots(self._strip)
        self.columns = np.interp(self._strip.columns, self._printed, self._played)

    @property
    def length(self) -> float:
        """Where the music ends."""
        return float(self._played[-1])

    def at(self, values: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """Returns values of the snippets at other columns of the music, linearly in between."""
        return np.interp(
            np.interp(columns, self._played, self._printed), self._strip.columns, values
        )

    def place(self, column: float) -> Place:
        """Returns the place in the score of a column of the music."""
        on_strip = float(np.interp(column, self._played, self._printed))
        number = int(self._strip.system(on_strip))
        elsewhere = self._strip.system(self._strip.columns) != number
        distances = np.abs(self._strip.columns - on_strip) + elsewhere * self._strip.starts[-1]
        bar = int(self._bars[distances.argmin()])
        x = float(self._systems[number].x + on_strip - self._strip.starts[number])
        return dataclasses.replace(self._systems[number], x=x, bar=None if bar == NO_BAR else bar)

    def find(self, place: Place) -> float:
        """Returns the column of the music of a place in the score.

        Raises:
            UserError: The score has no such system.
        """
        names = [(system.page, system.system) for system in self._systems]
        if (place.page, place.system) not in names:
            raise UserError(f"the score has no system {place.system} on page {place.page}")
        number = names.index((place.page, place.system))
        start, end = self._strip.starts[number : number + 2]
        column = np.clip(start + place.x - self._systems[number].x, start, np.nextafter(end, start))
        return float(np.interp(column, self._printed, self._played))


def _knots(strip: Strip) -> tuple[np.ndarray, np.ndarray]:
    """Returns where music begins and ends in every system.

    Returns:
        Columns of the strip, ascending, and of the music, where systems meet: float64 [2 systems].
    """
    widths = np.diff(strip.starts)
    ends = SYSTEM_START_PIXELS + SYSTEM_END_PIXELS
    cut = np.clip((widths - SHORTEST_PIXELS) / ends, 0, 1)
    lefts = strip.starts[:-1] + SYSTEM_START_PIXELS * cut
    rights = strip.starts[1:] - SYSTEM_END_PIXELS * cut
    stops = np.cumsum(rights - lefts)
    return np.stack([lefts, rights], 1).ravel(), np.stack(
        [stops - rights + lefts, stops], 1
    ).ravel()
