"""Pages that lie any way, and what is said about them."""

import numpy as np
import pytest

from tempo_invariant.scores import warping
from tempo_invariant.scores.page_reading import by_pages, read_page
from tests.drawn_pages import draw_page, piano_page


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_turned_page_is_made_upright(turns):
    page, _ = piano_page(3, clefs=True)
    reading = read_page(np.ascontiguousarray(np.rot90(page, turns)))
    assert reading.quarter_turns == -turns % 4
    np.testing.assert_array_equal(reading.normal.image, page)
    degrees = {0: (), 1: ("turned by 90 degrees",), 2: ("turned by 180 degrees",)}
    assert reading.notes == degrees[min(turns, 4 - turns)]


def test_white_on_black_is_read_as_black_on_white():
    page, _ = piano_page(3, clefs=True)
    np.testing.assert_array_equal(read_page(255 - page).normal.image, page)
    on_its_side = np.ascontiguousarray(np.rot90(255 - page))
    np.testing.assert_array_equal(read_page(on_its_side).normal.image, page)


def test_without_clefs_a_page_stays_as_it_is():
    page, _ = piano_page(3)
    assert read_page(page).quarter_turns == 0


def test_a_page_without_systems_is_not_turned():
    reading = read_page(np.full((300, 500), 255, np.uint8))
    assert reading.normal.systems == () and reading.quarter_turns == 0 and reading.notes == ()


def test_a_bent_page_is_read_on_its_side():
    page, _ = draw_page([(100 + 200 * i, 170 + 200 * i) for i in range(5)], clefs=True)
    warp = warping.Warp(fold_degrees=40, roll=6, pitch=8, shadow=0.4)
    photo, _ = warping.photograph(page, warp)
    reading = read_page(np.ascontiguousarray(np.rot90(photo)))
    assert reading.quarter_turns == 3 and len(reading.normal.systems) == 5
    assert reading.normal.flattening is not None


def test_pages_of_one_note_are_named_together():
    notes = [(1, "a"), (2, "a"), (2, "b"), (4, "a"), (5, "a"), (7, "a")]
    assert by_pages(notes) == ["pages 1-2, 4-5, 7: a", "page 2: b"]
    assert by_pages([]) == []
