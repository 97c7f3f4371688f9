"""Courses through synthetic similarities, whose truth is known; and an exhaustive search."""

import dataclasses
import itertools

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.score_alignment import (
    FASTEST_PIXELS_PER_SECOND,
    SPEED_STEP,
    Costs,
    Strip,
    align,
)

HOP_SECONDS = 0.1
STEP = 10
SYSTEM_PIXELS = 700


def _strip(systems=3, step=STEP):
    columns = [
        SYSTEM_PIXELS * system + column
        for system in range(systems)
        for column in range(step // 2, SYSTEM_PIXELS, step)
    ]
    return Strip(np.array(columns, float), SYSTEM_PIXELS * np.arange(systems + 1.0))


def _matrix(columns, strip, noise=0.15, seed=0):
    """Similarities [windows, snippets]: high near the true columns, as wide as a note or two."""
    random = np.random.default_rng(seed)
    # As in real ones, the noise of neighbours is alike.
    rough = random.normal(0, 1, (len(columns) + 8, len(strip.columns) + 2))
    smooth = np.stack([rough[i : i + len(columns), j : -2 + j or None] for i, j in SHIFTS]).sum(0)
    distance = np.asarray(columns)[:, None] - strip.columns
    return noise * smooth / np.sqrt(len(SHIFTS)) + 0.6 * np.exp(-((distance / 30) ** 2) / 2)


SHIFTS = list(itertools.product(range(8), range(3)))


def _follow(columns, strip, costs=None, **arguments):
    return align(
        _matrix(columns, strip, **arguments), np.eye(len(strip.columns)), strip, 0.1, costs
    )


def _tempo_curve(speeds, seconds, start=30.0):
    """Columns of a recording that keeps each speed (pixels per second) for so many seconds."""
    each = np.repeat(speeds, round(seconds / HOP_SECONDS))
    return start + np.cumsum(each) * HOP_SECONDS


@pytest.mark.parametrize("factor,noise", [(0.66, 0.15), (1.0, 0.0), (1.0, 0.25), (1.5, 0.15)])
def test_changing_speeds_are_followed_to_a_few_pixels(factor, noise):
    strip = _strip()
    speeds = np.array([60, 110, 75, 45, 90, 130, 80, 60]) * factor
    true = _tempo_curve(speeds, 3 / factor)
    found = _follow(true, strip, noise=noise)
    off = np.abs(found.columns - true)
    assert not found.leaps.any()
    assert (np.diff(found.columns) >= 0).all()
    assert np.median(off) < (6 if noise < 0.2 else 9)
    assert np.quantile(off, 0.9) < (15 if noise < 0.2 else 25)
    # In seconds: the true time of what is shown.
    late = np.interp(found.columns, true, np.arange(len(true)) * HOP_SECONDS)
    assert np.median(np.abs(late - np.arange(len(true)) * HOP_SECONDS)) < (
        0.12 if noise < 0.2 else 0.2
    )


def test_places_between_snippets_are_found():
    strip = _strip(step=40)
    true = _tempo_curve([37, 53, 81], 6)
    off = np.abs(_follow(true, strip, noise=0.0).columns - true)
    assert np.median(off) < 6  # 10 if the nearest snippet were shown


def test_a_rest_and_a_held_note_stand_still():
    true = _tempo_curve([80, 0, 80], 4)
    off = np.abs(_follow(true, _strip()).columns - true)
    assert np.quantile(off, 0.95) < 15


def test_silence_is_bridged():
    strip = _strip()
    true = _tempo_curve([80], 20)
    audio = _matrix(true, strip)
    audio[80:100] = 0
    found = align(audio, np.eye(len(strip.columns)), strip, HOP_SECONDS)
    off = np.abs(found.columns - true)
    assert not found.leaps.any()
    assert off.max() < 60 and off[:75].max() < 20 and off[105:].max() < 20


def test_clefs_take_no_time():
    strip = _strip()
    # The music ends 30 pixels before the end of a system and begins 90 after its beginning.
    system = np.arange(90, SYSTEM_PIXELS - 30, 8.0)
    true = np.concatenate([system + SYSTEM_PIXELS * number for number in range(3)])
    off = np.abs(_follow(true, strip).columns - true)
    after = np.concatenate([np.arange(10) + number * len(system) for number in (1, 2)])
    assert np.median(off[after]) < 10
    dear = _follow(true, strip, Costs(turn=100.0))
    assert np.median(off[after]) < np.median(np.abs(dear.columns - true)[after])


@pytest.mark.parametrize("seed", [0, 1])
def test_a_repeat_is_one_leap_at_its_moment(seed):
    strip = _strip()
    once = np.arange(40, 1000, 8.0)
    true = np.concatenate([once, once, np.arange(1000, 2000, 8.0)])
    found = _follow(true, strip, seed=seed)
    assert found.leaps.sum() == 1
    assert np.flatnonzero(found.leaps)[0] == pytest.approx(len(once), abs=2)
    assert np.median(np.abs(found.columns - true)) < 4
    assert np.quantile(np.abs(found.columns - true), 0.97) < 20
    dear = _follow(true, strip, Costs(leap=1000.0))
    assert not dear.leaps.any() and (np.diff(dear.columns) >= 0).all()


def test_what_is_left_out_is_leapt_over():
    strip = _strip(systems=6)
    true = np.concatenate([np.arange(40, 700, 8.0), np.arange(3300, 3900, 8.0)])
    found = _follow(true, strip)
    assert found.leaps.sum() == 1
    assert np.quantile(np.abs(found.columns - true), 0.95) < 15


def test_a_part_of_the_score_is_found_in_the_whole():
    true = _tempo_curve([70], 10, start=850)
    assert np.abs(_follow(true, _strip()).columns - true).max() < 25


def _exhaustive(similarities, starts, change, turn):
    """Places of the best path by trying all, window by window: the definition, in plain Python."""
    windows, places = similarities.shape
    speeds = range(FASTEST_PIXELS_PER_SECOND // SPEED_STEP + 1)
    best = {(x, v): (similarities[0, x], [x]) for x in range(places) for v in speeds}
    for window in range(1, windows):
        following = {}
        for (x, v), (score, path) in best.items():
            for w in (v - 1, v, v + 1):
                if w not in speeds:
                    continue
                steps = {x + w: 0.0}
                for start in starts:  # 50 places before a system's end, 60 after the next's start
                    if start - 50 <= x < start:
                        for y in range(start, min(places, start + 60)):
                            steps[y] = 0.0 if y == x + w else turn
                for y, cost in steps.items():
                    if y < places:
                        total = score + similarities[window, y] - cost - change * abs(w - v)
                        if (y, w) not in following or total > following[y, w][0]:
                            following[y, w] = (total, [*path, y])
        best = following
    return max(best.values())[1]


@pytest.mark.parametrize("seed", range(4))
def test_the_fine_course_is_the_best_of_all(seed):
    # 40 places of 2 pixels: all are in the band.
    random = np.random.default_rng(seed)
    strip = Strip(np.arange(1.0, 80, 2), np.array([0.0, 30.0, 80.0]))
    similarities = random.normal(0, 1, (7, 40)).astype(np.float32)
    costs = Costs(speed_change=0.03, leap=50.0, turn=0.05)
    found = align(similarities, np.eye(40), strip, HOP_SECONDS, costs)
    expected = _exhaustive(similarities, [15], 0.3, 0.5)
    assert found.columns.tolist() == [2 * place + 1 for place in expected]
    assert np.allclose(found.similarities, similarities[np.arange(7), expected])


@pytest.mark.parametrize("hop_seconds", [0.05, 0.25, 0.5])
def test_other_distances_of_windows_do_as_well(hop_seconds):
    strip = _strip()
    seconds = np.arange(0, 22, hop_seconds)
    true = 30 + 90 * seconds
    course = align(_matrix(true, strip), np.eye(len(strip.columns)), strip, hop_seconds)
    assert np.median(np.abs(course.columns - true)) < 10


def test_one_window_and_one_snippet_are_enough():
    strip = Strip(np.array([20.0]), np.array([0.0, 40.0]))
    found = align(np.ones((1, 1)), np.ones((1, 1)), strip, HOP_SECONDS)
    assert found.columns.shape == (1,) and 0 <= found.columns[0] <= 40
    with pytest.raises(ValueError, match="0 windows"):
        align(np.ones((0, 1)), np.ones((1, 1)), strip, HOP_SECONDS)


def test_costs_must_not_be_negative():
    for field in dataclasses.fields(Costs):
        with pytest.raises(UserError, match=f"{field.name} must not be negative"):
            Costs(**{field.name: -0.1})


def test_systems_of_columns():
    strip = _strip()
    assert strip.system(np.array([-5, 0, 699, 700, 2099, 2100])).tolist() == [0, 0, 0, 1, 2, 2]


def _returning(strip, true, again, more):
    """Similarities of music that returns: at the return they are higher by `more` a second."""
    similarities = _matrix(true, strip, noise=0.05)
    distance = np.asarray(again)[:, None] - strip.columns
    return np.maximum(similarities, (0.6 + more) * np.exp(-((distance / 30) ** 2) / 2))


@pytest.mark.parametrize("more,begins", [(0.0, True), (0.1, True), (0.3, False)])
def test_a_theme_that_returns_is_at_the_beginning_unless_the_evidence_says_otherwise(more, begins):
    strip = _strip(systems=12)
    true = _tempo_curve([70], 10)
    similarities = _returning(strip, true, true + 7000, more)
    found = align(similarities, np.eye(len(strip.columns)), strip, 0.1)
    # In 10 s, the return brings 10 * more, and to start there costs 2.
    assert np.median(np.abs(found.columns - true - (0 if begins else 7000))) < 5
    assert not found.leaps.any()
    free = align(similarities, np.eye(len(strip.columns)), strip, 0.1, Costs(start=0.0))
    assert np.median(free.columns) > 7000 or not more


@pytest.mark.parametrize("start", [300, 1500, 2800, 6000])
@pytest.mark.parametrize("seconds", [8, 20])
def test_a_recording_may_begin_anywhere_without_a_leap_or_a_rush(start, seconds):
    true = _tempo_curve([70], seconds, start=start)
    found = _follow(true, _strip(systems=12))
    assert not found.leaps.any() and np.abs(found.columns - true).max() < 30


def test_a_start_costs_no_more_than_a_leap():
    true = _tempo_curve([70], 10, start=6000)
    found = _follow(true, _strip(systems=12), Costs(leap=1.0, start=50.0))
    assert np.abs(found.columns - true).max() < 30 and not found.leaps.any()
