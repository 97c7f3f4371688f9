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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tempo_invariant.config import ModelConfig
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write

SCHEDULES = ("published", "cosine")
OPTIMIZERS = ("adam", "adamw", "muon")
LOSSES = ("ranking", "softmax")
RESUMABLE_FIELDS = ("data",)
"""Training fields that may differ when a run is continued: they change no trajectory."""


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained; everything but the model that its weights depend on.

    Attributes:
        data: directory of TFRecord shards.
        batch_size: pairs a step, over all replicas.
        passage_pairs: so many pairs of a batch are of one performance, near each other; see
            `tempo_invariant.pipeline.pair_chooser`. 1: each is drawn by itself, as published.
        epoch_pairs: random pairs after which the model is validated and saved.
        total_pairs: pairs after which training ends; 0: when the rounds are used up.
        schedule: "published" (constant rate, then rounds from the best weights with the rate
            halved) or "cosine" (linear warm-up, then cosine decay over `total_pairs`).
        patience: epochs without a better validation MRR before the first round.
        rounds: number of rounds.
        round_patience: epochs without a better validation MRR before the next round.
        warmup_pairs: length of the warm-up of the cosine schedule.
        optimizer: "adam", "adamw" or "muon" (see `tempo_invariant.muon`).
        learning_rate: rate at the start, or at the top of the cosine.
        weight_decay: decoupled decay of AdamW and Muon.
        clip_norm: longest gradient, over all weights and replicas; 0: any. Not for Muon, whose
            steps have the same size whatever the gradient's.
        ema_momentum: share that the average of the weights keeps each step; the averages are what
            is validated and published; 0: no averages.
        loss: "ranking" (pairwise hinge) or "softmax" (cross-entropy of the partner in both
            directions, at a learned temperature).
        margin: gamma of the ranking loss.
        symmetric: whether the ranking loss also ranks sheets for a given audio excerpt.
        validation_pairs: pairs of the validation split that are ranked after every epoch.
        mixed_precision: whether the convolutions compute in 16 bits.
        initial_run: run directory with whose weights training begins; empty: with random ones.
        seed: of the initial weights, the pairs and their augmentation.
        augmentation: fields of `tempo_invariant.pipeline.Augmentation`.
    """

    data: str = "data/records"
    batch_size: int = 100
    passage_pairs: int = 1
    epoch_pairs: int = 10_000
    total_pairs: int = 0
    schedule: str = "published"
    patience: int = 60
    rounds: int = 5
    round_patience: int = 10
    warmup_pairs: int = 5_000
    optimizer: str = "adam"
    learning_rate: float = 0.002
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    ema_momentum: float = 0.0
    loss: str = "ranking"
    margin: float = 0.7
    symmetric: bool = False
    validation_pairs: int = 1_000
    mixed_precision: bool = False
    initial_run: str = ""
    seed: int = 0
    augmentation: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        if not 2 <= self.batch_size <= self.epoch_pairs:
            raise UserError(
                f"batch_size must be between 2 and epoch_pairs ({self.epoch_pairs}), "
                f"received {self.batch_size}"
            )
        if self.passage_pairs < 1 or self.batch_size % self.passage_pairs:
            raise UserError(
                f"passage_pairs must divide batch_size ({self.batch_size}), "
                f"received {self.passage_pairs}"
            )
        if self.schedule not in SCHEDULES:
            raise UserError(f"schedule must be one of {SCHEDULES}, received {self.schedule!r}")
        if self.optimizer not in OPTIMIZERS:
            raise UserError(f"optimizer must be one of {OPTIMIZERS}, received {self.optimizer!r}")
        if self.schedule == "cosine" and self.total_pairs <= 0:
            raise UserError("the cosine schedule needs total_pairs, its length")
        if self.learning_rate <= 0:
            raise UserError(f"learning_rate must be positive, received {self.learning_rate}")
        if self.clip_norm < 0:
            raise UserError(f"clip_norm must not be negative, received {self.clip_norm}")
        if self.clip_norm and self.optimizer == "muon":
            raise UserError("clip_norm is not for muon, whose steps have one size")
        if not 0 <= self.ema_momentum < 1:
            raise UserError(f"ema_momentum must be in [0, 1), received {self.ema_momentum}")
        if self.loss not in LOSSES:
            raise UserError(f"loss must be one of {LOSSES}, received {self.loss!r}")

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch."""
        return self.epoch_pairs // self.batch_size

    @property
    def epochs(self) -> int:
        """Epochs that make up `total_pairs`, rounded up; a million without a limit."""
        if not self.total_pairs:
            return 1_000_000
        return -(-self.total_pairs // (self.steps_per_epoch * self.batch_size))


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A model and its training: what `experiment.json` holds."""

    model: ModelConfig
    training: TrainingConfig

    def __post_init__(self):
        temperature = self.model.temperature
        if (self.training.loss == "softmax") != (temperature > 0):
            raise UserError(
                "the softmax loss, and no other, needs a model with a temperature > 0; received "
                f"loss {self.training.loss} and temperature {temperature:g}"
            )
        if self.training.ema_momentum and self.model.projection == "cca":
            raise UserError(
                "averaged weights (ema_momentum) need the linear projection: a CCA fits the newest "
                "weights, not their averages"
            )

    @property
    def next_command(self) -> str:
        """The command that makes the most of what was trained."""
        if self.model.projection == "cca":
            return "refine"
        return "average" if self.training.initial_run else "evaluate"

    def to_json(self) -> str:
        """Both configurations as indented JSON."""
        return json.dumps(dataclasses.asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> "Experiment":
        """The inverse of `to_json`.

        Raises:
            UserError: when a field is unknown, missing or out of range.
        """
        try:
            fields = json.loads(text)
            return cls.from_fields(fields["model"], fields["training"])
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"not an experiment: {error}") from error

    @classmethod
    def from_fields(cls, model: Mapping[str, Any], training: Mapping[str, Any]) -> "Experiment":
        """Makes an experiment of the fields of both configurations.

        Raises:
            UserError: when a field is unknown, missing or out of range.
        """
        try:
            return cls(ModelConfig.from_dict(dict(model)), TrainingConfig(**training))
        except (ValueError, TypeError) as error:
            raise UserError(str(error)) from error

    def differences(self, other: "Experiment") -> list[str]:
        """Names the fields in which continuing `self` as `other` would change the result."""
        free = set(RESUMABLE_FIELDS)
        if self.training.schedule == "published":
            free.add("total_pairs")
        found = []
        for part in ("model", "training"):
            before = json.loads(self.to_json())[part]
            after = json.loads(other.to_json())[part]
            for name in sorted(set(before) | set(after)):
                if name not in free and before.get(name) != after.get(name):
                    found.append(f"{name} was {before.get(name)} and is now {after.get(name)}")
        return found


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


def check_data(path: str | os.PathLike) -> None:
    """Makes sure that there are records, before anything slow begins.

    Raises:
        UserError: when there are none; says how to make them.
    """
    if not (Path(path) / "dataset_info.json").exists():
        raise UserError(
            f"no records in {path}; make them with: python -m tfrecords_tools.convert "
            f"--msmd=DIR --output={path} (DIR: MSMD, or what python -m tfrecords_tools.build_msmd "
            "makes of LilyPond scores)"
        )


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
        A `keras.Model`, as `tempo_invariant.model.build_model` makes it.

    Raises:
        UserError: when the directory or the weights are missing or do not fit.
    """
    from tempo_invariant.model import build_model

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
        reason = " ".join(str(error).split())[:200]
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
