"""Averages the weights of a trained model with those that its training began with.

Two trainings of which one went on from the other often lie in one valley, and between them it is
deeper: the mean is better than either, and sturdier, as in WiSE-FT (Wortsman et al. 2022).
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras

from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, validation_metrics
from tempo_invariant.files import sha256, write_json
from tempo_invariant.model import runs
from tempo_invariant.training.initial_weights import copy_weights

SHARES = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of the run in the averages that are tried."""


def average(
    run: str | os.PathLike,
    other: str | os.PathLike | None = None,
    data: str | os.PathLike | None = None,
) -> dict[str, Any]:
    """Writes the average of a run and another as `refined.weights.h5`, and `averaging.json`.

    Of the averages that give the run one of `SHARES`, that with the highest MRR over all validation
    pairs is kept. Layers that the other run lacks count with their own weights.

    Args:
        run: Run directory.
        other: Another run directory; None: that whose weights the training began with.
        data: Directory of records; None: those that the run was trained on.

    Returns:
        `run`, `other`, the validation metrics (audio to sheet) by `shares`, the share that is
        `kept`, and `weights_sha256` of what was written: None where that is 1.

    Raises:
        UserError: A run or the data are missing, damaged or of another model, there is no other
            run, or the projection is a CCA, whose statistics are of one training.
    """
    experiment, data = runs.load_experiment_and_data(run, data)
    other = other or experiment.training.initial_run
    if not other:
        raise UserError(f"{run} began with random weights: name another run as other")
    if experiment.model.projection == "cca":
        raise UserError(f"{run} has a CCA, which is of its own encoders alone: nothing to average")
    model = runs.load_model(run, "best")
    mix = _mixer(model, runs.load_model(other))
    corpus = load_corpus(data, "valid")
    valid, table = pipeline.eval_dataset(corpus, BATCH_SIZE, experiment.model.frames)
    found = {}
    for share in SHARES:
        mix(share)
        found[share] = validation_metrics(model, valid, len(table), f"share {share:g}")
    kept = max(found, key=lambda share: found[share]["mrr"])
    directory = runs.RunDirectory(Path(run))
    if kept == 1:
        directory.refined.unlink(missing_ok=True)  # of an earlier state of the run
    else:
        mix(kept)
        runs.save_weights(model, directory.refined)
    report = {
        "run": str(run),
        "other": str(other),
        "shares": {f"{share:g}": values for share, values in found.items()},
        "kept": kept,
        "weights_sha256": None if kept == 1 else sha256(directory.refined),
    }
    write_json(directory.averaging, report)
    return report


def _mixer(model: keras.Model, other: keras.Model) -> Callable[[float], None]:
    """Returns a function that gives a model a share of its own weights and the rest of another's.

    Layers that the other model lacks keep the model's own weights.
    """
    own = model.get_weights()
    copy_weights(model, other)
    others = model.get_weights()

    def mix(share: float) -> None:
        model.set_weights(
            [share * one + (1 - share) * two for one, two in zip(own, others, strict=True)]
        )

    return mix


def summary(report: dict[str, Any]) -> str:
    """Returns the lines for the screen."""
    lines = [f"{report['run']} averaged with {report['other']}"]
    for share, found in report["shares"].items():
        lines.append(f"share {share:4s}  MRR {found['mrr']:.3f}  R@1 {100 * found['r@1']:.1f}")
    lines.append(f"kept: share {report['kept']:g}")
    return "\n".join(lines)
