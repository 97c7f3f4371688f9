"""Fitting the confidence of answers, to scores of which all is known."""

import dataclasses

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import calibration, odd_sounds
from tempo_invariant.evaluation.calibration import Asked
from tempo_invariant.retrieval import certainty, indexing
from tempo_invariant.retrieval.traces import Trace
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tests.query_files import named, query_set, strikes


def asked(seed: int, queries: int = 60, documents: int = 40, apart: float = 0.2) -> list[Asked]:
    """Queries whose wrong documents score -0.15 +- 0.05, and the right one more than those."""
    generator = np.random.default_rng(seed)
    found = []
    for number in range(queries):
        scores = generator.normal(-0.15, 0.05, documents)
        own = number % documents
        scores[own] += apart + generator.normal(0, 0.05)
        unsteady = np.where(np.arange(documents) == own, 0.35, 0.6) + generator.normal(0, 0.1)
        steps = int(generator.integers(10, 120))
        found.append(Asked(f"piece {own}", (own,), scores, steps, tracer(unsteady, steps)))
    # What no document has: once an odd sound, once music.
    for name in ("odd: hum", "foreign"):
        scores = generator.normal(-0.15, 0.05, documents)
        found.append(Asked(name, (), scores, 20, tracer(np.full(documents, 0.6), 20)))
    return found


def tracer(unsteadiness: np.ndarray, steps: int):
    """Paths through documents of the same length."""
    return lambda document: Trace(steps, 300, float(unsteadiness[document]), 0.05, 0.1)


@pytest.fixture(scope="module")
def fitted():
    return calibration.fit(asked(0))


def test_the_usual_rivals_are_those_of_the_queries(fitted):
    found, _ = fitted
    level, slope = found.rival_level
    assert level + slope * np.log(40) == pytest.approx(-0.15, abs=0.005)
    assert found.rival_deviation == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize("documents", [3, 40])
def test_confidence_is_a_probability_for_other_queries(fitted, documents):
    judged = []
    for one in asked(1, queries=400):
        for known in (True, False):
            if one.own:
                wrong = np.delete(one.scores, one.own)[: documents - 1]
                scores = np.append(wrong, one.scores[list(one.own)] if known else [])
                first = int(np.argmax(scores))
                held = [*np.delete(np.arange(40), one.own)[: documents - 1], *one.own]
                rivals, trace = np.delete(scores, first), one.trace(held[first])
                judgement = certainty.judge(scores[first], rivals, trace, fitted[0])
                judged.append((judgement.confidence, known and first == len(wrong), known))
    confidence, right, known = (np.array(column, float) for column in zip(*judged, strict=True))
    assert np.abs(confidence.mean() - right.mean()) < 0.12
    assert right[confidence > 0.9].mean() > 0.9 and right[confidence < 0.1].mean() < 0.1
    assert right[confidence >= fitted[0].likely].mean() > 0.75


def test_the_weights_are_those_of_a_logistic_regression():
    from sklearn.linear_model import LogisticRegression  # librosa needs it

    generator = np.random.default_rng(3)
    values = generator.normal(size=(500, certainty.FEATURES)) * np.arange(1, 11) + 1
    right = generator.random(500) < 1 / (1 + np.exp(-values[:, :6] @ [1, -0.5, 0.2, 0.1, 0, 0.05]))
    found = calibration._fit_weights(values, right)
    scale = values.std(axis=0)
    expected = LogisticRegression(
        C=1 / (len(values) * calibration._PENALTY), tol=1e-8, max_iter=999
    )
    expected.fit(values / scale, right)
    np.testing.assert_allclose(found[1:], expected.coef_[0] / scale, atol=2e-4)
    assert found[0] == pytest.approx(expected.intercept_[0], abs=2e-3)


def test_few_unknown_ones_are_likely():
    confidence = np.random.default_rng(0).random(1000) ** 4
    music, odd = np.zeros(1000, bool), np.arange(1000) < 100
    likely = calibration._likely(confidence, music)
    named = np.count_nonzero(confidence >= likely)
    assert named <= 5 < np.count_nonzero(confidence >= likely - 0.04)
    assert calibration._likely(np.zeros(1000), music) == calibration.NAMED
    assert calibration._likely(np.ones(1000), music) == calibration.SURE
    # The few odd sounds are not outvoted by the music, nor it by them.
    for one, other in ((0.1, 0.9), (0.9, 0.1)):
        assert calibration._likely(np.where(odd, one, other), odd) == pytest.approx(0.91)


def test_the_table_counts_by_length_and_size(fitted):
    lines = fitted[1].splitlines()
    whole = [line.split() for line in lines if line.split()[:2] == ["15–30", "40"]]
    assert len(whole) == 1 and float(whole[0][3]) > 30 and float(whole[0][5]) < 10


def test_too_few_pieces_are_refused():
    with pytest.raises(UserError, match="at least 10 documents"):
        calibration.fit(asked(0, queries=9))


def test_scores_are_asked_with_recordings_and_recordings_with_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(odd_sounds, "LENGTHS_SECONDS", (5.0,))
    pieces = {"down": np.arange(130, 20, -1), "up": np.arange(20, 130)}
    for name, numbers in pieces.items():
        fake_embedder.write_score(tmp_path, name, numbers, seconds=20.0)
    msmd = tmp_path / "msmd"
    index = indexing.index_scores(FakeEmbedder(), msmd, tmp_path / "index").index
    index = dataclasses.replace(index, editions=())
    recordings = [
        (name, named(seconds=seconds), melody(numbers, 20.0), strikes(msmd / name), more)
        for name, numbers in pieces.items()
        for seconds, more in ((0.0, {}), (10.0, {"seconds": 10.0}))
    ]
    queries = query_set(tmp_path / "queries", recordings)
    kinds = dict(calibration.ask_both_ways(FakeEmbedder(), index, queries, tmp_path / "keep"))
    heard = {one.name: one for one in kinds["sheets"]}
    odd = [name for name in heard if name.startswith(calibration.ODD)]
    assert {*heard} - {*odd} == {"down", "up"} and len(odd) >= 12
    assert all(heard[name].own == () for name in odd)
    for number, name in enumerate(index.documents):
        assert heard[name].own == (number,) and np.argmax(heard[name].scores) == number
        assert heard[name].steps == 20 and heard[name].trace(number).positions == 87
    # The page and its first system of three, of 29 snippets each.
    asked = [(one.name, one.steps, one.own) for one in kinds["recordings"]]
    assert asked[:2] == [("down", 87, (0,)), ("down", 29, (0,))]
    assert asked[2:] == [("up", 87, (1,)), ("up", 29, (1,))]
    assert all(np.argmax(one.scores) == one.own[0] for one in kinds["recordings"])


def test_odd_sounds_are_loud_all_different_and_the_same_again():
    sounds = dict(odd_sounds.make(3.0, 1))
    assert len(sounds) >= 12
    for name, pcm in odd_sounds.make(3.0, 1):
        np.testing.assert_array_equal(pcm, sounds[name])
        assert pcm.shape == (3 * 22050,) and pcm.dtype == np.float32
        assert np.abs(pcm).max() == pytest.approx(0.2, abs=1e-3)
    every = np.stack(list(sounds.values()))
    every = every / np.linalg.norm(every, axis=1, keepdims=True)
    assert (np.abs(every @ every.T) - np.eye(len(every))).max() < 0.9
    assert not np.array_equal(dict(odd_sounds.make(3.0, 2))["sine 1"], sounds["sine 1"])
