import numpy as np
import pytest

from tempo_invariant.evaluation import metrics


def test_ranks_by_hand():
    # Similarities of query 1 = e1: candidates e1 (partner), e2, e1+e2: 1, 0, .71 -> rank 1.
    # Query 2 = e1 too, partner e2: 0 against 1 and .71 -> rank 3.
    # Query 3 = e2, partner e1+e2: .71 against 0 (e1) and 1 (e2) -> rank 2.
    queries = np.array([[1, 0], [2, 0], [0, 1.0]])
    candidates = np.array([[1, 0], [0, 5], [1, 1.0]])
    np.testing.assert_array_equal(metrics.ranks(queries, candidates), [1, 3, 2])


def test_ranks_agree_with_sorting_over_several_blocks():
    rng = np.random.default_rng(0)
    queries = rng.normal(size=(2500, 8))
    candidates = queries + 1.5 * rng.normal(size=queries.shape)
    similarities = (queries / np.linalg.norm(queries, axis=1)[:, None]) @ (
        candidates / np.linalg.norm(candidates, axis=1)[:, None]
    ).T
    order = np.argsort(-similarities, axis=1)
    expected = np.argmax(order == np.arange(2500)[:, None], axis=1) + 1
    found = metrics.ranks(queries.astype("float32"), candidates.astype("float32"))
    # The tolerance for ties moves a few ranks by one or two.
    assert np.mean(found == expected) > 0.99
    assert (found >= expected).mean() > 0.999 and np.abs(found - expected).max() <= 3


def test_ties_and_values_that_are_not_finite_count_against_the_query():
    same = np.ones((4, 3))
    np.testing.assert_array_equal(metrics.ranks(same, same), [4, 4, 4, 4])
    np.testing.assert_array_equal(metrics.ranks(np.zeros((4, 3)), same), [4, 4, 4, 4])
    broken = np.eye(4)
    broken[2, 0] = np.nan
    np.testing.assert_array_equal(metrics.ranks(broken, np.eye(4)), [1, 1, 4, 1])


def test_summary_by_hand():
    found = metrics.summary(np.array([1, 1, 2, 5, 30, 100]))
    assert found["r@1"] == pytest.approx(2 / 6)
    assert found["r@5"] == pytest.approx(4 / 6)
    assert found["r@25"] == pytest.approx(4 / 6)
    assert found["mrr"] == pytest.approx((1 + 1 + 1 / 2 + 1 / 5 + 1 / 30 + 1 / 100) / 6)
    assert found["mr"] == 3.5


def test_perfect_embeddings_reach_one():
    vectors = np.random.default_rng(0).normal(size=(50, 8))
    found = metrics.retrieval_metrics(vectors, vectors * 3)
    assert found == {"r@1": 1.0, "r@5": 1.0, "r@25": 1.0, "mrr": 1.0, "mr": 1.0}


def test_bootstrap_agrees_with_resampling_pieces_one_by_one():
    rng = np.random.default_rng(0)
    pieces = rng.choice(list("abcdefg"), size=90)
    found = rng.integers(1, 60, size=90)
    intervals = metrics.bootstrap_intervals(found, pieces, seed=5, resamples=200)
    names = np.unique(pieces)
    draws = np.random.default_rng(5).multinomial(7, np.full(7, 1 / 7), size=200)
    tables = [
        metrics.summary(
            np.concatenate(
                [
                    np.tile(found[pieces == name], times)
                    for name, times in zip(names, draw, strict=True)
                ]
            )
        )
        for draw in draws
    ]
    for key, (low, high) in intervals.items():
        expected = np.quantile([table[key] for table in tables], [0.025, 0.975])
        np.testing.assert_allclose([low, high], expected, rtol=1e-9)


def test_pieces_are_drawn_evenly_and_an_interval_holds_its_share():
    draws = metrics.piece_draws(4, seed=1, resamples=5000)
    assert (draws.sum(axis=1) == 4).all()
    # A piece is drawn once on average, with the variance n p (1 - p) = 3/4 of a binomial.
    np.testing.assert_allclose(draws.mean(axis=0), 1, atol=0.05)
    np.testing.assert_allclose(draws.var(axis=0), 0.75, atol=0.05)
    assert metrics.interval(np.arange(101.0)) == pytest.approx((2.5, 97.5))
    assert metrics.interval(np.arange(1001.0)[::-1]) == pytest.approx((25, 975))


def test_bootstrap_of_a_single_piece_has_no_width():
    intervals = metrics.bootstrap_intervals(np.array([1, 2, 3]), ["only"] * 3)
    assert intervals["mr"] == (2.0, 2.0)
    assert intervals["r@1"] == pytest.approx((1 / 3, 1 / 3))


def test_wrong_shapes_and_empty_input_are_refused():
    with pytest.raises(ValueError, match="one shape"):
        metrics.ranks(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ValueError, match="ranks must not be empty"):
        metrics.retrieval_metrics(np.zeros((0, 2)), np.zeros((0, 2)))
    with pytest.raises(ValueError, match="as many pieces as ranks, got 2 and 3"):
        metrics.bootstrap_intervals(np.array([1, 2, 3]), ["a", "b"])


def test_nearest_others_leave_the_partner_aside():
    vectors = np.random.default_rng(2).normal(size=(2, 2 * metrics.BLOCK_ROWS + 5, 3))
    similarity = vectors[0] @ (vectors[1] / np.linalg.norm(vectors[1], axis=1, keepdims=True)).T
    np.fill_diagonal(similarity, -np.inf)
    found = metrics.nearest_others(vectors[0], vectors[1])
    np.testing.assert_array_equal(found, similarity.argmax(axis=1))
