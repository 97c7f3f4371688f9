"""Ink, skew and staff space, each against what was drawn."""

import numpy as np
import pytest

from tempo_invariant.scores import degradation, page_image
from tests.drawn_pages import SHAPE, draw_page, piano_page


def test_ink_of_a_clean_page_is_its_darkness():
    page, _ = piano_page()
    page[600:610, 100:300] = 100
    np.testing.assert_allclose(page_image.ink(page), 1 - page / 255, atol=1e-6)


def test_ink_does_not_depend_on_the_light():
    page, _ = piano_page()
    shade = np.linspace(1.0, 0.5, SHAPE[1])
    dark = page_image.ink(np.rint(page * shade).astype(np.uint8))
    assert np.abs(dark - (1 - page / 255)).max() < 0.06


@pytest.mark.parametrize("degrees", [-3.0, -0.4, 0.0, 1.7])
def test_skew(degrees):
    page, _ = piano_page()
    how = degradation.Degradation(degrees=degrees)
    turned = degradation.degrade(page, how, np.random.default_rng(0))
    assert abs(page_image.skew_degrees(page_image.ink(turned, 8), 8) - degrees) < 0.05


@pytest.mark.parametrize("space", [5, 9, 14])
def test_staff_space(space):
    page, _ = draw_page([(100, 100 + 12 * space), (600, 600 + 12 * space)], space)
    assert abs(page_image.staff_spaces(page_image.ink(page, 8))[0] - space) < 0.1


def test_turned_points_lie_where_turned_ink_lies():
    dark = np.zeros((300, 200), np.float32)
    dark[40:44, 150:154] = 1
    straight = page_image.turn_back(dark, 20.0)
    rows, columns = np.nonzero(straight > 0.5)
    found = np.array([rows.mean() + 0.5, columns.mean() + 0.5]) - np.array(straight.shape) / 2
    expected = page_image.turned(np.array([42.0, 152.0]) - np.array([150, 100]), -20.0)
    np.testing.assert_allclose(found, expected, atol=0.7)
