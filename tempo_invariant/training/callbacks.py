"""Callbacks of training: validation, rounds, checkpoints, and the report of every epoch."""

import dataclasses
import json
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tempo_invariant import json_objects, progress
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.metrics import CUTOFFS, retrieval_metrics
from tempo_invariant.files import atomic_write, write_json
from tempo_invariant.model import runs
from tempo_invariant.model.network import audio_encoder

MONITORED = "val_mrr"
"""The logged value by which epochs are compared; higher is better."""

DIVERGED = "training diverged: the loss is no longer a finite number; try a lower learning_rate"


def evaluation_weights(model: keras.Model) -> list[np.ndarray]:
    """Returns the weights by which a model in training is judged, in the order of `get_weights`.

    They are averages over the steps if the optimizer keeps them (`use_ema`), else the newest.

    Args:
        model: Compiled model, its optimizer built on all its trainable weights.
    """
    optimizer = getattr(model.optimizer, "inner_optimizer", model.optimizer)
    if not optimizer.use_ema:
        return model.get_weights()
    averages = optimizer._model_variables_moving_average  # as Keras' own SwapEMAWeights does
    chosen = {id(weight): weight for weight in model.weights}
    chosen |= {
        id(weight): average
        for weight, average in zip(model.trainable_weights, averages, strict=True)
    }
    return [weight.numpy() for weight in chosen.values()]


@dataclasses.dataclass
class Patience:
    """Early stopping in rounds, as published: the decisions alone.

    Training waits `first` epochs for a better value. Then it goes back to the best weights with
    the learning rate halved and waits `later` epochs, `rounds` times. With `first` None it never
    goes back and never stops.

    Attributes:
        first: Number of epochs to wait before the first round; None: for ever.
        later: Number of epochs to wait in a round.
        rounds: Number of rounds.
        best: Best value so far.
        best_epoch: Epoch, counted from 1, that had it; 0 before the first.
        waited: Number of epochs since then, or since the round began.
        round: Number of rounds begun.
        action: Action that the last `update` asked for.
    """

    first: int | None = 60
    later: int = 10
    rounds: int = 5
    best: float = -math.inf
    best_epoch: int = 0
    waited: int = 0
    round: int = 0
    action: str = "none"

    def update(self, epoch: int, value: float) -> str:
        """Takes in the value of an epoch.

        Returns:
            "best" (save these weights), "wait", "restart" (go back to the best weights, halve
            the learning rate) or "stop".
        """
        self.waited += 1
        limit = self.later if self.round else self.first
        if value > self.best:
            self.best, self.best_epoch, self.waited = value, epoch, 0
            self.action = "best"
        elif limit is None or self.waited < limit:
            self.action = "wait"
        elif self.round < self.rounds:
            self.round += 1
            self.waited = 0
            self.action = "restart"
        else:
            self.action = "stop"
        return self.action

    def state(self) -> dict[str, Any]:
        """Returns the attributes that have to survive an interruption."""
        names = ("best", "best_epoch", "waited", "round", "action")
        return {name: getattr(self, name) for name in names}

    def restore(self, state: dict[str, Any]) -> None:
        """Takes `state()` back."""
        for name, value in state.items():
            setattr(self, name, value)


class Validation(keras.callbacks.Callback):
    """Ranks fixed validation pairs after every epoch and logs R@k and MRR, audio to sheet.

    The embeddings are computed by a copy of the model outside of any distribution strategy, with
    the current weights, so that every number of replicas gives the same value.

    Args:
        copy: Untrained model of the same configuration.
        dataset: Finite dataset of batches of pairs, always the same.
        patience: Patience to tell the MRR.
        synchronize: Function from the value of this worker to one that all workers agree on.

    Attributes:
        embeddings: Embeddings of the last validation, `[pairs, 2, size]`.
        attention: Attention weights of the last validation, `[pairs, frames]`.
    """

    def __init__(
        self,
        copy: keras.Model,
        dataset: tf.data.Dataset,
        patience: Patience,
        synchronize: Callable[[float], float] = float,
    ) -> None:
        super().__init__()
        self.copy = copy
        self.dataset = dataset
        self.patience = patience
        self.synchronize = synchronize
        outputs = {"embedding": copy.output, "attention": audio_encoder(copy).output["attention"]}
        self.probe = keras.Model(copy.input, outputs)
        self.embeddings: Any = None
        self.attention: Any = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if not math.isfinite(logs["loss"]):
            raise UserError(DIVERGED)
        self.copy.set_weights(evaluation_weights(self.model))
        outputs = self.probe.predict(self.dataset, verbose=0)
        self.embeddings, self.attention = outputs["embedding"], outputs["attention"]
        metrics = retrieval_metrics(self.embeddings[:, 1], self.embeddings[:, 0])
        logs.update({f"val_{name}": float(value) for name, value in metrics.items()})
        logs[MONITORED] = self.synchronize(logs[MONITORED])
        logs["learning_rate"] = float(
            keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)
        )
        if any(layer.name == "temperature" for layer in self.copy.layers):
            logs["temperature"] = self.copy.get_layer("temperature").temperature()
        self.patience.update(epoch + 1, logs[MONITORED])


