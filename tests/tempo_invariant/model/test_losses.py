import keras
import numpy as np
import pytest

from tempo_invariant.model.losses import PairwiseRankingLoss, SoftmaxLoss, pairwise_ranking_loss


def embeddings(pairs, size, seed=0):
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(pairs, 2, size))
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype("float32")


def by_loops(queries, candidates, margin):
    n = len(queries)
    rows = np.zeros(n)
    for i in range(n):
        for j in range(n):
            if i != j:
                hinge = margin - queries[i] @ candidates[i] + queries[i] @ candidates[j]
                rows[i] += max(0.0, hinge) / (n - 1)
    return rows


def test_by_hand():
    # Queries e1 and e2; partners e1 and (e1 + e2) / sqrt 2.
    # s = [[1, .7071], [0, .7071]]; hinges at margin .7: s_12: .7 - 1 + .7071 = .4071;
    # s_21: .7 - .7071 + 0 < 0.
    queries = np.array([[1, 0], [0, 1]], "float32")
    candidates = np.array([[1, 0], [0.70710678, 0.70710678]], "float32")
    rows = pairwise_ranking_loss(queries, candidates, margin=0.7)
    np.testing.assert_allclose(rows, [0.4071068, 0.0], atol=1e-6)


@pytest.mark.parametrize("symmetric", [False, True])
def test_agrees_with_loops_over_pairs(symmetric):
    pairs = embeddings(7, 5)
    expected = by_loops(pairs[:, 0], pairs[:, 1], 0.4).mean()
    if symmetric:
        expected += by_loops(pairs[:, 1], pairs[:, 0], 0.4).mean()
    loss = PairwiseRankingLoss(margin=0.4, symmetric=symmetric)
    np.testing.assert_allclose(loss(np.zeros(7), pairs), expected, rtol=1e-5)


def test_perfect_embeddings_and_a_single_pair_cost_nothing():
    orthogonal = np.repeat(np.eye(4, dtype="float32")[:, None], 2, axis=1)
    assert float(PairwiseRankingLoss()(np.zeros(4), orthogonal)) == 0
    assert float(PairwiseRankingLoss()(np.zeros(1), embeddings(1, 4))) == 0


def test_one_point_costs_the_margin():
    collapsed = np.broadcast_to(embeddings(1, 4), (6, 2, 4)).copy()
    collapsed[:, 1] = collapsed[:, 0]
    np.testing.assert_allclose(PairwiseRankingLoss()(np.zeros(6), collapsed), 0.7, rtol=1e-5)


def test_config_round_trip():
    loss = PairwiseRankingLoss(margin=0.3, symmetric=True)
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert isinstance(copy, PairwiseRankingLoss)
    assert (copy.margin, copy.symmetric, copy.name) == (0.3, True, loss.name)


def test_softmax_by_hand():
    # Logits [[1, 0], [1, 2]]. Rows: ln(1 + e^-1) = .3133 and ln(1 + e^-1); columns: ln 2 = .6931
    # and ln(1 + e^-2) = .1269. The mean of both directions, pair by pair.
    sheet = np.array([[1, 0], [1, 1]], "float32")
    audio = np.array([[1, 0], [0, 2]], "float32")
    rows = SoftmaxLoss(reduction="none")(np.zeros(2), np.stack([sheet, audio], axis=1))
    np.testing.assert_allclose(rows, [(0.3133 + 0.6931) / 2, (0.3133 + 0.1269) / 2], atol=1e-4)


def test_softmax_of_equal_embeddings_is_the_logarithm_of_the_batch():
    same = np.broadcast_to(embeddings(1, 4), (6, 2, 4))
    np.testing.assert_allclose(SoftmaxLoss()(np.zeros(6), 5 * same), np.log(6), atol=1e-5)


def test_softmax_of_large_logits_is_finite():
    pairs = 10 * embeddings(8, 16)  # logits to 100, the largest that the temperature gives
    logits = pairs[:, 0].astype("float64") @ pairs[:, 1].T
    partners = np.diag(logits)
    forth = np.log(np.exp(logits).sum(axis=1)) - partners
    back = np.log(np.exp(logits).sum(axis=0)) - partners
    expected = (forth + back).mean() / 2
    np.testing.assert_allclose(SoftmaxLoss()(np.zeros(8), pairs), expected, rtol=1e-5)
