"""What an experiment is, and the directory that its training leaves behind.

```
runs/NAME/
  experiment.json        model and training configuration
  best.weights.h5        weights of the best validation epoch, without optimizer state
  refined.weights.h5     the same with a refitted projection (`tempo_invariant.refine`), or averaged
                         with those of the initial run (`tempo_invariant.average`)
  averaging.json         what the average was made of
  history.jsonl          one line an epoch
  backup/                state to resume from
  logs/                  TensorBoard
```
"""

import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from tempo_invariant.config import Experiment
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import atomic_write


@dataclasses.dataclass(frozen=True)
class RunDirectory:
    """Paths in the directory of one training run."""

    path: Path

    @property
    def experiment(self) -> Path:
        return self.path / "experiment.json"

    @property
    def best(self) -> Path:
        return self.path / "best.weights.h5"

    @property
    def refined(self) -> Path:
        return self.path / "refined.weights.h5"

    @property
    def averaging(self) -> Path:
        return self.path / "averaging.json"

    @property
    def history(self) -> Path:
        return self.path / "history.jsonl"

    @property
    def backup(self) -> Path:
        return self.path / "backup"

    @property
    def logs(self) -> Path:
        return self.path / "logs"


def open_run(path: str | os.PathLike, experiment: Experiment, write: bool = True) -> RunDirectory:
    """Makes the directory of a run, or opens it to continue the same experiment.

    Args:
        path: the run directory.
        experiment: what is about to be trained.
        write: False in every worker but the chief.

    Raises:
        UserError: when the directory holds another experiment.
    """
    run = RunDirectory(Path(path))
    if run.experiment.exists():
        differences = load_experiment(path).differences(experiment)
        if differences:
            raise UserError(
                f"{path} holds another experiment ({'; '.join(differences)}): choose a new --output"
            )
    if write:
        with atomic_write(run.experiment) as temporary:
            temporary.write_text(experiment.to_json())
    return run


def load_experiment(path: str | os.PathLike) -> Experiment:
    """Reads the experiment of a run.

    Raises:
        UserError: when `path` is not the directory of a run.
    """
    run = RunDirectory(Path(path))
    try:
        return Experiment.from_json(run.experiment.read_text())
    except FileNotFoundError as error:
        raise UserError(
            f"{path} is not a run: it holds no {run.experiment.name} "
            "(python -m tempo_invariant.train makes one)"
        ) from error
    except UserError as error:
        raise UserError(f"{run.experiment}: {error}") from error


def weights_path(path: str | os.PathLike, weights: str | None = None) -> Path:
    """Chooses the weights of a run: the refined ones if there are any, else the best.

    Args:
        path: the run directory.
        weights: "best", "refined" or the path of a `.weights.h5` file, to override that.

    Raises:
        UserError: when the file does not exist.
    """
    run = RunDirectory(Path(path))
    named = {"best": run.best, "refined": run.refined}
    if weights:
        chosen = named.get(weights, Path(weights))
    else:
        chosen = run.refined if run.refined.exists() else run.best
    if not chosen.exists():
        raise UserError(f"no weights at {chosen}: the run has not finished its first epoch")
    return chosen


def load_model(path: str | os.PathLike, weights: str | None = None):
    """Builds the model of a run and loads its weights.

    Args:
        path: the run directory.
        weights: see `weights_path`.

    Returns:
        A `keras.Model`, as `tempo_invariant.model.network.build_model` makes it.

    Raises:
        UserError: when the directory or the weights are missing or do not fit.
    """
    from tempo_invariant.model.network import build_model

    experiment = load_experiment(path)
    chosen = weights_path(path, weights)
    model = build_model(experiment.model)
    load_weights(model, chosen)
    return model


def load_weights(model, path: str | os.PathLike) -> None:
    """Loads a `.weights.h5` file into a model, optimizer state included where both have it.

    Raises:
        UserError: when the file is damaged or belongs to another model.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        reason = one_line(error)
        raise UserError(f"cannot load {path} into this model: {reason}") from error


def save_weights(model, path: str | os.PathLike) -> None:
    """Writes a `.weights.h5` file in one step, optimizer state included if the model has one."""
    with atomic_write(path) as temporary:
        model.save_weights(temporary, overwrite=True)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Reads `history.jsonl`; a last line that was cut off is left out."""
    lines = []
    for text in path.read_text().splitlines():
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines
