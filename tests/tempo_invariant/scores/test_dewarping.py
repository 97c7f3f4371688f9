"""Bent pages, made by bending drawn ones, are flat again."""

import numpy as np
import pytest

from tempo_invariant.evaluation.altered_pages import outlined
from tempo_invariant.scores import warping
from tempo_invariant.scores.dewarping import find_flattening
from tempo_invariant.scores.page_image import ink
from tempo_invariant.scores.systems import normalise
from tests.drawn_pages import piano_page

HARD = warping.Warp(45, 0.2, False, -8, 9, -6, 2.2, 0.6, 40)


@pytest.mark.parametrize("warp", [HARD, warping.Warp(fold_degrees=25, pitch=-6, shadow=0.3)])
def test_lines_are_straight_again(warp):
    page, corners = piano_page(5)
    photo, offset = warping.photograph(page, warp)
    bent = warp.place(outlined(corners), page.shape) + offset
    flattening = find_flattening(ink(photo))
    rows = flattening.place(bent)[..., 0]

    def bend(rows):
        return np.abs(rows - rows.mean(axis=-1, keepdims=True)).max()

    assert bend(bent[..., 0]) > 10 and bend(rows) < 3
    np.testing.assert_allclose(flattening.place_back(flattening.place(bent)), bent, atol=0.01)
    # The picture shows them there.
    flat = flattening.apply(ink(photo))
    top = flattening.place(bent[2, 0])
    middle = np.round(top[5:-5]).astype(int)
    assert (flat[middle[:, 0, None] + np.arange(-2, 3), middle[:, 1, None]].max(axis=1) > 0.4).all()


def test_systems_of_a_large_photograph_are_where_they_are():
    page, corners = piano_page(5)
    page = page.repeat(2, axis=0).repeat(2, axis=1)
    photo, offset = warping.photograph(page, HARD)
    normal = normalise(photo)
    placed = normal.place(HARD.place(outlined(2 * corners), page.shape) + offset)
    for box, (top, bottom) in zip(normal.systems, placed, strict=True):
        np.testing.assert_allclose(top[:, 0], box.top, atol=5)
        np.testing.assert_allclose(bottom[:, 0], box.bottom, atol=5)
    np.testing.assert_allclose(normal.place(normal.place_back(placed)), placed, atol=0.01)


def test_a_flat_page_needs_nothing():
    page, _ = piano_page(5)
    assert find_flattening(ink(page)) is None
    assert find_flattening(np.zeros((1181, 835), np.float32)) is None
