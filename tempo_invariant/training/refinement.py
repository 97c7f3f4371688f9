"""Refits the CCA projection of a trained model on many training pairs at once.

During training the projection follows moving statistics of encoders that keep changing. With the
encoders at rest it is computed once more from 25,000 training pairs, as the paper's authors do; and
once with every canonical variate scaled by its correlation.
"""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tempo_invariant.config import Experiment
from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, Progress, validation_metrics
from tempo_invariant.files import write_json
from tempo_invariant.model import runs
from tempo_invariant.model.network import audio_features, sheet_features


def refine(
    run: str | os.PathLike,
    data: str | os.PathLike | None = None,
    pairs: int = 25_000,
    augment: bool = True,
    weights: str = "best",
) -> dict[str, Any]:
    """Refits the projection of a run and writes `refined.weights.h5` and `refinement.json`.

    Of the projection of the training, the refitted one and the weighted one, that with the highest
    validation MRR is kept: encoders trained against moving statistics can be better off with those.

    Args:
        run: Run directory.
        data: Directory of records; None: those that the run was trained on.
        pairs: Number of training pairs to fit to.
        augment: Whether they are drawn at random and augmented as in training, or taken at even
            spacing as they are.
        weights: Choice of the weights, see `tempo_invariant.model.runs.weights_path`.

    Returns:
        For each of `trained`, `refitted` and `weighted` canonical correlations and validation
        metrics (audio to sheet), and which of the three is `kept`.

    Raises:
        UserError: Run or data are missing or damaged, or the projection is not a CCA.
    """
    experiment, data = runs.load_experiment_and_data(run, data)
    if experiment.model.projection != "cca":
        raise UserError(f"{run} has a {experiment.model.projection} projection: nothing to refit")
    model = runs.load_model(run, weights)
    projection = model.get_layer("projection")
    valid, table = pipeline.eval_dataset(
        load_corpus(data, "valid"),
        BATCH_SIZE,
        experiment.model.frames,
        limit=experiment.training.validation_pairs,
    )
    states = {"trained": _state(model, valid, len(table.piece), projection.correlations())}
    weights_of = {}
    dataset, count = _training_pairs(experiment, data, pairs, augment)
    sheet, audio = features(model, dataset, count)
    for name in ("refitted", "weighted"):
        correlations = projection.refit(sheet, audio, weighted=name == "weighted")
        states[name] = _state(model, valid, len(table.piece), correlations)
        weights_of[name] = projection.get_weights()
    kept = max(states, key=lambda name: states[name]["mrr"])
    report = {"run": str(run), "pairs": count, "augment": augment, "kept": kept, **states}
    directory = runs.RunDirectory(Path(run))
    if kept != "trained":
        projection.set_weights(weights_of[kept])
        runs.save_weights(model, directory.refined)
    else:
        directory.refined.unlink(missing_ok=True)  # of an earlier state of the run
    write_json(directory.path / "refinement.json", report)
    return report


def features(
    model: keras.Model, dataset: tf.data.Dataset, pairs: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both encoders' outputs before the projection.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it.
        dataset: Finite dataset of batches of pairs.
        pairs: Number of pairs, for the progress bar.

    Returns:
        Sheet and audio features, each `[pairs, size]`.
    """
    encoders = keras.Model(
        model.input, [sheet_features(model).output, audio_features(model).output]
    )
    return tuple(encoders.predict(dataset, verbose=0, callbacks=[Progress(pairs, "features")]))


def _training_pairs(
    experiment: Experiment, data: Path, pairs: int, augment: bool
) -> tuple[tf.data.Dataset, int]:
    """Returns a finite dataset of training pairs and their number."""
    corpus = load_corpus(data, "train")
    frames = experiment.model.frames
    if not augment:
        dataset, table = pipeline.eval_dataset(corpus, BATCH_SIZE, frames, limit=pairs)
        return dataset, len(table.piece)
    batches = -(-pairs // BATCH_SIZE)
    # Another seed than that of training: not the pairs that the moving statistics saw first.
    seed = experiment.training.seed + 1
    dataset = pipeline.train_dataset(
        corpus, BATCH_SIZE, frames, experiment.training.augmentation, seed
    )
    return dataset.take(batches), batches * BATCH_SIZE


def _state(
    model: keras.Model, valid: tf.data.Dataset, pairs: int, correlations: np.ndarray
) -> dict[str, Any]:
    found = validation_metrics(model, valid, pairs, "validation")
    return {"correlations": [round(float(value), 4) for value in correlations]} | found


def summary(report: dict[str, Any]) -> str:
    """Returns the lines for the screen."""
    lines = [f"{report['run']}: projection refitted on {report['pairs']:,d} pairs"]
    for name in ("trained", "refitted", "weighted"):
        state = report[name]
        lines.append(
            f"{name:8s}  MRR {state['mrr']:.3f}  R@1 {100 * state['r@1']:.1f}  correlations "
            f"{state['correlations'][0]:.3f} first, {np.mean(state['correlations']):.3f} mean"
        )
    if report["kept"] == "trained":
        lines.append("the validation MRR fell: the run keeps the projection of its training")
    else:
        lines.append(f"kept: {report['kept']}")
    return "\n".join(lines)
