"""Where in a score a recording is, finer than its snippets: a smooth path through similarities.

Two searches, from coarse to fine:

1. `sequence.best_path` over averages of some windows and snippets finds the course, with leaps for
   repeats and for what is left out.
2. In a band around that course a second Viterbi search runs over places two pixels apart (at
   windows 0.1 s apart) and over reading speeds, where every change of the speed has a cost: the
   bar-pointer model of Whiteley, Cemgil, Godsill: "Bayesian modelling of temporal structure in
   musical audio", ISMIR 2006, with pixels for the bar. The strip's clefs and key signatures take no
   time: from the end of a system the path may step to the beginning of the next one. The moment of
   a leap is found again, too.
"""

import dataclasses
import math

import numpy as np

from tempo_invariant.retrieval.coarse_alignment import (
    FASTEST_PIXELS_PER_SECOND,
    Costs,
    Strip,
    coarse_course,
    start_costs,
)
from tempo_invariant.retrieval.sequence import NEVER

SPEED_STEP = 20
"""Pixels per second between neighbouring speeds."""

BAND_PIXELS = 400
"""How far from the coarse course the fine one may be."""

LEAP_MARGIN_SECONDS = 3.0
"""How much earlier or later than in the first search a leap may be in the second."""

SYSTEM_END_PIXELS = 100
SYSTEM_START_PIXELS = 120
"""At the end and the beginning of a system there may be no notes for so long."""

_START = -1

_Values = tuple[np.ndarray, np.ndarray]
"""Values float32 [speeds, width], and where each comes from: int16, place and speed in one."""


@dataclasses.dataclass(frozen=True)
class Course:
    """Where the recording is.

    Attributes:
        columns: Columns of the strip, float64 [windows].
        leaps: Windows to which it leapt, bool [windows].
        similarities: Similarity of each window with its place, float32 [windows].
    """

    columns: np.ndarray
    leaps: np.ndarray
    similarities: np.ndarray


@dataclasses.dataclass(frozen=True)
class _Stretch:
    """A part of the recording without a leap: its windows, and where they are, coarsely."""

    begin: int
    end: int
    columns: np.ndarray


def align(
    audio: np.ndarray,
    sheet: np.ndarray,
    strip: Strip,
    hop_seconds: float,
    costs: Costs | None = None,
) -> Course:
    """Finds the course of a recording through a score.

    Args:
        audio: Embeddings of the windows, of unit length, [windows, size]; 0 for silence.
        sheet: Embeddings of the snippets, of unit length, [snippets, size].
        strip: Strip that the snippets are on.
        hop_seconds: Distance of neighbouring windows in seconds.
        costs: Costs of what to avoid.
    """
    if not len(audio) or len(sheet) != len(strip.columns) or not len(sheet):
        raise ValueError(f"cannot align {len(audio)} windows with {len(sheet)} snippets")
    costs = costs or Costs()
    audio, sheet = np.asarray(audio, np.float32), np.asarray(sheet, np.float32)
    columns, leaps = coarse_course(audio, sheet, strip, hop_seconds, costs)
    fine = _FineSearch(audio, sheet, strip, hop_seconds, costs)
    return fine.run(_stretches(columns, leaps, round(LEAP_MARGIN_SECONDS / hop_seconds)))


def _stretches(columns: np.ndarray, leaps: np.ndarray, margin: int) -> list[_Stretch]:
    """Cuts a course at its leaps; neighbours overlap, because a leap may be earlier or later."""
    count = len(columns)
    edges = [0, *(int(window) for window in np.flatnonzero(leaps) if window), count]
    stretches = []
    for first, last in zip(edges[:-1], edges[1:], strict=True):
        begin = max(0, first - margin) if first else 0
        end = min(count, last + margin) if last < count else count
        held = np.pad(columns[first:last], (first - begin, end - last), mode="edge")
        stretches.append(_Stretch(begin, end, held))
    return stretches


