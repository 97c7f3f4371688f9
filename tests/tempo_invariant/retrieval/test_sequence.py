"""Votes and paths, against exhaustive search and known paths."""

import itertools

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.sequence import (
    ELSEWHERE,
    PathLimits,
    SequenceTracker,
    best_path,
    count_votes,
)


def _path_score(similarities, positions, limits):
    """Score of a path as the module's docstring defines it; None if it is not allowed."""
    score, run = similarities[0, positions[0]], 1
    for step, (before, now) in enumerate(itertools.pairwise(positions), 1):
        # Staying too long may also be a leap to where one is.
        stays = now == before and run < limits.slowest
        run = run + 1 if stays else 1
        goes_on = 1 <= now - before <= limits.fastest
        score += similarities[step, now] - (0 if stays or goes_on else limits.leap_cost)
    return score


def _exhaustive(similarities, limits):
    """The best score of all sequences of positions."""
    steps, positions = similarities.shape
    every = itertools.product(range(positions), repeat=steps)
    return max(_path_score(similarities, path, limits) for path in every)


@pytest.mark.parametrize("slowest,fastest,leap_cost", [(1, 1, 0.3), (2, 2, 1.0), (3, 1, 5.0)])
def test_scores_equal_exhaustive_search(slowest, fastest, leap_cost):
    limits = PathLimits(slowest, fastest, leap_cost)
    similarities = np.random.default_rng(slowest).standard_normal((5, 9)).astype(np.float32)
    lengths = [4, 1, 4]
    tracker = SequenceTracker(lengths, limits)
    tracker.update(similarities[:2])
    tracker.update(similarities[2:])
    for score, start, length in zip(tracker.scores(), [0, 4, 5], lengths, strict=True):
        part = similarities[:, start : start + length]
        expected = _exhaustive(part, limits)
        path = best_path(part, limits)
        assert score * 5 == pytest.approx(expected, abs=1e-5)
        assert path.score == pytest.approx(expected, abs=1e-5)
        along = part[np.arange(5), path.positions].sum() - leap_cost * path.leaps.sum()
        assert along == pytest.approx(expected, abs=1e-5)


def _matrix(path, positions, seed=0):
    """Noisy similarities that are high along a path."""
    noise = np.random.default_rng(seed).normal(0, 0.15, (len(path), positions))
    distance = np.abs(np.asarray(path)[:, None] - np.arange(positions))
    return (noise + 0.8 * np.exp(-(distance**2) / 2)).astype(np.float32)


@pytest.mark.parametrize("tempo", [0.5, 0.66, 1.0, 1.5, 2.0])
def test_a_known_path_is_found_at_any_tempo(tempo):
    true = np.round(10 + tempo * np.arange(60)).astype(int)
    found = best_path(_matrix(true, 150))
    assert not found.leaps.any()
    assert np.abs(found.positions - true).max() <= 2
    assert np.abs(found.positions - true).mean() < 0.5


def test_a_path_is_elsewhere_where_nothing_of_the_document_is_near():
    once = np.arange(30)
    similarities = np.random.default_rng(0).normal(0, 0.15, (100, 30)).astype(np.float32)
    similarities[10:40] = similarities[60:90] = _matrix(once, 30)
    costs = np.full(30, 3.0)
    found = best_path(similarities, PathLimits(), costs, elsewhere=0.4)
    there = np.r_[10:40, 60:90]
    true = np.full(100, ELSEWHERE)
    true[there] = np.r_[once, once]
    assert np.abs(found.positions - true)[there].max() <= 2
    assert np.abs((found.positions == ELSEWHERE) ^ (true == ELSEWHERE)).sum() <= 4
    # Into the document by leaps, out of it at its end for nothing.
    assert np.flatnonzero(found.leaps).tolist() == pytest.approx([10, 60], abs=1)
    along = similarities[np.arange(100), found.positions]
    along[found.positions == ELSEWHERE] = 0.4
    assert found.score == pytest.approx(along.sum() - 3.0 * found.leaps.sum(), rel=1e-5)
    never = best_path(similarities, PathLimits(), costs, elsewhere=0.9)
    assert (never.positions == ELSEWHERE).all() and not never.leaps.any()
    assert never.score == pytest.approx(90)


