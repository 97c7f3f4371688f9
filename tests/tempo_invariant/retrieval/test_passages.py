import numpy as np
import pytest

from tempo_invariant.retrieval import passages
from tempo_invariant.retrieval.sequence import PathLimits

LIMITS = PathLimits(slowest=5, fastest=2, leap_cost=3.0, pace=0.5)
NOTHING_OFF = np.zeros(100, np.float32)


def _unlike(rows, seed=0):
    """Vectors of which none is like another, float32 [rows, 64]."""
    vectors = np.random.default_rng(seed).normal(size=(rows, 64))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_document_that_is_long_enough_holds_the_whole_query():
    page = _unlike(30)
    recording = np.concatenate([_unlike(10, 1), page[::2], _unlike(10, 2)])
    found = passages.find(page, recording, NOTHING_OFF[:35], LIMITS)
    assert found.steps.tolist() == list(range(30))
    np.testing.assert_array_equal(found.path.positions[::2], 10 + np.arange(15))
    assert found.score == pytest.approx(found.path.score / 30)


def test_of_a_short_document_only_what_it_holds_is_followed():
    page = _unlike(60)
    excerpt = page[21:45:2]
    found = passages.find(page, excerpt, NOTHING_OFF[:12], LIMITS)
    assert found.steps.tolist() == list(range(21, 44)) and not found.path.leaps.any()
    np.testing.assert_array_equal(found.path.positions, (found.steps - 21) // 2)
    np.testing.assert_allclose(found.similarities, page[21:44] @ excerpt.T, atol=1e-6)
    assert found.score == pytest.approx(1)
    # The whole page through so short a recording: most of it is not there.
    whole = passages.find(page, excerpt, NOTHING_OFF[:12], PathLimits(5, 2, 3.0))
    assert len(whole.steps) == 60 and whole.score < 0.6


def test_what_an_excerpt_leaves_out_and_repeats_are_leaps():
    page = _unlike(80)
    left_out = passages.find(page, page[[*range(10, 20), *range(50, 60)]], NOTHING_OFF[:20], LIMITS)
    assert left_out.steps.tolist() == [*range(10, 20), *range(50, 60)]
    assert np.flatnonzero(left_out.path.leaps).tolist() == [10]
    # Of a passage that is played twice the first time counts.
    twice = passages.find(page, page[[*range(30, 45), *range(30, 45)]], NOTHING_OFF[:30], LIMITS)
    assert twice.steps.tolist() == list(range(30, 45))
    assert twice.path.positions.tolist() == list(range(15))


def test_scores_of_many_short_documents_are_those_of_each(monkeypatch):
    generator = np.random.default_rng(3)
    page = _unlike(60)
    documents = [
        (_unlike(length, length), generator.uniform(0, 0.3, length).astype(np.float32))
        for length in (12, 3, 25, 12, 1, 20)
    ]
    single = [passages.find(page, *document, LIMITS).score for document in documents]
    for columns in (1, 130, 10_000):
        monkeypatch.setattr(passages, "_BLOCK_COLUMNS", columns)
        found = passages.part_scores(page, documents, LIMITS)
        np.testing.assert_allclose(found, single, atol=1e-5)