class Checkpoints(keras.callbacks.Callback):
    """Makes a run resumable at the end of each epoch, keeps the best weights, begins rounds.

    `backup/` holds the weights and optimizer state of the last and of the best epoch. Their names
    and the state of `patience` are in `backup/state.json`. A checkpoint comes into being when that
    file is replaced, in one step: a process killed at any time leaves the previous one whole.

    It must be the last callback: what the others write belongs to the epoch that it commits.

    Args:
        run: Run directory to write to.
        patience: Patience that has been told this epoch's value.
        copy: Uncompiled model through which the best weights are saved, without optimizer state.
        write: Whether this process writes; False in every worker but the chief.

    Attributes:
        epochs: Number of epochs done.
    """

    def __init__(
        self,
        run: runs.RunDirectory,
        patience: Patience,
        copy: keras.Model,
        write: bool = True,
    ) -> None:
        super().__init__()
        self.run = run
        self.patience = patience
        self.copy = copy
        self.write = write
        self.state_path = run.backup / "state.json"
        self.epochs = 0

    def restore(self, model: keras.Model) -> None:
        """Brings a compiled model and `patience` to where the run was; a new run stays as it is."""
        if not self.state_path.exists():
            return
        state = self._read_state()
        self.patience.restore(dataclasses.asdict(state.patience))
        runs.load_weights(model, self.run.backup / state.best)
        self._publish(model)
        runs.load_weights(model, self.run.backup / state.last)
        self.epochs = state.epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        action = self.patience.action
        if action == "restart":
            # A checkpoint holds the optimizer's moments too, so the round begins where the best
            # epoch ended; only the rate differs.
            runs.load_weights(self.model, self.run.backup / self._read_state().best)
            self.model.optimizer.learning_rate = logs["learning_rate"] / 2
        elif action == "stop":
            self.model.stop_training = True
        self.epochs = epoch + 1
        if self.write:
            self._commit(self.epochs)
            if action == "best":
                self._publish(self.model)

    def _commit(self, epoch: int) -> None:
        last = f"epoch-{epoch:05d}.weights.h5"
        runs.save_weights(self.model, self.run.backup / last)
        best = f"epoch-{self.patience.best_epoch:05d}.weights.h5"
        state = {"epoch": epoch, "last": last, "best": best, "patience": self.patience.state()}
        write_json(self.state_path, state)
        for path in self.run.backup.glob("*.weights.h5"):
            if path.name not in (last, best):
                path.unlink()

    def _publish(self, model: keras.Model) -> None:
        self.copy.set_weights(evaluation_weights(model))
        runs.save_weights(self.copy, self.run.best)

    def _read_state(self) -> "_State":
        return json_objects.load(_State, self.state_path)


@dataclasses.dataclass(frozen=True)
class _PatienceState:
    """What `Patience.state` returns."""

    best: float
    best_epoch: int
    waited: int
    round: int
    action: str


@dataclasses.dataclass(frozen=True)
class _State:
    """The content of `backup/state.json`."""

    epoch: int
    last: str
    best: str
    patience: _PatienceState


class EpochReport(keras.callbacks.Callback):
    """Shows progress in pairs a second; prints and appends to `history.jsonl` a line per epoch.

    Args:
        history: Path of the history.
        batch_size: Number of pairs in a step.
        steps: Number of steps in an epoch.
        patience: Patience that tells which epochs were the best so far.
        write: Whether this process writes; False in every worker but the chief.
    """

    def __init__(
        self, history: Path, batch_size: int, steps: int, patience: Patience, write: bool = True
    ) -> None:
        super().__init__()
        self.history = history
        self.batch_size = batch_size
        self.steps = steps
        self.patience = patience
        self.write = write

    def restore(self, epochs: int) -> None:
        """Keeps the lines of the first `epochs` epochs of an interrupted run."""
        if self.history.exists() and self.write:
            kept = runs.read_history(self.history)[:epochs]
            with atomic_write(self.history) as temporary:
                temporary.write_text("".join(json.dumps(line) + "\n" for line in kept), "utf-8")

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self.begun = time.monotonic()
        text, pairs = f"epoch {epoch + 1}, pairs", self.steps * self.batch_size
        self.bar = progress.track(text=text, total=pairs, keep=False, shown=self.write)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if batch + 1 == self.steps:
            self.trained = time.monotonic()
        if self.bar.update(self.batch_size):
            self.bar.set_postfix(loss=f"{float(logs['loss']):.4f}", refresh=False)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        pairs = self.steps * self.batch_size
        logs["pairs_per_second"] = pairs / (self.trained - self.begun)
        logs["seconds"] = time.monotonic() - self.begun
        self.bar.close()
        if not self.write:
            return
        line = {"epoch": epoch + 1, "pairs": (epoch + 1) * pairs}
        line.update({name: float(value) for name, value in logs.items()})
        with self.history.open("a") as stream:
            stream.write(json.dumps(line) + "\n")
        print(self._line(line), flush=True)

    def _line(self, line: dict[str, Any]) -> str:
        note = {"best": "best", "restart": "back to the best", "stop": "stopping"}
        recalls = "  ".join(f"R@{k} {100 * line[f'val_r@{k}']:.1f}" for k in CUTOFFS)
        return (
            f"epoch {line['epoch']:4d}  {line['pairs']:9,d} pairs  loss {line['loss']:.4f}  "
            f"MRR {line['val_mrr']:.3f}  {recalls}  "
            f"rate {line['learning_rate']:.2g}  {line['pairs_per_second']:.0f} pairs/s  "
            f"{note.get(self.patience.action, '')}".rstrip()
        )
