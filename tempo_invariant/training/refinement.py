"""Refits the CCA projection of a trained model on many training pairs at once.

During training the projection follows moving statistics of encoders that keep changing. With the
encoders at rest it is computed anew from 25,000 training pairs, as the paper's authors do, and once
more with every canonical variate scaled by its correlation.
"""

import os
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tempo_invariant.config import Experiment
from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import Corpus, load_corpus
from tempo_invariant.evaluation.retrieval import BATCH_SIZE, Progress, validation_metrics
from tempo_invariant.files import write_json
from tempo_invariant.model import runs
from tempo_invariant.model.layers import VIEWS
from tempo_invariant.training.requirements import check_refinement

PROJECTIONS = ("trained", "refitted", "weighted")


def refine(
    run: str | os.PathLike,
    data: str | os.PathLike | None = None,
    pairs: int = 25_000,
    augment: bool = True,
    weights: str = "best",
) -> dict[str, Any]:
    """Refits the projection of a run and writes `refined.weights.h5` and `refinement.json`.

    Of the trained, the refitted and the weighted projection, the one with the highest validation
    MRR is kept: encoders trained with moving statistics can be better off with those.

    Args:
        run: Run directory.
        data: Directory of records; None: those that the run was trained on.
        pairs: Number of training pairs to fit to.
        augment: Whether these are drawn at random and augmented as in training; otherwise they are
            taken at even spacing, unchanged.
        weights: Choice of the weights, see `tempo_invariant.model.runs.weights_path`.

    Returns:
        `run`, `pairs`, `augment`, canonical correlations and validation metrics (audio to sheet)
        for each of `trained`, `refitted` and `weighted`, and which of the three is `kept`.

    Raises:
        UserError: Run or data are missing or damaged, or the projection is not a CCA.
    """
    experiment, valid = runs.load_experiment_and_data(run, data)
    check_refinement(experiment, run)
    model = runs.load_model(run, weights)
    if data:
        corpus = load_corpus(data, "train")
    else:
        training = experiment.training
        corpus = load_corpus(training.data, "train", weights=training.data_weights)
    sheet, audio = features(model, *_training_pairs(experiment, corpus, pairs, augment))
    states, weights_of = _states(model, sheet, audio, experiment, valid)
    kept = max(states, key=lambda name: states[name]["mrr"])
    model.get_layer("projection").set_weights(weights_of[kept])
    directory = runs.RunDirectory(run)
    runs.write_refined(directory, model if kept != "trained" else None)
    report = {"run": str(run), "pairs": len(sheet), "augment": augment, "kept": kept, **states}
    write_json(directory.refinement, report)
    return report


def _states(
    model: keras.Model, sheet: np.ndarray, audio: np.ndarray, experiment: Experiment, data: Path
) -> tuple[dict[str, dict[str, Any]], dict[str, list[np.ndarray]]]:
    """Returns what the report says of each of `PROJECTIONS`, and the weights of each."""
    projection = model.get_layer("projection")
    corpus, limit = load_corpus(data, "valid"), experiment.training.validation_pairs
    frames = experiment.model.frames
    valid, table = pipeline.eval_dataset(corpus, BATCH_SIZE, frames, limit=limit)
    states, weights_of = {}, {}
    for name in PROJECTIONS:
        if name != "trained":
            projection.refit(sheet, audio, weighted=name == "weighted")
        states[name] = _state(model, valid, len(table))
        weights_of[name] = projection.get_weights()
    return states, weights_of


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
    outputs = [model.get_layer(f"{view}_features").output for view in VIEWS]
    encoders = keras.Model(model.input, outputs)
    return tuple(encoders.predict(dataset, verbose=0, callbacks=[Progress(pairs, "features")]))


def _training_pairs(
    experiment: Experiment, corpus: Corpus, pairs: int, augment: bool
) -> tuple[tf.data.Dataset, int]:
    """Returns a finite dataset of training pairs and their number."""
    frames = experiment.model.frames
    if not augment:
        dataset, table = pipeline.eval_dataset(corpus, BATCH_SIZE, frames, limit=pairs)
        return dataset, len(table)
    batches = -(-pairs // BATCH_SIZE)
    # Not the seed of the training, and so not the pairs that the moving statistics saw first.
    seed = experiment.training.seed + 1
    dataset = pipeline.train_dataset(
        corpus, BATCH_SIZE, frames, experiment.training.augmentation, seed
    )
    return dataset.take(batches), batches * BATCH_SIZE


def _state(model: keras.Model, valid: tf.data.Dataset, pairs: int) -> dict[str, Any]:
    """Returns the canonical correlations of a model and its validation metrics."""
    correlations = model.get_layer("projection").correlations()
    found = validation_metrics(model, valid, pairs, "validation")
    return {"correlations": [round(float(value), 4) for value in correlations]} | found


def summary(report: dict[str, Any]) -> str:
    """Returns the lines for the screen."""
    lines = [f"{report['run']}: projection refitted on {report['pairs']:,d} pairs"]
    for name in PROJECTIONS:
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
