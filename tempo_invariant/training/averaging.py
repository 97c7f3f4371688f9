"""Averages the weights of a trained model with those that its training began with.

Weights before and after a further training often lie in one valley of the loss, which is deeper
between them: the mean is better and sturdier than either, as in WiSE-FT (Wortsman et al. 2022).
"""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, validation_metrics
from tempo_invariant.files import write_json
from tempo_invariant.model import choices, runs
from tempo_invariant.training.initial_weights import copy_weights
from tempo_invariant.training.requirements import check_averaging

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Weights of the run in the averages that are tried."""


def average(
    run: str | os.PathLike,
    other: str | os.PathLike | None = None,
    data: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Writes the average of a run and another as `refined.weights.h5`, and `averaging.json`.

    Of the averages in which the run has one of `SHARES`, the one with the highest MRR over all
    validation pairs is kept. Layers that the other run lacks keep their weights.

    Args:
        run: Run directory.
        other: Another run directory; None: the run whose weights the training began with.
        data: Directory of records; None: those that the run was trained on.

    Returns:
        `run`, `other`, the validation metrics (audio to sheet) by `shares`, the share that is
        `kept`, and `weights_sha256` of the written file, None if that share is 1.

    Raises:
        UserError: A run or the data are missing, damaged or of another model, there is no other
            run, or the projection is a CCA, whose statistics fit one training alone.
    """
    experiment, data = runs.load_experiment_and_data(run, data)
    other = check_averaging(experiment, run, other)
    model = runs.load_model(run, "best")
    mixtures = _mixtures(model, runs.load_model(choices.locate(str(other))))
    found = _validated(model, mixtures, data)
    kept = max(found, key=lambda share: found[share]["mrr"])
    model.set_weights(mixtures[kept])
    directory = runs.RunDirectory(run)
    shares = {f"{share:g}": values for share, values in found.items()}
    report = {"run": str(run), "other": str(other), "shares": shares, "kept": kept}
    report["weights_sha256"] = runs.write_refined(directory, model if kept != 1 else None)
    write_json(directory.averaging, report)
    return report


def _mixtures(model: keras.Model, other: keras.Model) -> dict[float, list[np.ndarray]]:
    """Returns the averages of two models' weights, by the share of the first."""
    own = model.get_weights()
    copy_weights(model, other)
    pairs = list(zip(own, model.get_weights(), strict=True))
    return {share: [share * one + (1 - share) * two for one, two in pairs] for share in SHARES}


def _validated(
    model: keras.Model, mixtures: dict[float, list[np.ndarray]], data: Path
) -> dict[float, dict[str, float]]:
    """Returns the validation metrics of a model with each of several weights."""
    frames = model.input["audio"].shape[-1]
    valid, table = pipeline.eval_dataset(load_corpus(data, "valid"), BATCH_SIZE, frames)
    found = {}
    for share, mixture in mixtures.items():
        model.set_weights(mixture)
        found[share] = validation_metrics(model, valid, len(table), f"share {share:g}")
    return found


def summary(report: dict[str, Any]) -> str:
    """Returns the lines for the screen."""
    lines = [f"{report['run']} averaged with {report['other']}"]
    for share, found in report["shares"].items():
        lines.append(f"share {share:4s}  MRR {found['mrr']:.3f}  R@1 {100 * found['r@1']:.1f}")
    lines.append(f"kept: share {report['kept']:g}")
    return "\n".join(lines)
