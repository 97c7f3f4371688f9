"""What fits well enough is followed; what does not is lost, soon or after a while."""

import pytest

from tempo_invariant.tracking.fit import FEWEST_STEPS, Fit


def _fit(*similarities):
    fit = Fit(least=0.4)
    for similarity, steps in similarities:
        for _ in range(steps):
            fit.add(similarity)
    return fit


def test_means_are_of_what_was_heard_so_far():
    assert Fit(0.4).means == (0.0, 0.0) and not Fit(0.4).is_lost
    assert _fit((0.6, 1)).means == pytest.approx((0.6, 0.6))
    # After 20 steps of another value the weight of the first 80 is 0.95 ** 20, and nearly all of
    # the mean over ten seconds: (0.99 ** 20 - 0.99 ** 100) / (1 - 0.99 ** 100).
    recent, long = _fit((0.6, 80), (0.2, 20)).means
    shares = (0.95**20 - 0.95**100) / (1 - 0.95**100), (0.99**20 - 0.99**100) / (1 - 0.99**100)
    assert (recent, long) == pytest.approx(tuple(0.2 + 0.4 * share for share in shares))


def test_it_is_lost_soon_where_nothing_fits_and_later_where_little_does():
    assert not _fit((0.6, 200)).is_lost
    assert _fit((0.2, 5)).is_lost and not _fit((0.2, FEWEST_STEPS - 1)).is_settled
    assert not _fit((0.6, 200), (0.35, 30)).is_lost
    assert _fit((0.6, 200), (0.35, 200)).is_lost
    assert _fit((0.6, 200), (0.1, 30)).is_lost
    # It has been elsewhere for long, and is there again.
    found = _fit((0.3, 300), (0.6, 20))
    assert found.means[1] < 0.4 and not found.is_lost
