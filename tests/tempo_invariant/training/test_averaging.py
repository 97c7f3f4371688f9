"""Averages of a run and what it began with: what they consist of, which is kept, the card."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.data import corpus, pipeline
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import metrics
from tempo_invariant.model import pretrained
from tempo_invariant.model.runs import load_model
from tempo_invariant.training import averaging, loop, packaging
from tests.tiny_records import tiny_experiment, write_records, write_run

ROOT = Path(__file__).parents[3]
SOFTMAX = {"projection": "linear", "temperature": 0.1}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data") / "records")


@pytest.fixture(scope="module")
def runs(data, tmp_path_factory):
    """A run, and one that went on from it."""
    first, second = (tmp_path_factory.mktemp("runs") / name for name in ("first", "second"))
    settings = {"loss": "softmax", "epoch_pairs": 400, "total_pairs": 800, "learning_rate": 0.01}
    experiment = tiny_experiment(data, model=SOFTMAX, **settings)
    loop.train(experiment, first, "default")
    experiment = tiny_experiment(data, model=SOFTMAX, initial_run=str(first), **settings)
    loop.train(experiment, second, "default")
    return first, second


@pytest.fixture(scope="module")
def report(runs):
    return averaging.average(runs[1])


def test_the_share_that_validates_best_is_written(runs, report, data):
    first, second = runs
    assert set(report["shares"]) == {"1", "0.75", "0.5", "0.25", "0"}
    values = {float(share): found["mrr"] for share, found in report["shares"].items()}
    assert values[report["kept"]] == max(values.values())
    assert json.loads((second / "averaging.json").read_text()) == report
    old, own = (load_model(run, "best").get_weights() for run in (first, second))
    model = load_model(second)  # the refined weights, if there are any
    share = report["kept"]
    for one, two, mixed in zip(old, own, model.get_weights(), strict=True):
        np.testing.assert_allclose(mixed, share * two + (1 - share) * one, atol=1e-6)
    pairs, _ = pipeline.eval_dataset(corpus.load_corpus(data, "valid"), 20, 24)
    embeddings = model.predict(pairs, verbose=0)
    found = metrics.retrieval_metrics(embeddings[:, 1], embeddings[:, 0])
    assert found["mrr"] == pytest.approx(report["shares"][f"{share:g}"]["mrr"], abs=1e-6)


def test_an_average_says_so_in_its_card(runs, report, monkeypatch, tmp_path):
    monkeypatch.setattr(pretrained, "DIRECTORY", tmp_path / "pretrained")
    monkeypatch.setattr(averaging, "SHARES", (0.5,))
    averaging.average(runs[1])
    path, card, _ = packaging.package(runs[1], "mean")
    assert card["averaging"] == {"other": "first", "share": 0.5}
    text = (path / pretrained.MARKDOWN).read_text()
    assert "with a share of 0.5, and those that it began with." in text
    _, card, _ = packaging.package(runs[1], "alone", weights="best")
    assert card["averaging"] == {}
    monkeypatch.setattr(averaging, "SHARES", (1.0,))
    assert averaging.average(runs[1])["weights_sha256"] is None
    assert not (runs[1] / "refined.weights.h5").exists()


def test_what_cannot_be_averaged_is_refused(runs, data, tmp_path):
    with pytest.raises(UserError, match="other must be another run: .*first began"):
        averaging.average(runs[0])
    canonical = write_run(tmp_path / "cca", data)
    with pytest.raises(UserError, match="cca has a CCA"):
        averaging.average(canonical, other=runs[0])
    with pytest.raises(UserError, match="nowhere is not a run"):
        averaging.average(runs[1], other=tmp_path / "nowhere")


def test_the_command_prints_a_line_a_share(runs):
    done = subprocess.run(
        [sys.executable, "-m", "tempo_invariant.average", f"--run={runs[1]}"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr
    title, *lines, kept = done.stdout.splitlines()
    assert title == f"{runs[1]} averaged with {runs[0]}"
    assert [line.split()[1] for line in lines] == ["1", "0.75", "0.5", "0.25", "0"]
    assert kept.startswith("kept: share ")
