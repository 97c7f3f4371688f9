"""How sure an answer is, by the features of the best document and by its lead."""

import dataclasses
import json
import math

import numpy as np
import pytest

from tempo_invariant import arrays, json_objects
from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval import certainty, hubness, model_identity
from tempo_invariant.retrieval.certainty import Calibration, features, find_calibration, judge
from tempo_invariant.retrieval.traces import Trace
from tests.fake_embedder import FakeEmbedder

WEIGHTS = -9.0, 2.0, 1.0, -0.5, -0.3, 0.1, 0.2, -2.0, -3.0, 0.1, -1.0
USUAL = Calibration((-0.1, -0.02), 0.05, WEIGHTS, 0.2, 0.9, 0.98)
TRACE = Trace(20, 300, 0.4, 0.01, 0.15)


def test_features_are_those_of_the_scores_and_five_usual_rivals():
    rivals = np.array([-0.2, 0.0, -0.1])
    level = -0.1 - 0.02 * math.log(20)
    # Two rivals one deviation to either side of the level have just this mean and deviation.
    five = level + 0.05 * np.array([1.0, -1.0] * 5)
    weights = np.concatenate([np.full(10, 0.5), np.ones(3)])
    every = np.concatenate([five, rivals])
    mean = np.average(every, weights=weights)
    deviation = math.sqrt(np.average((every - mean) ** 2, weights=weights))
    height, lead = (0.3 - mean) / deviation, 0.3 / deviation
    expected = [height, lead, math.log(20), math.log(4), height * math.log(4), lead * math.log(4)]
    path = [0.4, 0.01, math.log(300), 0.15]
    np.testing.assert_allclose(features(0.3, rivals, TRACE, USUAL), expected + path)
    alone = features(0.3, rivals[:0], TRACE, USUAL)
    height = (0.3 - level) / 0.05
    np.testing.assert_allclose(alone, [height, height, math.log(20), 0, 0, 0, *path])


def test_a_lead_makes_sure_and_a_crowd_makes_absent():
    crowd = np.random.default_rng(0).normal(-0.16, 0.05, 300)
    best = crowd.max()
    ladder = [judge(best + lead, crowd, TRACE, USUAL) for lead in np.linspace(0, 0.3, 40)]
    confidence = [one.confidence for one in ladder]
    assert confidence == sorted(confidence) and confidence[0] < 0.05 and confidence[-1] > 0.99
    order = list(dict.fromkeys(one.certainty for one in ladder))
    assert order == ["absent", "unsure", "likely", "sure"]
    assert list(dict.fromkeys(one.verdict for one in ladder)) == ["unknown", "unsure", "known"]
    for one in ladder:
        levels = (one.confidence >= 0.2) + (one.confidence >= 0.9) + (one.confidence >= 0.98)
        assert one.certainty == order[levels]


def test_little_music_is_never_known():
    few = dataclasses.replace(TRACE, steps=certainty.FEWEST_STEPS - 1)
    for score in (-0.1, 0.9):
        assert judge(score, np.array([-0.2]), few, USUAL).certainty == "unsure"
    assert judge(-np.inf, np.array([-0.2]), TRACE, USUAL).certainty == "unsure"
    assert judge(0.9, np.array([-0.2]), TRACE, USUAL).certainty == "sure"


def test_without_a_calibration_nothing_is_told():
    found = judge(0.9, np.array([-0.2]), TRACE, None)
    assert (found.certainty, found.verdict, found.confidence) == ("not told", "none", None)


def test_a_calibration_is_found_by_what_a_model_computes(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path)
    directory = tmp_path / "fake"
    directory.mkdir()
    (directory / pretrained.CARD).write_text("{}")
    probe = model_identity.probe(FakeEmbedder(1))
    arrays.save(directory / hubness.PROBE, probe)
    assert find_calibration(probe, "sheets") is None
    path = directory / certainty.FILES["sheets"]
    json_objects.save(path, USUAL)
    assert find_calibration(probe, "sheets") == USUAL
    assert find_calibration(probe, "recordings") is None
    assert find_calibration(model_identity.probe(FakeEmbedder(2)), "sheets") is None
    right = json.loads(path.read_text())
    damage = {"sure": 0.5, "weights": [1.0] * 10, "rival_deviation": 0.0, "absent": "2", "more": 1}
    for name, value in damage.items():
        path.write_text(json.dumps(right | {name: value}))
        with pytest.raises(UserError, match=f"^{path}: "):
            find_calibration(probe, "sheets")
