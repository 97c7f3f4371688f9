"""The photograph of a bent page shows every point where the formula says."""

import numpy as np

from tempo_invariant.scores import warping


def test_points_lie_where_they_are_placed():
    page = np.full((600, 400), 255, np.uint8)
    points = np.array([(50, 60), (300, 200), (550, 370), (120, 380)])
    for row, column in points:
        page[row - 3 : row + 4, column - 3 : column + 4] = 0
    warp = warping.Warp(40, 0.2, False, 7, 8, -5, 2.5, 0.5, 255)
    photo, offset = warping.photograph(page, warp)
    for row, column in np.round(warp.place(points + 0.5, page.shape) + offset - 0.5).astype(int):
        assert photo[row, column] < 60 and photo[row - 8, column] > 90


def test_a_warp_of_nothing_changes_nothing():
    page = np.arange(200 * 100, dtype=np.uint32).reshape(200, 100).astype(np.uint8)
    photo, offset = warping.photograph(page, warping.Warp())
    row, column = np.round(offset).astype(int)
    np.testing.assert_allclose(offset, (row, column), atol=1e-6)
    inside = photo[row : row + 200, column : column + 100].astype(int)
    assert np.abs(inside - page)[2:-2, 2:-2].max() <= 1


def test_the_fold_lies_in_shadow_and_farther_away():
    page = np.full((300, 200), 200, np.uint8)
    warp = warping.Warp(fold_degrees=45, shadow=0.5)
    photo, _ = warping.photograph(page, warp)
    middle = photo[len(photo) // 2]
    assert middle[10] < 145 and middle[-20] > 190
    corners = warp.place(np.array([(0, 0), (300, 0), (0, 200), (300, 200)]), page.shape)
    assert corners[1, 0] - corners[0, 0] < corners[3, 0] - corners[2, 0]
