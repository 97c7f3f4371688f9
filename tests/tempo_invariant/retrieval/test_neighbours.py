"""The search for neighbours: exact, by IVF-PQ, and both in an index that grows."""

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import neighbours
from tempo_invariant.retrieval.neighbours import Neighbours


def _clustered(count, seed=0):
    """Unit vectors around a twentieth as many centres."""
    generator = np.random.default_rng(seed)
    centres = generator.standard_normal((count // 20, 32))
    vectors = centres[generator.integers(0, len(centres), count)]
    vectors = vectors + 0.5 * generator.standard_normal((count, 32))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def _queries(vectors, seed=5):
    """Queries of our own: not those that the number of visited lists was chosen with."""
    noise = np.random.default_rng(seed).normal(0, 0.1, vectors.shape).astype(np.float32)
    queries = vectors + noise
    return queries / np.linalg.norm(queries, axis=1, keepdims=True)


def _penalties(count, seed=1):
    """Penalties as large as hubness is, and every seventh vector never to be found."""
    penalties = np.random.default_rng(seed).uniform(0.1, 0.5, count).astype(np.float32)
    penalties[::7] = np.inf
    return penalties


def _true(vectors, queries, count, penalties=0.0):
    products = queries @ vectors.T - penalties
    found = np.argsort(-products, axis=1)[:, :count]
    return np.take_along_axis(products, found, 1), found


def _recall(found, true):
    pairs = zip(found.tolist(), true.tolist(), strict=True)
    return sum(len(set(a) & set(b)) for a, b in pairs) / true.size


def test_few_vectors_are_searched_exactly():
    vectors = _clustered(800)
    index = neighbours.build(vectors, exact_limit=0)
    assert index.exact
    products, found = index.search(vectors[:50], 7)
    true_products, true = _true(vectors, vectors[:50], 7)
    assert np.array_equal(found, true)
    assert np.allclose(products, true_products, atol=1e-6)


def test_many_vectors_are_searched_by_ivf_pq_with_recall():
    vectors = _clustered(6000)
    assert neighbours.build(vectors, exact_limit=6000).exact
    index = neighbours.build(vectors, exact_limit=5999)
    assert not index.exact
    assert "IVF-PQ" in index.description
    queries = _queries(vectors[::30])
    products, found = index.search(queries, 10)
    _, true = _true(vectors, queries, 10)
    assert _recall(found, true) >= 0.95
    assert np.allclose(products, np.take_along_axis(queries @ vectors.T, found, 1), atol=1e-5)
    assert np.array_equal(neighbours.search_exactly(vectors, queries, 10)[1], true)


def test_penalties_are_taken_off_and_infinite_ones_are_never_found():
    vectors, penalties = _clustered(800), _penalties(800)
    products, found = Neighbours(vectors, None, penalties).search(vectors[:50], 7)
    true_products, true = _true(vectors, vectors[:50], 7, penalties)
    assert np.array_equal(found, true)
    assert np.allclose(products, true_products, atol=1e-6)
    assert not np.array_equal(found, _true(vectors, vectors[:50], 7)[1])


def test_fewer_than_wanted_are_filled_up_with_minus_one():
    vectors = np.eye(4, dtype=np.float32)
    penalties = np.array([0, np.inf, 0.25, np.inf], np.float32)
    products, found = Neighbours(vectors, None, penalties).search(vectors[:1], 9)
    assert found.tolist() == [[0, 2, -1, -1]]
    assert products.tolist() == [[1, -0.25, -np.inf, -np.inf]]


def test_ivf_pq_takes_penalties_into_account():
    vectors, penalties = _clustered(6000), _penalties(6000)
    index = neighbours.build(vectors, 0, penalties=penalties)
    assert not index.exact
    queries = _queries(vectors[::30])
    products, found = index.search(queries, 10)
    _, true = _true(vectors, queries, 10, penalties)
    assert _recall(found, true) >= 0.95
    expected = queries @ vectors.T - penalties
    assert np.allclose(products, np.take_along_axis(expected, found, 1), atol=1e-5)


@pytest.mark.parametrize("with_penalties", [False, True])
def test_vectors_added_later_are_found_beside_ivf_pq(tmp_path, with_penalties):
    vectors = _clustered(6000)
    penalties = _penalties(6000) if with_penalties else None
    first = None if penalties is None else penalties[:5000]
    neighbours.build(vectors[:5000], 0, penalties=first).save(tmp_path / "index")
    if penalties is not None:
        penalties = penalties.copy()
        penalties[1] = np.inf  # its document has been dropped since
    grown = Neighbours.load(tmp_path / "index", vectors, penalties)
    assert grown.covered == 5000
    queries = _queries(vectors[1::30])
    _, found = grown.search(queries, 10)
    _, true = _true(vectors, queries, 10, 0.0 if penalties is None else penalties)
    late = true >= 5000
    assert late.any()
    assert _recall(found, true) >= 0.95
    assert set(true[late]) <= set(found[found >= 5000])
    if penalties is not None:
        assert np.isfinite(penalties[found]).all()


def test_an_index_is_outgrown_when_a_tenth_is_not_covered(tmp_path):
    vectors = _clustered(6000)
    neighbours.build(vectors[:5000], 0).save(tmp_path / "index")
    for count, outgrown in ((5000, False), (5500, False), (5600, True)):
        grown = Neighbours.load(tmp_path / "index", vectors[:count])
        assert grown.is_outgrown(exact_limit=0) == outgrown
        assert not grown.is_outgrown(exact_limit=6000)
    dropped = np.where(np.arange(6000) < 1000, 0, np.inf).astype(np.float32)
    assert not Neighbours(vectors, None, dropped).is_outgrown(exact_limit=0)


def test_a_search_index_of_more_vectors_is_refused(tmp_path):
    vectors = _clustered(2000)
    neighbours.build(vectors, 0).save(tmp_path / "index")
    with pytest.raises(UserError, match="index: the search index holds 2000 vectors of size 32"):
        Neighbours.load(tmp_path / "index", vectors[:1999])


def test_a_few_queries_do_not_wait_for_other_threads(monkeypatch):
    vectors, used, threads = _clustered(800), [], neighbours.faiss.omp_get_max_threads()
    knn = neighbours.faiss.knn

    def counted(*arguments):
        used.append(neighbours.faiss.omp_get_max_threads())
        return knn(*arguments)

    monkeypatch.setattr(neighbours.faiss, "knn", counted)
    index = Neighbours(vectors)
    _, alone = index.search(vectors[:1], 7)
    _, together = index.search(vectors[:50], 7)
    assert used == [1, threads] and neighbours.faiss.omp_get_max_threads() == threads
    assert np.array_equal(alone[0], together[0])
