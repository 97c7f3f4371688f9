"""Systems found on drawn pages, whose boxes are known."""

import numpy as np
from PIL import Image, ImageDraw

from tempo_invariant import samples
from tempo_invariant.evaluation.altered_pages import outlined
from tempo_invariant.evaluation.system_detection import place_lines
from tempo_invariant.scores import degradation, pages, staves
from tempo_invariant.scores.page_image import ink
from tempo_invariant.scores.page_reading import read_page
from tempo_invariant.scores.systems import find_systems, normalise
from tests.drawn_pages import LEFT, RIGHT, SHAPE, SPACE, draw_page, piano_page


def test_staves_that_bar_lines_join_are_one_system():
    page, corners = draw_page([(100,), (250, 320), (500, 570, 640), (800, 900)])
    found = np.array(find_systems(page))
    expected = np.concatenate([corners[:, 0], corners[:, 2]], axis=1)
    assert found.shape == (4, 4)
    np.testing.assert_allclose(found, expected, atol=2)


def test_degraded_pages_are_straightened_and_their_systems_found():
    page, corners = piano_page(seed=3)
    how = degradation.Degradation(2.4, 0.2, 0.8, 0.4, 1.0, 0.2, 12.0, 40)
    bad = degradation.degrade(page, how, np.random.default_rng(0))
    normal = normalise(bad)
    assert abs(normal.degrees - 2.4) < 0.1 and abs(normal.space - SPACE) < 0.15
    truth, _, _ = place_lines(outlined(degradation.rotated(corners, 2.4, page.shape)), normal)
    found = np.array(find_systems(normal.image))
    np.testing.assert_allclose(found, np.array(truth), atol=4)
    # On the skewed page itself the boxes are around the systems.
    [first, *_] = find_systems(bad)
    around = degradation.rotated(corners, 2.4, page.shape)[0]
    np.testing.assert_allclose(
        first,
        [*around.min(axis=0), *around.max(axis=0)],
        atol=4,
    )


def test_two_stems_that_meet_join_nothing():
    page, _ = piano_page(2)
    page[170:400, 400:402] = 0  # from the second staff to beyond the third
    assert len(find_systems(page)) == 2
    page[170:400, 650:652] = 0
    assert len(find_systems(page)) == 1


def test_staves_far_apart_are_no_system_whatever_joins_them():
    for gap, count in ((50, 1), (70, 2)):  # staff spaces between the two
        lower = 100 + (4 + gap) * SPACE
        page, _ = draw_page([(100,), (lower,)])
        page[100 : lower + 4 * SPACE, LEFT : LEFT + 2] = 0
        assert len(find_systems(page)) == count


def test_patterns_of_many_lines_take_no_more_time_than_a_page(monkeypatch):
    page, _ = draw_page([(100 + 60 * i,) for i in range(12)])
    assert len(find_systems(page)) == 12
    monkeypatch.setattr(staves, "_MOST_PATHS", 5)
    assert len(find_systems(page)) == 5


def test_pages_without_staves():
    generator = np.random.default_rng(0)
    table = Image.new("L", SHAPE[::-1], 255)
    text = table.copy()
    for row in range(60, 1100, 18):
        ImageDraw.Draw(table).line((60, row, 770, row), fill=0)
        letters = ["".join(map(chr, generator.integers(97, 123, 6))) for _ in range(17)]
        ImageDraw.Draw(text).text((60, row), " ".join(letters), fill=0)
    noise = generator.integers(0, 256, SHAPE).astype(np.uint8)
    for page in (table, text, noise, np.full(SHAPE, 255), np.zeros(SHAPE)):
        assert find_systems(np.array(page, np.uint8)) == []
    assert normalise(np.full((590, 417), 255, np.uint8)).image.shape == (1181, 835)


def test_a_double_page_is_read_page_by_page_and_nothing_spans_it():
    left, _ = piano_page(3, seed=1)
    right, _ = draw_page([(60, 130), (300, 370)], seed=2)
    found = find_systems(np.concatenate([left, right], axis=1))
    assert [round(box.top / 10) for box in found] == [10, 30, 50, 6, 30]
    assert [box.left < 835 for box in found] == [True] * 3 + [False] * 2
    assert all(RIGHT - LEFT - 5 < box.width < RIGHT - LEFT + 5 for box in found)


def test_a_page_like_the_training_pages_stays_as_it_is():
    page, _ = piano_page()
    normal = normalise(page)
    np.testing.assert_array_equal(normal.image, page)
    assert (normal.scale, normal.degrees) == (1.0, 0.0)


def test_staves_get_the_size_of_those_of_the_training_pages():
    # Staves of 16 pixels a space on a page 1,400 pixels wide would be 9.5 at 835.
    page, corners = draw_page([(100, 300), (600, 800)], 16, (1400, 1400), 100, 1300)
    normal = normalise(page)
    assert abs(normal.scale - 7 / 16) < 0.01 and abs(normal.image.shape[1] - 612) < 8
    found = np.array(find_systems(normal.image))
    np.testing.assert_allclose(found, np.array(place_lines(outlined(corners), normal)[0]), atol=2)


def test_a_page_photographed_on_a_dark_table():
    page, corners = piano_page(4)
    photo = np.full((1500, 1150), 30, np.uint8)
    photo[150:1331, 150:985] = page
    found = np.array(find_systems(photo))
    expected = np.concatenate([corners[:, 0], corners[:, 2]], axis=1) + 150
    np.testing.assert_allclose(found, expected, atol=3)


def test_a_flat_beam_beside_a_staff_does_not_break_it():
    """Bach's first invention, whose first bar has a beam one space above the upper staff."""
    page = next(iter(pages.read(samples.DIRECTORY / "scores" / "bach_invention_1.pdf")))
    assert [len(system.staves) for system in normalise(page).found] == [2] * 7


def test_staves_that_are_not_quite_straight_are_found_to_their_ends():
    """Near the fold a page often stays bent; without its clefs it would seem to be upside down."""
    page, corners = piano_page(4, seed=1, clefs=True)
    bent = page.copy()
    for column in range(LEFT - 10, LEFT + 120):
        rows = round(3 * (1 - (column - LEFT) / 120) ** 2)
        bent[:, column] = np.roll(page[:, column], rows)
    found = staves.find_staves(ink(bent), SPACE)
    assert len(found) == 8
    assert max(abs(staff.left - LEFT) for staff in found) < SPACE
    assert max(abs(staff.right - RIGHT) for staff in found) < SPACE
    assert not read_page(bent).quarter_turns
