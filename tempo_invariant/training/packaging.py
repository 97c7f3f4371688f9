"""Turns a training run into a model that ships; see `tempo_invariant.model.pretrained`."""

import os
import shutil
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tempo_invariant import geometry
from tempo_invariant.data.schema import check_data
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_directory, sha256, write_json
from tempo_invariant.model import pretrained, runs, weight_files
from tempo_invariant.model.network import multiply_adds, parameters
from tempo_invariant.model.runs import RunDirectory
from tempo_invariant.training import cohorts, model_card, run_reports

TOLERANCE = 5e-3
"""The most by which an embedding of length 1 may differ once its weights have half precision."""

_CHECKED_PAIRS = 8


def package(
    run: str | os.PathLike, name: str, weights: str | None = None, data: str | Path | None = None
) -> tuple[Path, dict[str, Any], list[str]]:
    """Writes the directory of a model from a run, checks it, and only then gives it its name.

    Args:
        run: Run directory.
        name: Name of the model: lower-case letters, digits and underscores.
        weights: Choice of the weights, see `tempo_invariant.model.runs.weights_path`.
        data: Directory of the records that the run was trained on, or several, see
            `schema.directories`, for the card and the cohorts (see `retrieval.hubness`); None: it
            gets neither.

    Returns:
        The directory, the content of its `card.json`, and the names of the run's evaluations that
        are about other weights.

    Raises:
        UserError: The name is taken or unfit, run or data are missing or damaged, or the written
            model does not compute the same.
    """
    target = pretrained.DIRECTORY / name
    pretrained.check_new(name)
    trained, source = RunDirectory(run), runs.weights_path(run, weights)
    experiment = model_card.neutral(runs.load_experiment(run))
    if data:
        check_data(data, experiment.model.staves)
    reports, others = run_reports.evaluations(trained, source)
    about = {
        "data": model_card.data_summary(data, source) if data else {},
        "averaging": run_reports.averaging_summary(trained, source),
        "training": run_reports.training_summary(trained, experiment),
        "evaluations": reports,
    }
    model = runs.load_model(run, weights)
    with atomic_directory(target) as temporary:
        (temporary / "experiment.json").write_text(experiment.to_json())
        card = {"name": name} | _write_model(model, trained, source, temporary) | about
        write_json(temporary / pretrained.CARD, card)
        (temporary / pretrained.MARKDOWN).write_text(model_card.markdown(card, experiment))
        if data:
            cohorts.write(temporary, data)
    return target, card, others


def _write_model(
    model: keras.Model, trained: RunDirectory, source: Path, directory: Path
) -> dict[str, Any]:
    """Writes weights and history of a run, and returns the entries of the card about them."""
    made = RunDirectory(directory)
    written = made.refined if source.name == made.refined.name else made.best
    runs.save_weights(model, written)  # an uncompiled model has no optimizer state
    weight_files.halve(written)
    if trained.history.exists():
        shutil.copyfile(trained.history, made.history)
    return {
        "source": source.name,
        "source_sha256": sha256(source),
        "weights_sha256": sha256(written),
        "bytes": written.stat().st_size,
        "parameters": parameters(model),
        "multiply_adds": multiply_adds(model),
        "largest_difference": check(model, directory),
    }


def check(model: keras.Model, directory: Path) -> float:
    """Compares a model with the one loaded from a directory, by embeddings of random pairs.

    Returns:
        The largest difference.

    Raises:
        UserError: The difference is more than `TOLERANCE`, or not a number.
    """
    pairs = random_pairs(model.input["audio"].shape[-1])
    loaded = runs.load_model(directory)
    expected, found = (
        keras.ops.convert_to_numpy(each(pairs, training=False)) for each in (model, loaded)
    )
    difference = float(np.max(np.abs(expected - found)))
    if not difference <= TOLERANCE:
        raise UserError(
            f"embeddings differ by {difference:.2g} after reloading, by more than {TOLERANCE:g}"
        )
    return difference


def random_pairs(frames: int) -> dict[str, np.ndarray]:
    """Returns inputs of a model: pixels and spectrogram values without meaning."""
    generator = np.random.default_rng(0)
    shape = (_CHECKED_PAIRS, geometry.SHEET_HEIGHT, geometry.SHEET_WIDTH)
    spectrograms = generator.uniform(0, 2, (_CHECKED_PAIRS, geometry.BANDS, frames))
    return {
        "sheet": generator.integers(0, 256, shape).astype(np.uint8),
        "audio": spectrograms.astype(np.float32),
    }
