"""How snippets lie, against SciPy and against what was asked for."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import ndimage

from tempo_invariant.data import bending
from tempo_invariant.variations import Augmentation


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_resampling_is_bilinear_and_repeats_the_edge(rng):
    window = rng.integers(0, 256, (3, 30, 20)).astype(np.uint8)
    column, row = (rng.uniform(-3, side + 3, (3, 7, 9)).astype(np.float32) for side in (30, 20))
    found = bending.resample(tf.constant(window), column, row).numpy()
    for k in range(3):
        wanted = ndimage.map_coordinates(
            window[k].astype(float), [column[k], row[k]], order=1, mode="nearest"
        )
        np.testing.assert_allclose(found[k], wanted, atol=1e-2)


def lie(batch=200, **changes):
    column, row = (
        tf.constant(np.tile(np.arange(size, dtype=np.float32) - (size - 1) / 2, (batch, 1)))
        for size in (100, 80)
    )
    augmentation = Augmentation(**changes)
    x, y = (part.numpy() for part in bending.lie(column, row, augmentation, [1, 2]))
    assert np.abs(x).max() <= bending.reach(100, 80, augmentation)
    return x, y


def test_a_turned_page_keeps_its_distances_and_shows_the_angles_asked_for():
    x, y = lie(skew_degrees=3)
    angle = np.degrees(np.arctan2(y[:, 40, 99] - y[:, 40, 0], x[:, 40, 99] - x[:, 40, 0]))
    assert -3 < angle.min() < -2.8 and 2.8 < angle.max() < 3
    leaning = np.degrees(np.arctan2(x[:, 0, 50] - x[:, 79, 50], y[:, 79, 50] - y[:, 0, 50]))
    np.testing.assert_allclose(leaning, angle, atol=1e-3)  # stems turn with the staves
    radius = np.hypot(*np.meshgrid(np.arange(100) - 49.5, np.arange(80) - 39.5))
    np.testing.assert_allclose(np.hypot(x, y), np.tile(radius, (200, 1, 1)), rtol=1e-4, atol=1e-4)


def test_a_bent_staff_is_bent_by_what_was_asked_for_at_most():
    x, y = lie(bend_pixels=8)
    moved = y - (np.arange(80) - 39.5)[:, None]
    assert (np.ptp(moved, axis=1) < 1e-4).all()  # all rows alike
    np.testing.assert_allclose(x[:, 0], np.tile(np.arange(100) - 49.5, (200, 1)), atol=1e-4)
    assert 3 < np.abs(moved).max() <= 4  # of half-resolution pixels
    along = np.linspace(-1, 1, 100)
    legendre = np.polynomial.legendre.legfit(along, moved[:, 0].T, 3)
    np.testing.assert_allclose(legendre[:2], 0, atol=1e-4)  # neither moved nor turned
    assert (np.abs(legendre[2:]) <= 2).all() and (np.abs(legendre[2:]).max(axis=1) > 1.9).all()


def test_an_uneven_scale_grows_from_one_side_to_the_other():
    x, y = lie(uneven_scale=0.2)
    steps = np.diff(x[:, 0], axis=1)
    assert 0.79 < steps.min() < 0.83 and 1.17 < steps.max() < 1.21
    np.testing.assert_allclose(np.diff(steps, n=2, axis=1), 0, atol=1e-4)
    np.testing.assert_allclose(x[:, 0, [0, 99]].mean(axis=1), (steps[:, 98] - 1) * 25, rtol=0.03)
    heights = np.diff(y, axis=1)
    assert (np.ptp(heights, axis=1) < 1e-3).all()
    assert 0.79 < heights.min() < 0.83 and 1.17 < heights.max() < 1.21
