"""Refitting the projection, against canonical correlations computed by eigenvalues."""

import json

import numpy as np
import pytest
import scipy.linalg

from tempo_invariant.data import corpus, pipeline
from tempo_invariant.errors import UserError
from tempo_invariant.model import runs
from tempo_invariant.training import refinement
from tests.tiny_records import ONSETS, PIECES, write_records, write_run


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def refined(data, tmp_path_factory):
    run = write_run(tmp_path_factory.mktemp("runs") / "tiny", data)
    return run, refinement.refine(run, pairs=1000, augment=False)


def test_correlations_are_those_of_the_training_pairs(refined, data):
    run, report = refined
    model = runs.load_model(run, "best")
    dataset, _ = pipeline.eval_dataset(corpus.load_corpus(data, "train"), 50, 24)
    sheet, audio = refinement.features(model, dataset, PIECES["train"] * ONSETS)
    assert len(sheet) == report["pairs"] == PIECES["train"] * ONSETS
    size = sheet.shape[1]
    covariance = np.cov(np.hstack([sheet, audio]).astype(np.float64), rowvar=False)
    covariance += 1e-3 * np.eye(2 * size)
    covariance[:size, size:] = covariance[size:, :size].T  # r is not added between the views
    first, second, cross = (
        covariance[:size, :size],
        covariance[size:, size:],
        covariance[:size, size:],
    )
    squares = scipy.linalg.eigvals(np.linalg.solve(first, cross) @ np.linalg.solve(second, cross.T))
    expected = np.sqrt(np.sort(squares.real)[::-1])
    np.testing.assert_allclose(report["refitted"]["correlations"], expected, atol=2e-4)


def test_the_pairs_are_those_of_all_directories_of_the_training(data, tmp_path):
    both = ",".join(map(str, (data, write_records(tmp_path / "more"))))
    run = write_run(tmp_path / "run", both)
    found = [refinement.refine(run, each, pairs=1000, augment=False) for each in (None, data)]
    alone = PIECES["train"] * ONSETS
    assert [report["pairs"] for report in found] == [2 * alone, alone]


def test_only_the_projection_changes(refined):
    run, report = refined
    assert report["kept"] != "trained"
    before, after = (runs.load_model(run, weights) for weights in ("best", "refined"))
    for layer in before.layers:
        pairs = zip(layer.get_weights(), after.get_layer(layer.name).get_weights(), strict=True)
        equal = [np.array_equal(one, other) for one, other in pairs]
        if layer.name == "projection":
            assert not any(equal[:4])
        else:
            assert all(equal), layer.name


def test_report_is_written_and_summed_up(refined):
    run, report = refined
    assert json.loads((run / "refinement.json").read_text()) == report
    lines = refinement.summary(report).splitlines()
    assert "refitted on 160 pairs" in lines[0]
    assert f"MRR {report['refitted']['mrr']:.3f}" in lines[2]
    assert lines[4] == f"kept: {report['kept']}"


def test_the_best_projection_of_three_is_kept(data, tmp_path, monkeypatch):
    run = write_run(tmp_path / "run", data)
    outcomes = iter([0.2, 0.3, 0.2, 0.2, 0.3, 0.4, 0.3, 0.2, 0.2])
    state = refinement._state
    monkeypatch.setattr(refinement, "_state", lambda *args: state(*args) | {"mrr": next(outcomes)})

    def projection(weights):
        layer = runs.load_model(run, weights).get_layer("projection")
        return [np.array(value) for value in layer.projections], layer.correlations()

    assert refinement.refine(run, pairs=100)["kept"] == "refitted"
    refitted, correlations = projection("refined")
    assert refinement.refine(run, pairs=100)["kept"] == "weighted"
    for one, other in zip(refitted, projection("refined")[0], strict=True):
        np.testing.assert_allclose(other, one * correlations, rtol=1e-4, atol=1e-6)
    report = refinement.refine(run, pairs=100)
    assert report["kept"] == "trained"
    assert not (run / "refined.weights.h5").exists()
    assert "keeps the projection of its training" in refinement.summary(report)


def test_augmented_pairs_are_rounded_up_to_batches(data, tmp_path):
    run = write_run(tmp_path / "run", data)
    assert refinement.refine(run, pairs=150)["pairs"] == 200


def test_linear_projection_cannot_be_refitted(data, tmp_path):
    run = write_run(tmp_path / "run", data, projection="linear")
    with pytest.raises(UserError, match="linear projection: nothing to refit"):
        refinement.refine(run)
    assert not (run / "refined.weights.h5").exists()
