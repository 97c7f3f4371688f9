"""Makes a model that ships of a training run; what it consists of is in `pretrained`."""

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from tempo_invariant import geometry
from tempo_invariant.errors import UserError
from tempo_invariant.files import sha256
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.network import multiply_adds, parameters
from tempo_invariant.model.runs import RunDirectory
from tempo_invariant.training import model_card

TOLERANCE = 1e-5
"""The most by which an embedding may differ after reloading."""

_CHECKED_PAIRS = 8
_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


def package(
    run: str | os.PathLike,
    name: str,
    weights: str | None = None,
    data: str | Path | None = None,
) -> tuple[Path, dict[str, Any], list[str]]:
    """Writes the directory of a model from a run, checks it, and only then gives it its name.

    Args:
        run: the run directory.
        name: of the model, small letters, digits and underscores.
        weights: see `run_directory.weights_path`.
        data: the records that it was trained on, to be described in its card; None: left out.

    Returns:
        The directory, the content of its `card.json`, and the names of the run's evaluations that
        are about other weights.

    Raises:
        UserError: the name is taken or unfit, run or data are missing or damaged, or the written
            model does not compute the same.
    """
    target = pretrained.DIRECTORY / name
    if not _NAME.fullmatch(name):
        raise UserError(f"--name={name}: small letters, digits and underscores make a name")
    if target.exists():
        raise UserError(f"--name={name}: {target} exists already; remove it to package it anew")
    experiment = runs.load_experiment(run)
    trained = RunDirectory(Path(run))
    source = runs.weights_path(run, weights)
    described = model_card.data_summary(data, source) if data else {}
    model = runs.load_model(run, weights)
    pretrained.DIRECTORY.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=pretrained.DIRECTORY))
    try:
        made = RunDirectory(temporary)
        fields = model_card.neutral(experiment)
        made.experiment.write_text(json.dumps(fields, indent=2) + "\n")
        written = made.refined if source.name == made.refined.name else made.best
        runs.save_weights(model, written)  # an uncompiled model has no optimizer state
        if trained.history.exists():
            shutil.copyfile(trained.history, made.history)
        found, others = model_card.evaluations(trained, source)
        card = {
            "name": name,
            "source": source.name,
            "source_sha256": sha256(source),
            "weights_sha256": sha256(written),
            "bytes": written.stat().st_size,
            "parameters": parameters(model),
            "multiply_adds": multiply_adds(model),
            "largest_difference": check(model, temporary),
            "data": described,
            "averaging": model_card.averaging_summary(trained, source),
            "training": model_card.training_summary(trained, experiment),
            "evaluations": found,
        }
        (temporary / pretrained.CARD).write_text(json.dumps(card, indent=2) + "\n")
        text = model_card.markdown(card | {"experiment": fields})
        (temporary / pretrained.MARKDOWN).write_text(text)
        temporary.chmod(0o755)
        temporary.rename(target)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target, card, others


def check(model: keras.Model, directory: Path) -> float:
    """Compares a model with what is loaded from a directory, by embeddings of random pairs.

    Returns:
        The largest difference.

    Raises:
        UserError: it is more than `TOLERANCE`, or not a number.
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


def random_pairs(frames: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Inputs of a model: pixels and spectrogram values without meaning."""
    generator = np.random.default_rng(seed)
    shape = (_CHECKED_PAIRS, geometry.SHEET_HEIGHT, geometry.SHEET_WIDTH)
    spectrograms = generator.uniform(0, 2, (_CHECKED_PAIRS, geometry.BANDS, frames))
    return {
        "sheet": generator.integers(0, 256, shape).astype(np.uint8),
        "audio": spectrograms.astype(np.float32),
    }
