"""What a run directory says of its weights: evaluations, training, averaging."""

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

from tempo_invariant import json_objects
from tempo_invariant.config import Experiment
from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.metrics import COLUMNS
from tempo_invariant.files import sha256
from tempo_invariant.model import runs
from tempo_invariant.model.runs import RunDirectory
from tempo_invariant.training import sources

_LEFT_OUT = ("run", "data", "piece_results")
"""Entries of a report that are long or name files of the machine that wrote it."""


def evaluations(run: RunDirectory, weights: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Reads the reports of `python -m tempo_invariant.evaluate` about some weights of a run.

    Args:
        run: Run directory, which holds `evaluation-*.json`.
        weights: Weights file that the reports have to be about.

    Returns:
        The reports, the test split and the largest first, with the number of pieces from each of
        the `corpora` in place of file paths and single pieces; and the names of those that are
        about other weights.

    Raises:
        UserError: A report cannot be read.
    """
    wanted = sha256(weights)
    found, others = [], []
    for path in sorted(run.path.glob("evaluation-*.json")):
        about: _Report = json_objects.load(_Report, path, others=True)
        if about.weights_sha256 == wanted:
            corpora = Counter(map(sources.corpus, about.piece_results))
            report = json_objects.read(path) | {"corpora": dict(sorted(corpora.items()))}
            found.append((about.order, report))
        else:
            others.append(path.name)
    found.sort(key=lambda pair: pair[0])
    reports = [
        {key: value for key, value in report.items() if key not in _LEFT_OUT} for _, report in found
    ]
    return reports, others


@dataclasses.dataclass(frozen=True)
class _Report:
    """What the card needs to find in a report of an evaluation."""

    split: str
    pairs: int
    pieces: int
    tempo: float
    results: dict[str, dict[str, tuple[float, float, float]]]
    soundfont: str | None = None
    weights_sha256: str | None = None
    late_frames: int = 0
    future: float = 1.0
    piece_results: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.split not in schema.SPLITS:
            raise UserError(f"split must be one of {', '.join(schema.SPLITS)}")
        if any(set(COLUMNS) - set(values) for values in self.results.values()):
            raise UserError(f"results must have {', '.join(COLUMNS)}")

    @property
    def order(self) -> tuple:
        """Key by which reports are sorted."""
        split = ("test", "valid", "train").index(self.split)
        condition = abs(self.tempo - 1), self.soundfont or "", 1 - self.future, self.late_frames
        return split, -self.pairs, *condition


@dataclasses.dataclass(frozen=True)
class _Average:
    """What the card needs to find in the report of an averaging."""

    other: str
    kept: float
    weights_sha256: str | None = None


def training_summary(run: RunDirectory, experiment: Experiment) -> dict[str, Any]:
    """Summarises the training of a run, from its history.

    Returns:
        `pairs` and `epochs` trained, `best_epoch` and its validation `best_mrr`, and whether the
        training reached its `end`. What is unknown is None.
    """
    history = runs.read_history(run.history, ["epoch", "pairs", "val_mrr"])
    if not history:
        return dict.fromkeys(("pairs", "epochs", "best_epoch", "best_mrr", "end"))
    best = max(history, key=lambda line: line["val_mrr"])
    return {
        "pairs": history[-1]["pairs"],
        "epochs": history[-1]["epoch"],
        "best_epoch": best["epoch"],
        "best_mrr": best["val_mrr"],
        "end": _came_to_its_end(run, experiment, history[-1]["epoch"]),
    }


def averaging_summary(run: RunDirectory, weights: Path) -> dict[str, Any]:
    """Summarises the average that weights are, from the report of `tempo_invariant.average`.

    Returns:
        `other` and `share`, or nothing if these weights are no average.
    """
    if not run.averaging.exists():
        return {}
    report: _Average = json_objects.load(_Average, run.averaging, others=True)
    if report.weights_sha256 != sha256(weights):
        return {}
    return {"other": Path(report.other).name, "share": report.kept}


def _came_to_its_end(run: RunDirectory, experiment: Experiment, epochs: int) -> bool | None:
    if experiment.training.total_pairs and epochs >= experiment.training.epochs:
        return True
    try:
        state: _State = json_objects.load(_State, run.backup / "state.json", others=True)
    except UserError:
        return False if experiment.training.total_pairs else None
    return state.patience.action == "stop"


@dataclasses.dataclass(frozen=True)
class _Patience:
    action: str


@dataclasses.dataclass(frozen=True)
class _State:
    """What the card needs to find in the state of a training."""

    patience: _Patience
