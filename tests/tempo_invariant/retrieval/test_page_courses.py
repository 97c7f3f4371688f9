"""A recording is followed through pages that it plays once, again, or hardly at all."""

import numpy as np
import pytest

from tempo_invariant.retrieval import page_courses
from tempo_invariant.retrieval.sequence import PathLimits
from tempo_invariant.scores.places import NO_BAR, SHEET, Box, Place

LIMITS = PathLimits(slowest=2, fastest=7, leap_cost=3.0)


def page(count, bar=1):
    """Two systems of as many snippets, with a bar for every ten of them."""
    box = Box(100, 50, 180, 750)
    rows = [
        Place(1, 1 + i // count, 60.0 + 15 * (i % count), box, bar and bar + i // 10).row()
        for i in range(2 * count)
    ]
    return np.array(rows, SHEET)


def recording(windows, *passes):
    """Similarities of windows, with every pass (first window, positions) along a ridge."""
    similarities = np.full((windows, 40), 0.2, np.float32)
    for first, positions in passes:
        similarities[np.arange(first, first + len(positions)), positions] = 0.9
    return similarities


def follow(similarities, pages, heard):
    seconds = np.arange(len(similarities)) / 2
    course = page_courses.follow(seconds, similarities, pages, LIMITS, heard, 0.9)
    return course, list(page_courses.played_systems(course, pages))


def test_each_pass_is_told_with_its_bars():
    once = np.arange(0, 40, 2)
    similarities = recording(70, (10, once), (30, once))
    course, played = follow(similarities, page(20), 10 + np.arange(20))
    assert [(row.system, row.first, row.last) for row in played] == [
        (1, 5.0, 9.5), (2, 10.0, 14.5), (1, 15.0, 19.5), (2, 20.0, 24.5),
    ]  # fmt: skip
    assert [row.bars for row in played] == [(1, 2), (3, 4)] * 2
    assert played[0].columns == (60, 60 + 15 * 18)
    assert course["seconds"][course["leap"]].tolist() == [15.0]
    assert (course["page"] == 0).sum() == 30
    assert {row.bars for row in follow(similarities, page(20, None), np.arange(3))[1]} == {None}
    assert (page(20, None)["bar"] == NO_BAR).all()


def test_a_page_that_is_over_in_no_time_is_where_it_was_found():
    """Six windows bring less than a leap costs."""
    course, played = follow(recording(50, (20, np.arange(0, 40, 7))), page(20), np.arange(20, 26))
    assert [row.system for row in played] == [1, 2]
    assert (played[0].first, played[-1].last) == pytest.approx((10.0, 12.5))
    assert np.flatnonzero(course["page"]).tolist() == list(range(20, 26))
    assert not course["leap"].any()
