"""A system drawn wide and brought near equals the same system drawn near."""

import numpy as np
import pytest

from tempo_invariant.geometry import NEAR, SYSTEM_HEIGHT
from tempo_invariant.scores import msmd, staff_distance, strips
from tempo_invariant.scores.mung import NoteHead, Page, System
from tempo_invariant.scores.places import Box
from tests.drawn_pages import LEFT, RIGHT, SHAPE, SPACE

TOP = 300
INK = 40


def page_of(height, staves=2):
    """Draws a system whose box has a height, with notes above, below and between its staves.

    Notes between the staves hang on one of them, alternately, or on both.

    Returns:
        The page, the box, and the boxes of the notes.
    """
    tops = np.linspace(TOP, TOP + height - 1 - 4 * SPACE, staves).astype(int)
    page = np.full(SHAPE, 255, np.uint8)
    page[np.add.outer(tops, SPACE * np.arange(5)).ravel(), LEFT : RIGHT + 1] = 0
    page[TOP : tops[-1] + 4 * SPACE, [LEFT, 300, RIGHT]] = 0
    upper, lower = tops[0] + 4 * SPACE, tops[-1]
    notes = []
    for number, column in enumerate(range(LEFT + 30, RIGHT - 30, 60)):
        between = [[upper + 12], [lower - 16], [upper + 4, lower - 9]][number % 3]
        for row in (tops[0] - 28, lower + 4 * SPACE + 22, *between):
            page[row : row + 6, column : column + 9] = INK
            notes.append(Box(row, column, row + 6, column + 9))
    return page, Box(TOP, LEFT, TOP + height, RIGHT + 1), notes


def test_wide_staves_come_near_with_all_that_hangs_on_them():
    near, near_box, near_notes = page_of(SYSTEM_HEIGHT)
    wide, box, notes = page_of(SYSTEM_HEIGHT + 60)
    [removal] = staff_distance.find_removals(wide, [box])
    assert removal.count == 60
    middle, near_middle = int(box.centre_row), int(near_box.centre_row)
    cut = removal.cut(wide, middle - 100, 200)
    np.testing.assert_array_equal(cut, near[near_middle - 100 :][:200, LEFT : RIGHT + 1])
    for note, other in zip(notes, near_notes, strict=True):
        row = removal.row(note.centre_row, note.centre_column)
        assert row - middle == other.centre_row - near_middle


def test_strips_and_snippets_show_systems_brought_near_and_find_their_notes(tmp_path):
    wide, box, notes = page_of(SYSTEM_HEIGHT + 60)
    near, near_box, _ = page_of(SYSTEM_HEIGHT)
    heads = tuple(NoteHead(number, note, 60, 1000) for number, note in enumerate(notes))
    pages = Page(1, (System(1000, box),), heads)

    class Drawn(msmd.Score):
        def image(self, ink, page_number):
            return wide if ink == "bold" else np.maximum(wide, INK)

    score = Drawn(tmp_path, (pages,), ("bold", "thin"))
    drawn, placements = strips.strips(score, score.inks, NEAR)
    first = int(near_box.centre_row) - 100
    expected = near[first : first + 200, LEFT : RIGHT + 1]
    np.testing.assert_array_equal(drawn["bold"], expected)
    np.testing.assert_array_equal(drawn["thin"], np.maximum(expected, INK))
    for placement in placements:
        assert expected[int(placement.row), int(placement.column)] == INK
    images, places = strips.cut_snippets(wide, [box], 100, 1, NEAR)
    np.testing.assert_array_equal(images[3], expected[20:180, 250:450])
    assert places[3].x == LEFT + 350 and places[3].box == box  # on the page as it is
    # As printed, rows stay where they are, and the outermost notes are not seen.
    images, _ = strips.cut_snippets(wide, [box], 100, 1)
    middle = int(box.centre_row)
    np.testing.assert_array_equal(images[3], wide[middle - 80 : middle + 80, LEFT + 250 :][:, :200])


@pytest.mark.parametrize("height, staves", [(SYSTEM_HEIGHT, 2), (SYSTEM_HEIGHT + 80, 3)])
def test_systems_that_fit_and_those_of_other_staves_stay(height, staves):
    page, box, _ = page_of(height, staves)
    assert staff_distance.find_removals(page, [box]) == [None]


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (900, 3), (200, 200)])
def test_no_staves_nothing_to_do(shape):
    page = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    assert (
        staff_distance.find_removals(page, [Box(-9, 0, 500, 500), Box(1, 5, 300, 2)]) == [None] * 2
    )
