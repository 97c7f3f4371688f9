"""Weights, exports and runs pass between the two rows of TensorFlow that `setup.cfg` names.

The Python of the other row is given by the environment variable OTHER_ROW_PYTHON; `make test-rows`
gives it.
"""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.evaluation.metrics import retrieval_metrics
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.network import build_model
from tests.tempo_invariant.training.test_resume import checkpoint_values
from tests.tiny_records import tiny_experiment, write_records

ROOT = Path(__file__).parents[1]
PYTHONS = {"this": sys.executable, "other": os.environ.get("OTHER_ROW_PYTHON", "")}

needs_other_row = pytest.mark.skipif(
    not PYTHONS["other"], reason="OTHER_ROW_PYTHON names no Python"
)


def run(row, *arguments):
    """Runs a module with the Python of a row."""
    command = [os.path.abspath(PYTHONS[row]), "-m", *map(str, arguments)]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr[-2000:]
    return finished.stdout


@needs_other_row
@pytest.mark.slow
def test_weights_and_exports_of_either_row_give_the_same_in_the_other(tmp_path):
    for row in PYTHONS:
        run(row, "tempo_invariant.export", "--pretrained=best", f"--output={tmp_path / row}")
    models = [f"pretrained={name}" for name in pretrained.names()]
    models += [f"export={tmp_path / row}" for row in PYTHONS]
    for row in PYTHONS:
        run(row, "tests.row_worker", "embed", tmp_path / f"{row}.npz", *models)
    this, other = (np.load(tmp_path / f"{row}.npz") for row in PYTHONS)
    assert this["tensorflow"] != other["tensorflow"]
    for name in {*this.files, *other.files} - {"tensorflow"}:
        model, _, output = name.rpartition(" ")
        expected = this[f"pretrained=best {output}" if model.startswith("export") else name]
        np.testing.assert_allclose(this[name], expected, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(other[name], expected, atol=1e-5, err_msg=name)


@needs_other_row
@pytest.mark.slow
def test_a_run_is_continued_by_the_other_row(tmp_path):
    """Each row trains an epoch of a run, three times in turn, with one optimizer."""
    data = write_records(tmp_path / "data")
    path, output = tmp_path / "experiment.json", tmp_path / "run"
    for epochs, row in enumerate(["this", "other", "this"], 1):
        experiment = tiny_experiment(data, attention=True, total_pairs=80 * epochs)
        path.write_text(experiment.to_json())
        run(row, "tests.row_worker", "train", path, output)
        state, values = checkpoint_values(output)
        assert values["optimizer/vars/0"] == 4 * epochs
        # What either row validated is what this one computes with the weights.
        model = build_model(experiment.model)
        runs.load_weights(model, output / "backup" / state["last"])
        dataset, _ = pipeline.eval_dataset(load_corpus(data, "valid"), 20, 24, limit=50)
        sheet, audio = np.moveaxis(model.predict(dataset, verbose=0), 1, 0)
        validated = runs.read_history(output / "history.jsonl")[-1]["val_mrr"]
        assert retrieval_metrics(audio, sheet)["mrr"] == pytest.approx(validated, abs=1e-3)
    run("other", "tempo_invariant.evaluate", f"--run={output}", f"--data={data}", "--split=test")
