"""How a path runs through a document."""

import numpy as np
import pytest

from tempo_invariant.retrieval import traces
from tempo_invariant.retrieval.sequence import PathLimits, ScorePath, best_path


def path(positions, leaps=()):
    return ScorePath(np.asarray(positions), np.isin(np.arange(len(positions)), leaps), 0.0)


def found(walked, width=200):
    similarities = np.zeros((len(walked.positions), width), np.float32)
    return traces.trace(similarities, walked, np.eye(len(similarities)), 7.5)


def test_a_steady_path_is_steady_at_any_speed():
    for speed in (1, 2, 5):
        assert found(path(speed * np.arange(20))).unsteadiness == pytest.approx(0, abs=1e-9)
    trace = found(path(np.arange(20)))
    assert (trace.steps, trace.positions, trace.shortfall) == (7.5, 200, 0)


def test_unsteadiness_is_the_distance_from_a_line_over_the_speed():
    positions = 2 * np.arange(8) + np.array([1, -1] * 4)
    line = np.polyval(np.polyfit(np.arange(8), positions, 1), np.arange(8))
    speed = (positions[-1] - positions[0]) / 7
    expected = np.sqrt(np.mean((positions - line) ** 2)) / speed
    assert found(path(positions)).unsteadiness == pytest.approx(expected)
    # Of longer ones the windows are averaged, each moved on by half of itself.
    whole = np.concatenate([positions, 14 + 2 * np.arange(1, 9)])
    windows = [whole[first : first + 8] for first in (0, 4, 8)]
    lines = [np.polyval(np.polyfit(np.arange(8), one, 1), np.arange(8)) for one in windows]
    distances = [np.sqrt(np.mean((a - b) ** 2)) for a, b in zip(windows, lines, strict=True)]
    speed = (whole[-1] - whole[0]) / 15
    assert found(path(whole)).unsteadiness == pytest.approx(np.mean(distances) / speed)


def test_a_leap_is_not_unsteady_but_what_only_leaps_is():
    positions = np.concatenate([np.arange(100, 116), np.arange(16)])
    assert found(path(positions, leaps=[16])).unsteadiness == pytest.approx(0, abs=1e-9)
    nothing = found(path(np.arange(12) * 7 % 12, leaps=range(1, 12)))
    assert nothing.unsteadiness == traces.UNSTEADIEST
    assert found(path([3, 4])).unsteadiness == traces.UNSTEADIEST


def test_the_shortfall_is_what_other_places_have_more():
    similarities = np.full((6, 30), 0.1, np.float32)
    similarities[np.arange(6), np.arange(6)] = 0.5
    similarities[3, 20] = 0.8  # out of the way of any path
    walked = best_path(similarities, PathLimits(2, 2, 3.0))
    assert walked.positions.tolist() == list(range(6))
    trace = traces.trace(similarities, walked, np.eye(6))
    assert trace.shortfall == pytest.approx(0.3 / 6, abs=1e-6)
    assert trace.steps == 6


@pytest.mark.parametrize(("steps", "apart"), [(2, 1), (9, 4), (15, 7), (16, 8), (50, 8)])
def test_sameness_is_the_mean_similarity_of_steps_far_apart(steps, apart):
    embeddings = np.random.default_rng(steps).normal(0.3, 1, (steps, 5)).astype(np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    far = [embeddings[i] @ embeddings[j] for i in range(steps) for j in range(i + apart, steps)]
    walked, similarities = path(np.arange(steps)), np.zeros((steps, 60))
    sameness = traces.trace(similarities, walked, embeddings).sameness
    assert sameness == pytest.approx(np.mean(far), abs=1e-6)
    still = np.repeat(embeddings[:1], steps, axis=0)
    assert traces.trace(similarities, walked, still).sameness == pytest.approx(1, abs=1e-6)


def test_a_single_step_is_like_no_other():
    assert traces.trace(np.zeros((1, 9)), path([4]), np.ones((1, 1))).sameness == 0
