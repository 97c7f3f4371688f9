"""Degraded pages: nothing by default, and each effect by itself."""

import numpy as np

from tempo_invariant.scores.degradation import Degradation, degrade, draw, rotated

PAGE = np.full((120, 100), 255, np.uint8)
PAGE[20:23, 70:73] = 0


def apply(**how):
    return degrade(PAGE, Degradation(**how), np.random.default_rng(1))


def test_nothing_happens_by_default():
    np.testing.assert_array_equal(apply(), PAGE)


def test_points_are_rotated_with_the_ink():
    rows, columns = np.nonzero(apply(degrees=30.0) < 128)
    centre = [rows.mean() + 0.5, columns.mean() + 0.5]
    np.testing.assert_allclose(centre, rotated([21.5, 71.5], 30.0, PAGE.shape), atol=0.5)
    # Clockwise: what lies at the right goes down.
    assert rotated([60.0, 90.0], 30.0, PAGE.shape)[0] == 60 + 40 * 0.5


def test_each_effect():
    assert (apply(spread=1.0) == 0).sum() == 25 and (apply(spread=-1.0) == 0).sum() == 1
    assert apply(grey=0.2).min() == 51
    shaded = apply(shade=0.5, shade_direction=0.0)
    assert shaded[60, 0] == 255 and shaded[60, -1] == 128
    assert 0 < apply(blur=1.0)[21, 71] < apply(blur=1.0)[21, 74] < 255
    noisy = apply(noise=10.0, grey=0.0, shade=0.5)[60:, 40:60].astype(float)
    assert 8 < (noisy - apply(shade=0.5)[60:, 40:60]).std() < 12
    assert 0 < np.abs(apply(jpeg_quality=20).astype(int) - PAGE).max() < 128


def test_drawn_degradations_are_within_bounds_and_repeatable():
    drawn = [draw(np.random.default_rng(seed)) for seed in range(50)]
    assert drawn[7] == draw(np.random.default_rng(7))
    degrees = [how.degrees for how in drawn]
    assert -3 <= min(degrees) < -2 and 2 < max(degrees) <= 3
