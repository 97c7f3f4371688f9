"""The directory that a training leaves behind: its paths, and what is loaded from it.

```
runs/NAME/
  experiment.json        model and training configuration
  best.weights.h5        weights of the best validation epoch, without optimizer state
  refined.weights.h5     the same with a refitted projection (`tempo_invariant.refine`), or averaged
                         with those of the initial run (`tempo_invariant.average`)
  refinement.json        the report of the refitting
  averaging.json         the report of the averaging
  history.jsonl          a line per epoch
  backup/                state to resume from
  logs/                  TensorBoard
```
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tempo_invariant import json_objects
from tempo_invariant.config import Experiment
from tempo_invariant.data.schema import check_data, directories
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import atomic_write, sha256
from tempo_invariant.model import pretrained

if TYPE_CHECKING:
    import keras

NAMED_WEIGHTS = ("best", "refined")
"""Weights of a run that have names; others are files."""


class RunDirectory:
    """Paths in the directory of one training run."""

    def __init__(self, path: str | os.PathLike) -> None:
        self.path = Path(path)
        self.experiment = self.path / "experiment.json"
        self.best = self.path / "best.weights.h5"
        self.refined = self.path / "refined.weights.h5"
        self.refinement = self.path / "refinement.json"
        self.averaging = self.path / "averaging.json"
        self.history = self.path / "history.jsonl"
        self.backup = self.path / "backup"
        self.logs = self.path / "logs"


def load_experiment(path: str | os.PathLike) -> Experiment:
    """Reads the experiment of a run.

    Raises:
        UserError: `path` is not the directory of a run.
    """
    run = RunDirectory(path)
    if not run.experiment.is_file():
        why = f"it holds no {run.experiment.name}" if run.path.is_dir() else "no such directory"
        raise UserError(f"{path} is not a run: {why} (tempo-invariant train makes one)")
    try:
        return Experiment.from_json(run.experiment.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{run.experiment}: cannot be read ({one_line(error)})") from error
    except UserError as error:
        raise UserError(f"{run.experiment}: {error}") from error


def check_continued(path: str | os.PathLike, experiment: Experiment) -> None:
    """Makes sure that an experiment can be trained in a directory, anew or to go on.

    Raises:
        UserError: The directory holds another experiment.
    """
    if not RunDirectory(path).experiment.exists():
        return
    if differences := load_experiment(path).differences(experiment):
        shown = "; ".join(differences[:3]) + "; ..." * (len(differences) > 3)
        raise UserError(f"{path} holds another experiment ({shown}): choose a new output")


def load_experiment_and_data(
    path: str | os.PathLike, data: str | os.PathLike | None = None
) -> tuple[Experiment, Path]:
    """Reads the experiment of a run, and makes sure that there are records for it.

    Args:
        path: Run directory.
        data: Directory of records; None: the one that the run was validated on.

    Returns:
        The experiment and the directory of the records.

    Raises:
        UserError: `path` is not the directory of a run, or there are no records for it.
    """
    experiment = load_experiment(path)
    found = Path(data or directories(experiment.training.data)[0])
    check_data(found, experiment.model.staves)
    return experiment, found


def weights_path(path: str | os.PathLike, weights: str | None = None) -> Path:
    """Chooses the weights of a run: the refined ones if there are any, else the best.

    Args:
        path: Run directory.
        weights: "best", "refined" or the path of a `.weights.h5` file, to override that.

    Raises:
        UserError: The file does not exist.
    """
    run = RunDirectory(path)
    named = {name: getattr(run, name) for name in NAMED_WEIGHTS}
    if weights:
        chosen = named.get(weights, Path(weights))
    else:
        chosen = run.refined if run.refined.exists() else run.best
    if weights and weights not in named and not chosen.is_file():
        raise UserError(f"weights must be best, refined or a file of weights, received {weights!r}")
    if not chosen.is_file():
        missing = "is not refined" if chosen == run.refined else "has not finished its first epoch"
        raise UserError(f"no weights at {chosen}: the run {missing}")
    return chosen


def load_model(path: str | os.PathLike, weights: str | None = None) -> "keras.Model":
    """Builds the model of a run and loads its weights.

    Args:
        path: Run directory.
        weights: Choice of the weights, see `weights_path`.

    Returns:
        A model as `tempo_invariant.model.network.build_model` makes it.

    Raises:
        UserError: The directory or the weights are missing or do not fit.
    """
    from tempo_invariant.model import weight_files
    from tempo_invariant.model.network import build_model

    experiment = load_experiment(path)
    chosen = weights_path(path, weights)
    pretrained.check_weights(chosen)
    weight_files.check(chosen)
    model = build_model(experiment.model)
    _read_weights(model, chosen)
    return model


def load_weights(model: "keras.Model", path: str | os.PathLike) -> None:
    """Loads a `.weights.h5` file into a model, optimizer state included where both have it.

    Raises:
        UserError: The file is damaged or belongs to another model.
    """
    from tempo_invariant.model import weight_files

    weight_files.check(path)
    _read_weights(model, path)


def _read_weights(model: "keras.Model", path: str | os.PathLike) -> None:
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"cannot load {path} into this model: {one_line(error)}") from error


def save_weights(model: "keras.Model", path: str | os.PathLike) -> None:
    """Writes a `.weights.h5` file in one step, optimizer state included if the model has one."""
    from tempo_invariant.model import weight_files

    with atomic_write(path) as temporary:
        model.save_weights(temporary, overwrite=True)
        weight_files.sign(temporary)


def write_refined(run: RunDirectory, model: "keras.Model | None") -> str | None:
    """Writes a model as the refined weights of a run, or removes those if there is no model.

    Returns:
        The SHA-256 of the file, if one was written.
    """
    if model is None:
        run.refined.unlink(missing_ok=True)
        return None
    save_weights(model, run.refined)
    return sha256(run.refined)


def read_history(path: Path, needed: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Reads `history.jsonl`, without a last line that was cut off; a missing file is empty.

    Args:
        path: The file.
        needed: Names of numbers that every line must have.

    Raises:
        UserError: A line that was not cut off is damaged.
    """
    texts = _lines(path) if path.is_file() else []
    lines: list[dict[str, Any]] = []
    for number, text in enumerate(texts, 1):
        where = f"{path}: line {number}"
        try:
            line = json_objects.parse(text, where)
            json_objects.typed(dict[str, float], line, where)
            json_objects.typed(_Epoch, line, where, others=True)
        except UserError:
            if number < len(texts):
                raise
            break
        if missing := [name for name in needed if name not in line]:
            raise UserError(f"{where}: {missing[0]!r} is missing")
        lines.append(line)
    return lines


@dataclass(frozen=True)
class _Epoch:
    """What is counted in a line of a history."""

    epoch: int = 0
    pairs: int = 0


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
