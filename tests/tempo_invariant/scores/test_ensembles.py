"""What plays in systems that are drawn with the bar lines of each kind."""

import numpy as np
import pytest

from tempo_invariant.scores.systems import normalise
from tests.drawn_pages import draw_page


@pytest.mark.parametrize(
    "tops, bars, used, note",
    [
        ((100,), [(0, 0)], (0, 0), "systems of 1 staff"),
        ((100, 180), [(0, 1)], (0, 1), None),
        ((100, 180), [(0, 0), (1, 1)], (0, 1), "systems of 2 staves that no bar line joins"),
        ((100, 190, 260), [(0, 0), (1, 2)], (1, 2), "a piano with other staves: its two are used"),
        ((100, 190, 260), [(0, 2)], (0, 2), "systems of 3 staves"),
        ((100, 180, 260, 340), [(0, 3)], (0, 3), "systems of 4 staves"),
        ((100, 180, 260, 340), [(0, 0), (1, 1), (2, 3)], (2, 3), "a piano with other staves: "),
        ((100, 180, 260, 340), [(0, 1), (2, 3)], (0, 3), "systems of 4 staves"),
    ],
)
def test_bar_lines_tell_what_plays(tops, bars, used, note):
    below = [top + 500 for top in tops]
    page, _ = draw_page([tops, below], bars=bars)
    first, second = normalise(page).found
    assert [len(first.staves), len(second.staves)] == [len(tops)] * 2
    np.testing.assert_allclose(first.box[::2], [tops[used[0]], tops[used[1]] + 29], atol=2)
    assert first.note == second.note
    assert (note is None and first.note is None) or first.note.startswith(note)


def test_single_staves_are_not_paired_wherever_their_bar_lines_are():
    page, _ = draw_page([(100 + 80 * i,) for i in range(12)])
    assert [len(system.staves) for system in normalise(page).found] == [1] * 12


def test_the_edge_of_a_page_joins_nothing():
    page, _ = draw_page([(100, 170), (300, 370), (500, 570)])
    page[:, 52:54] = 0  # a staff space left of the staves
    assert [len(system.staves) for system in normalise(page).found] == [2] * 3
