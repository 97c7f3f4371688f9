"""An interrupted run ends like one that was not, on either backend and after any kill."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.evaluation.metrics import retrieval_metrics
from tempo_invariant.model import runs
from tempo_invariant.model.network import build_model
from tempo_invariant.model.runs import read_history
from tempo_invariant.training import loop
from tempo_invariant.training.callbacks import Checkpoints
from tests.tiny_records import tiny_experiment, write_records

TRAIN = """
import tests.conftest  # the same devices and kernels as in this process
import sys
from pathlib import Path
from tempo_invariant.config import Experiment
from tempo_invariant.training import loop
print(loop.train(Experiment.from_json(Path(sys.argv[1]).read_text()), sys.argv[2], "default"))
"""
ROOT = Path(__file__).parents[3]
ROUNDS = {"patience": 1, "round_patience": 1, "rounds": 3}
"""So short that a run of a few epochs goes back to its best weights."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(data, tmp_path_factory):
    """An uninterrupted run of four epochs with rounds."""
    output = tmp_path_factory.mktemp("runs") / "whole"
    result = loop.train(tiny_experiment(data, total_pairs=320, **ROUNDS), output, "default")
    return output, result


def start(experiment, output, tmp_path, **environment):
    """Starts training in another process."""
    path = tmp_path / "start.json"
    path.write_text(experiment.to_json())
    command = [sys.executable, "-c", TRAIN, str(path), str(output)]
    return subprocess.Popen(
        command, env=os.environ | environment, cwd=ROOT, stderr=subprocess.PIPE, text=True
    )


def checkpoint_values(output):
    """Every number of the last checkpoint: weights, statistics, optimizer."""
    import h5py

    state = json.loads((output / "backup" / "state.json").read_text())
    values = {}

    def visit(name, item):
        if isinstance(item, h5py.Dataset):
            values[name] = item[()]

    with h5py.File(output / "backup" / state["last"]) as file:
        file.visititems(visit)
    return state, values


def assert_same_end(one, other):
    (state_one, values_one), (state_other, values_other) = map(checkpoint_values, (one, other))
    assert state_one["epoch"] == state_other["epoch"]
    assert state_one["patience"] == pytest.approx(state_other["patience"])
    assert values_one.keys() == values_other.keys()
    for name, value in values_one.items():
        np.testing.assert_allclose(values_other[name], value, rtol=1e-5, atol=1e-6, err_msg=name)
    ignored = {"seconds", "pairs_per_second"}
    for line_one, line_other in zip(
        read_history(one / "history.jsonl"), read_history(other / "history.jsonl"), strict=True
    ):
        wanted = {name: value for name, value in line_one.items() if name not in ignored}
        assert {name: line_other[name] for name in wanted} == pytest.approx(wanted, rel=1e-5)


def test_killed_in_the_middle_of_an_epoch(data, whole, tmp_path):
    output = tmp_path / "killed"
    experiment = tiny_experiment(data, total_pairs=320, **ROUNDS)
    process = start(experiment, output, tmp_path)
    while process.poll() is None and not (output / "backup" / "state.json").exists():
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 1 <= json.loads((output / "backup" / "state.json").read_text())["epoch"] < 4
    assert loop.train(experiment, output, "default") == whole[1]
    assert_same_end(whole[0], output)


def test_killed_before_and_after_a_commit(data, whole, tmp_path, monkeypatch):
    """First all but the commit of epoch 2 is written, then its commit and nothing after it."""
    output = tmp_path / "run"
    experiment = tiny_experiment(data, total_pairs=320, **ROUNDS)
    commit, save = Checkpoints._commit, runs.save_weights

    class Killed(BaseException):
        pass

    def before(self, epoch):
        if epoch < 2:
            return commit(self, epoch)
        save(self.model, self.run.backup / "epoch-00002.weights.h5")
        raise Killed

    def after(self, epoch):
        commit(self, epoch)
        raise Killed

    for interrupted in (before, after):
        monkeypatch.setattr(Checkpoints, "_commit", interrupted)
        with pytest.raises(Killed):
            loop.train(experiment, output, "default")
        with (output / "history.jsonl").open("a") as stream:
            stream.write('{"epoch": 9, "cut o')
    assert checkpoint_values(output)[0]["epoch"] == 2
    monkeypatch.setattr(Checkpoints, "_commit", commit)
    loop.train(experiment, output, "default")
    assert_same_end(whole[0], output)


def test_rounds_halve_the_rate_and_go_back_to_the_best_weights(data, tmp_path, monkeypatch):
    values = iter([0.5, 0.1, 0.2, 0.9, 0.3, 0.3])
    monkeypatch.setattr(
        "tempo_invariant.training.callbacks.retrieval_metrics",
        lambda queries, candidates: (
            dict.fromkeys(["r@1", "r@5", "r@25", "mr"], 0.0) | {"mrr": next(values)}
        ),
    )
    output = tmp_path / "run"
    experiment = tiny_experiment(data, total_pairs=0, patience=1, round_patience=2, rounds=1)
    result = loop.train(experiment, output, "default")
    # Best in epoch 1, back to it after 2; better in 4; 5 and 6 are not, and no round is left.
    assert result == {"epochs": 6, "best_epoch": 4, "best_mrr": 0.9}
    rates = [line["learning_rate"] for line in read_history(output / "history.jsonl")]
    np.testing.assert_allclose(rates, [0.002, 0.002, 0.001, 0.001, 0.001, 0.001])
    # Four steps an epoch; epoch 2 was undone.
    _, checkpoint = checkpoint_values(output)
    assert checkpoint["optimizer/vars/0"] == 5 * 4


@pytest.mark.slow
def test_backends_continue_each_others_runs(data, tmp_path):
    """TensorFlow trains an epoch, JAX goes on from its weights and moments, TensorFlow again."""
    output = tmp_path / "run"
    loop.train(tiny_experiment(data, total_pairs=80), output, "default")
    _, first = checkpoint_values(output)
    experiment = tiny_experiment(data, total_pairs=160)
    process = start(experiment, output, tmp_path, KERAS_BACKEND="jax")
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    state, second = checkpoint_values(output)
    assert first.keys() == second.keys()
    assert (first["optimizer/vars/0"], second["optimizer/vars/0"]) == (4, 8)
    # Adam's second moments decay by 0.999 a step: if they had begun anew, more would be missing.
    model = build_model(experiment.model)
    loop.compile_model(model, experiment.training)
    moments = [
        f"optimizer/vars/{index}"
        for index, variable in enumerate(model.optimizer.variables)
        if "velocity" in variable.path
    ]
    assert len(moments) == len(model.trainable_variables)
    for name in moments:
        assert (second[name] >= 0.999**4 * first[name] * (1 - 1e-4) - 1e-12).all(), name
    # What JAX validated is what TensorFlow computes with the weights that JAX wrote.
    runs.load_weights(model, output / "backup" / state["last"])
    corpus = load_corpus(data, "valid")
    dataset, _ = pipeline.eval_dataset(corpus, 20, experiment.model.frames, limit=50)
    sheet, audio = np.moveaxis(model.predict(dataset, verbose=0), 1, 0)
    history = read_history(output / "history.jsonl")
    assert retrieval_metrics(audio, sheet)["mrr"] == pytest.approx(history[1]["val_mrr"], abs=1e-3)
    assert loop.train(tiny_experiment(data, total_pairs=240), output, "default")["epochs"] == 3
    assert checkpoint_values(output)[1]["optimizer/vars/0"] == 12