class _FineSearch:
    """The second search.

    Speeds are whole numbers of places a window, so the grid of places is as fine as the windows
    are close.

    Attributes:
        shape: Number of speeds, and number of places in the band.
    """

    def __init__(
        self, audio: np.ndarray, sheet: np.ndarray, strip: Strip, hop_seconds: float, costs: Costs
    ):
        self._audio = audio
        self._pixels = SPEED_STEP * hop_seconds
        self._origin = strip.starts[0]
        count = max(1, math.ceil((strip.starts[-1] - self._origin) / self._pixels))
        self._places = self._origin + self._pixels * (np.arange(count) + 0.5)
        self._sheet = _interpolate(sheet, strip.columns, self._places)
        self.start_costs = start_costs(self._places, strip, costs) / np.float32(hop_seconds)
        self._turns = np.round((strip.starts[1:-1] - self._origin) / self._pixels).astype(int)
        self._width = min(count, 2 * round(BAND_PIXELS / self._pixels) + 1)
        self.shape = (FASTEST_PIXELS_PER_SECOND // SPEED_STEP + 1, self._width)
        self._states = np.arange(math.prod(self.shape), dtype=np.int16).reshape(self.shape)
        self._change = np.float32(costs.speed_change / hop_seconds)
        self._leap = np.float32(costs.leap / hop_seconds)
        self._turn = np.float32(costs.turn / hop_seconds)

    def run(self, stretches: list[_Stretch]) -> Course:
        """Follows stretch after stretch, and back from the end."""
        count = len(self._audio)
        entries = np.full(count, NEVER, np.float32)
        entries[0] = 0.0
        tables: list[_Table] = []
        for stretch in stretches:
            tables.append(_Table(self, stretch, entries, first=not tables))
            entries = np.full(count, NEVER, np.float32)
            ends = np.arange(stretch.begin, stretch.end - 1)
            entries[ends + 1] = tables[-1].best[: len(ends)] - self._leap
        places, leaps = np.empty(count, np.int64), np.zeros(count, bool)
        window = count - 1
        for table in reversed(tables):
            window = table.trace(window, places)
            leaps[window + 1] = window >= 0
            if window < 0:
                break
        similarities = np.einsum("wd,wd->w", self._audio, self._sheet[places])
        return Course(self._places[places], leaps, similarities)

    def band(self, columns: np.ndarray) -> np.ndarray:
        """Returns the first place of the band for every column."""
        middle = np.round((columns - self._origin) / self._pixels).astype(int)
        return np.clip(middle - self._width // 2, 0, len(self._places) - self._width)

    def similarities(self, window: int, offset: int) -> np.ndarray:
        """Returns the similarities of a window with the places of its band, float32 [width]."""
        return np.einsum("pd,d->p", self._sheet[offset : offset + self._width], self._audio[window])

    def enter(self, before: np.ndarray, shift: int, offset: int) -> _Values:
        """Returns the best value with which each speed and place is entered, and where from.

        Args:
            before: Values a window earlier, float32 [speeds, width].
            shift: Number of places by which the band has moved since.
            offset: First place of the band, after that.

        """
        value, origin = self._change_speed(before)
        speeds, width = before.shape
        entered = np.full(before.shape, NEVER, np.float32)
        came_from = np.full(before.shape, _START, np.int16)
        for speed in range(speeds):
            move = speed - shift
            into = slice(max(0, move), max(0, min(width, width + move)))
            out = slice(max(0, -move), max(0, min(width, width - move)))
            entered[speed, into] = value[speed, out]
            came_from[speed, into] = origin[speed, out]
        self._enter_systems((value, origin), (entered, came_from), shift, offset)
        return entered, came_from

    def _change_speed(self, before: np.ndarray) -> _Values:
        """Returns the best value of each speed and place after a change by one or none."""
        slower, faster = (np.full(before.shape, NEVER, np.float32) for _ in range(2))
        np.subtract(before[1:], self._change, out=slower[:-1])
        np.subtract(before[:-1], self._change, out=faster[1:])
        value = np.maximum(before, slower)
        origin = np.where(slower > before, self._states + np.int16(before.shape[1]), self._states)
        origin = np.where(faster > value, self._states - np.int16(before.shape[1]), origin)
        return np.maximum(value, faster), origin

    def _enter_systems(self, before: _Values, after: _Values, shift: int, offset: int) -> None:
        """Steps from the ends of systems to the beginnings of the next ones."""
        (value, origin), (entered, came_from) = before, after
        width = value.shape[1]
        end = round(SYSTEM_END_PIXELS / self._pixels)
        start = round(SYSTEM_START_PIXELS / self._pixels)
        low, high = np.searchsorted(self._turns, [offset - start, offset + width + end])
        for turn in self._turns[low:high]:
            last = turn - offset + shift  # in the band of the window before
            ends = slice(*np.clip([last - end, last], 0, width))
            starts = slice(*np.clip([turn - offset, turn - offset + start], 0, width))
            if ends.start == ends.stop or starts.start == starts.stop:
                continue
            best = value[:, ends].argmax(axis=1)[:, None]
            there = np.take_along_axis(value[:, ends], best, axis=1) - self._turn
            better = there > entered[:, starts]
            entered[:, starts] = np.where(better, there, entered[:, starts])
            source = np.take_along_axis(origin[:, ends], best, axis=1)
            came_from[:, starts] = np.where(better, source, came_from[:, starts])


class _Table:
    """The second search in one stretch.

    Args:
        search: Search that the stretch is a part of.
        stretch: Windows, and columns that the band follows.
        entries: Value with which the stretch may be entered before each window, at any place and
            speed, float32 [windows of the recording].
        first: Whether the recording starts there, which has a cost at each place.

    Attributes:
        best: Value of the best place, float32 [windows of the stretch].
    """

    def __init__(
        self, search: _FineSearch, stretch: _Stretch, entries: np.ndarray, first: bool = False
    ):
        self._begin, count = stretch.begin, stretch.end - stretch.begin
        self._offsets = search.band(stretch.columns)
        self._came_from = np.empty((count, *search.shape), np.int16)
        self._last = np.empty(count, np.int64)
        self.best = np.empty(count, np.float32)
        value = np.full(search.shape, NEVER, np.float32)
        previous = int(self._offsets[0])
        for step, offset in enumerate(self._offsets.tolist()):
            value, self._came_from[step] = search.enter(value, offset - previous, offset)
            if entries[self._begin + step] > NEVER:
                start = np.full(value.shape[1], entries[self._begin + step])
                if first:
                    start -= search.start_costs[offset : offset + len(start)]
                self._came_from[step][value < start] = _START
                np.maximum(value, start, out=value)
            value += search.similarities(self._begin + step, offset)
            np.maximum(value, NEVER, out=value)
            self._last[step] = np.argmax(value)
            self.best[step] = value.flat[self._last[step]]
            previous = offset

    def trace(self, window: int, places: np.ndarray) -> int:
        """Fills in `places` from `window` backwards; returns the window before the stretch."""
        step = window - self._begin
        state = int(self._last[step])
        width = self._came_from.shape[2]
        while True:
            places[self._begin + step] = self._offsets[step] + state % width
            state = int(self._came_from[step].flat[state])
            step -= 1
            if state == _START or step < 0:
                return self._begin + step


def _interpolate(rows: np.ndarray, columns: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns rows at other columns, linearly between those that are there."""
    place = np.interp(wanted, columns, np.arange(len(columns)))
    before = np.minimum(place.astype(int), max(0, len(columns) - 2))
    after = np.minimum(before + 1, len(columns) - 1)
    share = (place - before).astype(np.float32)[:, None]
    return rows[before] * (1 - share) + rows[after] * share