def test_a_repeat_is_one_leap_back():
    once = np.arange(5, 45)
    true = np.concatenate([once, once, np.arange(45, 70)])
    found = best_path(_matrix(true, 80))
    assert np.abs(found.positions - true).mean() < 0.5
    assert np.flatnonzero(found.leaps).tolist() == pytest.approx([len(once)], abs=1)
    dear = best_path(_matrix(true, 80), PathLimits(leap_cost=1000.0))
    assert not dear.leaps.any()
    assert dear.score < found.score


def test_order_tells_documents_of_the_same_snippets_apart():
    true = np.arange(40)
    forwards = _matrix(true, 40)
    tracker = SequenceTracker([40, 40, 40])
    shuffled = np.random.default_rng(1).permutation(40)
    tracker.update(np.concatenate([forwards[:, ::-1], forwards, forwards[:, shuffled]], axis=1))
    assert int(np.argmax(tracker.scores())) == 1
    assert int(tracker.positions()[1]) == pytest.approx(39, abs=1)


def test_memory_lets_the_past_fade():
    early, late = np.zeros((2, 60, 20), np.float32)
    early[:40], late[40:] = _matrix(np.arange(40) % 20, 20), _matrix(np.arange(20), 20)
    both = np.concatenate([early, late], axis=1)
    for memory, best in ((1.0, 0), (0.9, 1)):
        tracker = SequenceTracker([20, 20], PathLimits(leap_cost=0.5), memory)
        tracker.update(both)
        assert int(np.argmax(tracker.scores())) == best


@pytest.mark.parametrize("memory", [1.0, 0.8])
def test_chosen_documents_of_trackers_go_on_together(memory):
    similarities = np.random.default_rng(3).random((12, 15)).astype(np.float32)
    lengths, columns = [4, 6, 5], np.split(np.arange(15), [4, 10])
    limits = PathLimits(2, 3, 0.5)
    whole = SequenceTracker(lengths, limits, memory)
    whole.update(similarities)
    early, late = SequenceTracker([4, 6], limits, memory), SequenceTracker([5], limits, memory)
    early.update(similarities[:7, :10])
    late.update(similarities[:7, 10:])
    joined = SequenceTracker.joined([(early, np.array([1])), (late, np.array([0]))])
    joined.update(similarities[7:, np.concatenate([columns[1], columns[2]])])
    assert np.allclose(joined.scores(), whole.scores()[1:], atol=1e-6)
    assert joined.positions().tolist() == whole.positions()[1:].tolist()
    assert (joined.steps, joined.weight) == (whole.steps, pytest.approx(whole.weight))


def test_the_score_of_a_document_is_a_mean_over_the_steps_that_it_was_followed():
    similarities = np.full((6, 2), 0.5, np.float32)
    early, late = SequenceTracker([1]), SequenceTracker([1])
    early.update(similarities[:, :1])
    late.update(similarities[4:, 1:])
    joined = SequenceTracker.joined([(early, np.array([0])), (late, np.array([0]))])
    assert np.allclose(joined.scores()[1], 0.5)
    assert joined.weight == 6


def test_votes_are_counted_by_document():
    documents = np.array([[0, 2, 2], [2, -1, 1]])
    similarities = np.array([[0.9, 0.8, 0.7], [0.6, 0.5, 0.4]])
    votes, sums = count_votes(documents, similarities, 4)
    assert votes.tolist() == [1, 1, 3, 0]
    assert sums.tolist() == pytest.approx([0.9, 0.4, 2.1, 0])
    weighted, _ = count_votes(documents, similarities, 4, np.array([0.5, 1.0]))
    assert weighted.tolist() == [0.5, 1, 2, 0]


def test_limits_that_make_no_sense_are_refused():
    for bad in ({"slowest": 0}, {"fastest": 0}, {"leap_cost": -1.0}, {"leap_cost": np.nan}):
        with pytest.raises(UserError, match=next(iter(bad))):
            PathLimits(**bad)
    with pytest.raises(UserError, match="memory"):
        SequenceTracker([3], memory=0.0)
    with pytest.raises(ValueError, match="similarities must be"):
        SequenceTracker([3]).update(np.zeros((2, 4), np.float32))
