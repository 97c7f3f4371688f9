"""Finds bars, phrases, chords and outer voices in notes, for `expression`."""

from typing import NamedTuple

import numpy as np

from tfrecords_tools.music.notes import TICKS_PER_QUARTER, Music

GRID_TICKS = TICKS_PER_QUARTER // 8
MINIMUM_PHRASE_BARS = 4


class Phrase(NamedTuple):
    """A phrase in ticks; bar lines are at `downbeat` and whole bars before and after."""

    start: int
    end: int
    downbeat: int


def note_table(music: Music) -> np.ndarray:
    """Returns [notes, 3]: tick, pitch, length."""
    return np.array([note[:3] for note in music.notes])


def bar_length(table: np.ndarray) -> int:
    """Returns three or four quarters in ticks, the one after which onsets are more alike.

    It finds bars of 6/8, and two bars of 2/4 or 3/8, as well. The onsets, weighted by the root of
    their length, are correlated with themselves one and two bars later.
    """
    step = GRID_TICKS
    index = (table[:, 0] - table[0, 0]) // step
    weights = np.zeros(index.max() + 1)
    np.add.at(weights, index, np.sqrt(np.minimum(table[:, 2], 2 * TICKS_PER_QUARTER)))
    weights -= weights.mean()

    def likeness(bar: int) -> float:
        lags = [lag for lag in (bar // step, 2 * bar // step) if lag < len(weights)]
        return sum(float(np.mean(weights[lag:] * weights[:-lag])) for lag in lags)

    return max((4 * TICKS_PER_QUARTER, 3 * TICKS_PER_QUARTER), key=likeness)


def find_phrases(table: np.ndarray, bar: int, random: np.random.RandomState) -> list[Phrase]:
    """Cuts sections into phrases of four or eight bars; a shorter rest joins the last one."""
    shortest = MINIMUM_PHRASE_BARS * bar
    starts = _sections(table, shortest)
    ends = [*starts[1:], int((table[:, 0] + table[:, 2]).max())]
    phrases = []
    for start, end in zip(starts, ends, strict=True):
        downbeat = _downbeat(table[(table[:, 0] >= start) & (table[:, 0] < end)], bar)
        while start < end:
            length = shortest * (1 + random.randint(2))
            following = start + length if end - start - length >= shortest else end
            phrases.append(Phrase(start, following, downbeat))
            start = following
    return phrases


def _sections(table: np.ndarray, shortest: int) -> list[int]:
    """Returns the start of the music and its starts after silences of a quarter and more."""
    ends = np.maximum.accumulate(table[:, 0] + table[:, 2])
    silent = table[1:, 0] - ends[:-1] >= TICKS_PER_QUARTER
    starts = [int(table[0, 0])]
    for tick in table[1:, 0][silent]:
        if min(tick - starts[-1], ends[-1] - tick) >= shortest:
            starts.append(int(tick))
    return starts


def _downbeat(table: np.ndarray, bar: int) -> int:
    """Returns the eighth of the bar, in ticks, at which the longest notes start."""
    weights = np.zeros(bar)
    for chord in chord_ranges(table[:, 0]):
        longest = min(table[chord, 2].max(), 2 * TICKS_PER_QUARTER)
        weights[table[chord.start, 0] % bar] += longest
    return int(np.argmax(weights[:: TICKS_PER_QUARTER // 2])) * (TICKS_PER_QUARTER // 2)


def chord_ranges(ticks: np.ndarray) -> list[slice]:
    """Returns the ranges of notes that start together; `ticks` are ascending."""
    bounds = [0, *(np.flatnonzero(np.diff(ticks)) + 1), len(ticks)]
    return [slice(a, b) for a, b in zip(bounds[:-1], bounds[1:], strict=True)]


def outer_voices(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns bool [notes] twice: nothing higher, and nothing lower, sounds when it starts."""
    highest, lowest = np.zeros(len(table), bool), np.zeros(len(table), bool)
    sounding: list[tuple[int, int]] = []
    for chord in chord_ranges(table[:, 0]):
        tick = table[chord.start, 0]
        sounding = [(end, pitch) for end, pitch in sounding if end > tick]
        sounding += [(tick + length, pitch) for _, pitch, length in table[chord]]
        pitches = [pitch for _, pitch in sounding]
        highest[chord] = table[chord, 1] == max(pitches)
        lowest[chord] = table[chord, 1] == min(pitches)
    return highest, lowest
