"""Optimizers besides Keras' own: Muon for convolutions, and Adam with a clipped global gradient."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tempo_invariant.config import TrainingConfig
from tempo_invariant.model import replicas


class Muon(keras.optimizers.Muon):
    """Keras' Muon, which also takes the kernels of convolutions, as matrices to output channels.

    Jordan et al. 2024: the momentum of a matrix is replaced by the orthogonal matrix nearest to it.
    Scaled as in Liu et al. 2025 (arXiv:2502.16982), `0.2 sqrt(larger side)`, a step has the size of
    one of Adam's, and rates carry over. Keras' own takes matrices only. As there, vectors and the
    last layer (the projection) are left to Adam.

    Args:
        learning_rate: Learning rate, or a schedule of it.
        weight_decay: Decoupled weight decay, for Adam's variables too.
        **options: Further arguments of `keras.optimizers.Muon`.
    """

    def __init__(
        self, learning_rate: Any = 0.001, weight_decay: float = 0.0, **options: Any
    ) -> None:
        options = {"adam_weight_decay": weight_decay} | options
        super().__init__(learning_rate, weight_decay=weight_decay, **options)

    def _should_use_adamw(self, variable: keras.Variable) -> bool:
        return len(variable.shape) < 2 or "projection" in variable.path

    def _muon_update_step(self, gradient: Any, variable: keras.Variable, lr: Any, m: Any) -> None:
        self.assign(m, self.momentum * m + gradient)
        ahead = gradient + self.momentum * m
        matrix = ops.reshape(ahead, (-1, variable.shape[-1]))
        step = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        size = lr * self.rms_rate * math.sqrt(max(matrix.shape))
        self.assign_sub(variable, size * ops.reshape(step, variable.shape))


class _Clipping(keras.optimizers.Optimizer):
    """Mixin for optimizers that shortens the gradient of the global batch to `longest`.

    Keras' `global_clipnorm` looks at the gradient of each replica alone, before their sum.
    """

    longest = math.inf

    def apply(self, grads: Sequence[Any], trainable_variables: Any = None) -> None:
        """Applies the gradients of this replica's share of the loss, clipped."""
        whole = replicas.global_sum([gradient for gradient in grads if gradient is not None])
        length = ops.sqrt(sum(ops.sum(ops.square(one)) for one in whole))
        factor = self.longest / ops.maximum(length, self.longest)
        grads = [None if gradient is None else gradient * factor for gradient in grads]
        super().apply(grads, trainable_variables)


# Keras names an operation after the class, which hence must not begin with an underscore.
class ClippedAdam(_Clipping, keras.optimizers.Adam):
    """Adam with the gradient of the global batch clipped."""


class ClippedAdamW(_Clipping, keras.optimizers.AdamW):
    """AdamW with the gradient of the global batch clipped."""


def _move_averages(
    optimizer: keras.optimizers.Optimizer, variables: Sequence[keras.Variable]
) -> None:
    """Moves the averages of the weights, in step n by no less than 9 / (n + 9) of the way.

    Keras' own begin with the weights after the first step, of which a share of `ema_momentum` to
    the number of steps would be left at the end.
    """
    steps = ops.cast(optimizer.iterations, "float32")
    kept = ops.minimum(optimizer.ema_momentum, steps / (steps + 9))
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(variables, averages, strict=True):
        average.assign(kept * average + (1 - kept) * variable)


def make_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """Makes Adam, AdamW or Muon, as configured.

    Args:
        training: Training configuration: optimizer, schedule, decay, clipping and averaging.
    """
    rate = _learning_rate(training)
    options: dict[str, Any] = {}
    if training.ema_momentum:
        options |= {"use_ema": True, "ema_momentum": training.ema_momentum}
    if training.optimizer == "adam":
        optimizer = (ClippedAdam if training.clip_norm else keras.optimizers.Adam)(rate, **options)
    else:
        adamw = ClippedAdamW if training.clip_norm else keras.optimizers.AdamW
        kind = Muon if training.optimizer == "muon" else adamw
        optimizer = kind(rate, weight_decay=training.weight_decay, **options)
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta", "log_scale"])
    if training.ema_momentum:
        optimizer._update_model_variables_moving_average = functools.partial(
            _move_averages, optimizer
        )
    if training.clip_norm:
        optimizer.longest = training.clip_norm
    return optimizer


def _learning_rate(
    training: TrainingConfig,
) -> float | keras.optimizers.schedules.LearningRateSchedule:
    """Returns a constant rate, or a warm-up and a cosine decay to zero."""
    if training.schedule != "cosine":
        return training.learning_rate
    steps = training.epochs * training.steps_per_epoch
    warmup = min(training.warmup_pairs // training.batch_size, steps - 1)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if warmup else training.learning_rate,
        decay_steps=steps - warmup,
        warmup_target=training.learning_rate if warmup else None,
        warmup_steps=warmup,
    )
