"""Numbers of bars: along bar lines that are given, and on pages that LilyPond engraved."""

import numpy as np
import pytest

from tempo_invariant.scores.bar_lines import BarLine, BarredSystem
from tempo_invariant.scores.bars import BarStart, bar_at, find_bars, number_bars
from tempo_invariant.scores.engraving import engrave
from tempo_invariant.scores.places import Box

LEFT, RIGHT, SPACE = 100, 800, 10


def _system(*columns: float, left: float = LEFT, heavy: tuple = (), certain=True, top: float = 0):
    """A system with bar lines at some columns and at its right end, a pixel wide."""
    lines = [
        BarLine(column, column + (6 if column in heavy else 1), column in heavy)
        for column in (*columns, RIGHT)
    ]
    return BarredSystem(Box(top, left, top + 80, RIGHT + 1), SPACE, tuple(lines), certain)


# The clef takes 70 pixels, the time signature 30 more, and bars are 200 wide.
FIRST, WHOLE = _system(400, 600), _system(370, 585)
PICKUP = _system(240, 420, 610)


def _numbers(pages):
    return [[[start.number for start in bars] for bars in page] for page in number_bars(pages)]


def test_bars_are_counted_on_through_systems_and_pages():
    assert _numbers([[FIRST, WHOLE], [], [WHOLE]]) == [[[1, 2, 3], [4, 5, 6]], [], [[7, 8, 9]]]
    [[first, second]] = number_bars([[FIRST, WHOLE]])
    assert first == (BarStart(LEFT, 1), BarStart(400, 2), BarStart(600, 3))
    assert [bar_at(second, x) for x in (0, 369, 370, 584.9, 585, 900)] == [4, 4, 5, 5, 6, 6]
    assert bar_at((), 200) is None and number_bars([]) == [] and number_bars([[]]) == [[]]


def test_a_pickup_is_bar_0_and_what_may_be_one_has_no_number():
    assert _numbers([[PICKUP, WHOLE, WHOLE, WHOLE]])[0][:2] == [[0, 1, 2, 3], [4, 5, 6]]
    # 100 of 200 pixels: half a bar, or a short one?
    doubtful = _system(300, 500)
    assert _numbers([[doubtful, WHOLE]]) == [[[None] * 3, [None] * 3]]


def test_the_count_stops_at_an_uncertain_system():
    uncertain = _system(370, certain=False)
    pages = [[FIRST, uncertain], [WHOLE]]
    assert _numbers(pages) == [[[1, 2, 3], [None]], [[None] * 3]]
    no_end = BarredSystem(WHOLE.box, SPACE, WHOLE.lines[:2], True)
    assert _numbers([[FIRST, no_end, WHOLE]]) == [[[1, 2, 3], [None], [None] * 3]]


def test_the_count_stops_where_a_system_may_have_been_missed():
    page = [FIRST, *(_system(370, 585, top=top) for top in (150, 300, 450, 750))]
    numbers = _numbers([page])[0]
    assert numbers[:4] == [[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 11, 12]] and numbers[4] == [None]
    close = [*page[:4], _system(370, 585, top=650)]  # 120 pixels: none fits between, with its space
    assert _numbers([close])[0][4] == [13, 14, 15]


def test_a_repeat_sign_in_a_bar_ends_the_count_and_one_between_bars_does_not():
    between = _system(370, 585, heavy=(585,))
    inside = _system(370, 520, 585, heavy=(520,))
    assert _numbers([[FIRST, between, WHOLE]])[0][2] == [7, 8, 9]
    assert _numbers([[FIRST, inside, WHOLE]])[0] == [[1, 2, 3], [4, 5, None, None], [None] * 3]


def test_a_repeat_sign_after_the_clef_begins_no_bar():
    start = _system(170, 400, 600, heavy=(170,))
    assert _numbers([[FIRST, start, WHOLE, WHOLE, WHOLE]])[0][:2] == [[1, 2, 3], [4, 5, 6]]


def test_an_indented_system_after_a_double_bar_begins_a_movement():
    end = _system(370, 585, heavy=(RIGHT,))
    indented = _system(450, 620, left=LEFT + 60)
    assert _numbers([[FIRST, end], [indented, WHOLE]])[1] == [[1, 2, 3], [4, 5, 6]]
    # Without a double bar before it, or indented by a little, it may be anything.
    assert _numbers([[FIRST, WHOLE], [indented, WHOLE]])[1] == [[None] * 3] * 2
    little = _system(420, 620, left=LEFT + 30)
    assert _numbers([[FIRST, end], [little, WHOLE]])[1] == [[None] * 3] * 2


SCORE = r"""\version "2.24.0"
\paper { indent = 0 ragged-last = ##f }
four = { c''4 e'' g'' e'' }
right = { \partial 4 g'4 | \four | \four | \grace b'8 c''4 e'' g'' e'' | \four \break
  r4 e'' g'' e'' | \four | c''4 e'' \bar ":|." g'' e'' | \four \break
  \four | \four | \four | \four \break
  \four | \four | \four | \four \bar "|." }
left = { \partial 4 r4 | \repeat unfold 4 { c1 | g | c | g } }
\score {
  \new PianoStaff << \new Staff \right \new Staff { \clef bass \left } >>
  \layout { }
}
"""


@pytest.fixture(scope="module")
def engraving(tmp_path_factory):
    directory = tmp_path_factory.mktemp("bars")
    (directory / "score.ly").write_text(SCORE)
    return engrave(directory / "score.ly", tmp_path_factory.mktemp("workspace"))


def test_engraved_bars_have_lilyponds_numbers(engraving):
    bars = engraving.bars
    numbers = [[start.number for start in bars[system]] for system in sorted(bars)]
    # The repeat sign in bar 7 begins no bar; bar 5 begins with a rest.
    assert numbers == [[0, 1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, 12], [13, 14, 15, 16]]
    [page] = engraving.pages
    for head in page.heads:
        if head.box and head.grace == 0:
            assert bar_at(bars[head.system], head.box.centre_column) == head.bar
            assert head.bar == (head.moment - 1 / 4) // 1 + 1


@pytest.mark.parametrize("ink", ["bold", "thin"])
def test_bars_that_are_found_on_the_page_are_those_that_were_engraved(engraving, ink):
    [page], bars = engraving.pages, engraving.bars
    order = sorted(page.systems, key=lambda system: page.systems[system].top)
    image = next(engraving.draw())[ink]
    [found] = find_bars([image], [[page.systems[system] for system in order]])
    # On the page it cannot be known that the repeat sign is within bar 7.
    for system, count, starts in zip(order, (5, 3, 0, 0), found, strict=True):
        true = bars[system]
        assert [start.number for start in starts[:count]] == [s.number for s in true[:count]]
        columns = [start.column for start in starts[:count]]
        assert np.allclose(columns, [s.column for s in true[:count]], atol=2)
        assert {start.number for start in starts[count:]} <= {None}
