"""Bar lines, on pages that are drawn and so known."""

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from tempo_invariant.scores.bar_lines import find_bar_lines
from tempo_invariant.scores.places import Box
from tests.drawn_pages import LEFT, RIGHT, SPACE, piano_page

TOP, LOWER = 60, 130
BOX = Box(TOP, LEFT, LOWER + 4 * SPACE + 1, RIGHT + 1)
COLUMNS = (230, 410, 560, RIGHT)


def _draw(columns: Sequence[int] = COLUMNS, joined: bool = True) -> tuple[Image.Image, ImageDraw]:
    """Draws two empty staves with bar lines, through the space between them if they are joined."""
    page = Image.new("L", (835, 240), 255)
    pen = ImageDraw.Draw(page)
    for top in (TOP, LOWER):
        for line in range(5):
            pen.line((LEFT, top + line * SPACE, RIGHT, top + line * SPACE), fill=0)
        for column in columns:
            pen.line((column, top, column, top + 4 * SPACE), fill=0)
    bottom = LOWER + 4 * SPACE
    for column in [LEFT, *(columns if joined else [])]:
        pen.line((column, TOP, column, bottom), fill=0)
    return page, pen


def _find(page: Image.Image, box: Box = BOX):
    found = find_bar_lines(np.asarray(page), box)
    return [int((line.left + line.right) / 2) for line in found.lines], found


def test_bar_lines_between_notes_and_stems_are_found():
    page, corners = piano_page()
    for (top, left), _, (bottom, right), _ in corners:
        found = find_bar_lines(page, Box(top, left, bottom, right))
        # Four bars: 60, 238.75, 417.5, 596.25, 775; what joins the staves at 60 is no bar line.
        middles = [(line.left + line.right) / 2 for line in found.lines]
        assert middles == pytest.approx([238.75, 417.5, 596.25, 775], abs=1.5)
        assert found.certain and not any(line.heavy for line in found.lines)
        assert found.space == pytest.approx(SPACE, rel=0.02)


@pytest.mark.parametrize("joined", [True, False])
def test_strokes_that_are_no_bar_lines_are_told_from_them(joined):
    page, pen = _draw(joined=joined)
    bottom = LOWER + 4 * SPACE
    for top in (TOP, LOWER):  # stems of two chords, with heads above and below the staff
        pen.line((300, top - 14, 300, top + 35), fill=0)
        pen.ellipse((290, top + 30, 300, top + 37), fill=0)
    pen.line((480, TOP, 480, TOP + 4 * SPACE), fill=0)  # in one staff only
    pen.line((500, bottom + 5, 500, bottom + 40), fill=0)
    columns, found = _find(page)
    assert columns == list(COLUMNS) and found.certain


def test_double_bars_and_repeat_signs_are_one_line_each_and_heavy():
    page, pen = _draw((230, 234, 560, RIGHT))
    pen.rectangle((565, TOP, 569, LOWER + 4 * SPACE), fill=0)
    for row in (TOP + 10, TOP + 17, LOWER + 10, LOWER + 17):
        pen.ellipse((553, row, 556, row + 3), fill=0)
    columns, found = _find(page)
    assert columns == [232, 565, RIGHT]
    assert [line.heavy for line in found.lines] == [True, True, False] and found.certain


def test_a_stroke_that_may_be_a_bar_line_leaves_a_doubt():
    page, pen = _draw()
    pen.line((320, TOP, 320, LOWER + 4 * SPACE), fill=160)  # pale, and through both staves
    assert not _find(page)[1].certain
    page, pen = _draw(joined=False)
    for top in (TOP, LOWER):  # as a bar line, but it goes on a little
        pen.line((320, top, 320, top + 4 * SPACE + 6), fill=0)
    assert not _find(page)[1].certain


def test_a_bar_line_may_be_broken_for_a_dynamic():
    page, pen = _draw()
    gap = TOP + 4 * SPACE
    pen.rectangle((405, gap + 3, 415, gap + 24), fill=255)  # half of the space between the staves
    columns, found = _find(page)
    assert columns == list(COLUMNS) and found.certain


@pytest.mark.parametrize("joined", [True, False])
def test_blurred_and_pale_lines_are_found(joined):
    page, _ = _draw(joined=joined)
    blurred = page.filter(ImageFilter.GaussianBlur(0.8)).point(lambda grey: 90 + grey * 165 // 255)
    columns, found = _find(blurred)
    assert columns == pytest.approx(list(COLUMNS), abs=1) and found.certain


def test_what_holds_no_staff_holds_no_bar_lines():
    noise = np.random.default_rng(0).integers(0, 256, (240, 835)).astype(np.uint8)
    for page in (np.full((240, 835), 255, np.uint8), noise):
        found = find_bar_lines(page, BOX)
        assert not found.lines and not found.certain
    page, _ = _draw()
    for box in (Box(0, 0, 5, 800), Box(-300, -50, -200, 900), Box(200, 800, 500, 1200)):
        assert not find_bar_lines(np.asarray(page), box).certain


def test_a_system_without_a_bar_line_is_not_certain():
    page, _ = _draw(())
    assert not _find(page)[1].certain
