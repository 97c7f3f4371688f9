"""Where in a score a recording is, coarsely: the first of the two searches of an alignment."""

import dataclasses
import math

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.sequence import PathLimits, best_path

COARSE_SECONDS = 0.2
COARSE_PIXELS = 20
"""Distance of places in the first search, at most so many `COARSE_CELLS` of them in all."""

COARSE_CELLS = 20_000_000

SLOWEST_PIXELS_PER_SECOND = 8
FASTEST_PIXELS_PER_SECOND = 400
"""Bounds of the speed: slow enough for a long rest, fast enough for semiquavers."""

START_PIXELS = 4800
"""From here on, a start costs all that it may. The cost grows so slowly that it costs more to rush
to a place from the beginning than to start there."""


@dataclasses.dataclass(frozen=True)
class Strip:
    """The systems of a score, left to right in reading order.

    Attributes:
        columns: Columns of the centres of snippets, ascending, float64 [snippets].
        starts: Columns where the systems begin, and the end of the last, float64 [systems + 1].
    """

    columns: np.ndarray
    starts: np.ndarray

    def system(self, columns: np.ndarray | float) -> np.ndarray:
        """Returns the index of the system, from 0, in which columns of the strip are."""
        found = np.searchsorted(self.starts, columns, side="right") - 1
        return np.clip(found, 0, len(self.starts) - 2)


@dataclasses.dataclass(frozen=True)
class Costs:
    """Costs of what the path avoids; a second at places of similarity 1 is worth 1.

    Attributes:
        speed_change: Cost of every change of the speed by 20 pixels per second.
        leap: Cost of a leap anywhere. Lower, it finds shorter repeats, and some that aren't there.
        turn: Cost of a step from the end of a system to the beginning of the next.
        start: Cost of a start far from the beginning; nearer, it grows with the distance. It is at
            most that of a leap, since a leap from the beginning would do as well.
    """

    speed_change: float = 0.02
    leap: float = 2.0
    turn: float = 0.1
    start: float = 2.0

    def __post_init__(self):
        for name, value in dataclasses.asdict(self).items():
            if not value >= 0:
                raise UserError(f"{name} must not be negative, received {value}")


def coarse_course(
    audio: np.ndarray, sheet: np.ndarray, strip: Strip, hop_seconds: float, costs: Costs
) -> tuple[np.ndarray, np.ndarray]:
    """Returns for every window its column by the first search, and whether it leapt there."""
    spacing = float(np.median(np.diff(strip.columns))) if len(sheet) > 1 else COARSE_PIXELS
    windows = max(1, round(COARSE_SECONDS / hop_seconds))
    snippets = max(1, round(COARSE_PIXELS / spacing))
    while (len(audio) // windows) * (len(sheet) // snippets) > COARSE_CELLS:
        windows, snippets = 2 * windows, 2 * snippets
    steps, positions = _means(audio, windows), _means(sheet, snippets)
    places = _means(strip.columns[:, None], snippets)[:, 0]
    seconds, pixels = windows * hop_seconds, snippets * spacing
    limits = PathLimits(
        slowest=math.ceil(pixels / SLOWEST_PIXELS_PER_SECOND / seconds),
        fastest=math.ceil(FASTEST_PIXELS_PER_SECOND * seconds / pixels),
        leap_cost=costs.leap / seconds,
    )
    path = best_path(steps @ positions.T, limits, start_costs(places, strip, costs) / seconds)
    middles = _means(np.arange(len(audio))[:, None], windows)[:, 0]
    columns = np.empty(len(audio))
    edges = [0, *(int(step) for step in np.flatnonzero(path.leaps)), len(steps)]
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        own = np.arange(first * windows, min(last * windows, len(audio)))
        columns[own] = np.interp(own, middles[first:last], places[path.positions[first:last]])
    leaps = np.zeros(len(audio), bool)
    leaps[np.flatnonzero(path.leaps) * windows] = True
    return columns, leaps


def start_costs(columns: np.ndarray, strip: Strip, costs: Costs) -> np.ndarray:
    """Returns the cost of a start at each column, float32 [columns]."""
    share = (columns - strip.starts[0]) / START_PIXELS
    return np.float32(min(costs.start, costs.leap)) * np.minimum(share, 1).astype(np.float32)


def _means(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns means of every `count` rows; the last ones may be fewer."""
    firsts = np.arange(0, len(rows), count)
    sums = np.add.reduceat(rows, firsts, axis=0)
    return sums / np.diff([*firsts, len(rows)])[:, None].astype(rows.dtype)
