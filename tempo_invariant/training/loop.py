"""Trains the model on records: strategy, optimizer, input, callbacks, and resuming."""

import contextlib
import math
import os
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from tempo_invariant import config
from tempo_invariant.config import Experiment, TrainingConfig
from tempo_invariant.data import pipeline
from tempo_invariant.data.corpus import Corpus, load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.model import replicas, runs
from tempo_invariant.model.losses import PairwiseRankingLoss, SoftmaxLoss
from tempo_invariant.model.network import (
    MOMENTUM,
    build_model,
    multiply_adds,
    parameters,
    size_line,
)
from tempo_invariant.model.runs import open_run
from tempo_invariant.training.callbacks import DIVERGED, Checkpoints, Patience, Report, Validation
from tempo_invariant.training.initial_weights import copy_weights
from tempo_invariant.training.optimizers import Muon
from tempo_invariant.training.tensorboard import Summaries

STRATEGIES = ("default", "mirrored", "multi_worker")


def train(experiment: Experiment, output: str | os.PathLike, strategy: str = "mirrored") -> dict:
    """Trains an experiment, or goes on with it where it was interrupted.

    A run that is started again after it was killed at any moment repeats the epoch that was
    running and nothing else, and ends like one that was not killed: pairs and augmentation are
    functions of the seed and the step.

    Args:
        experiment: model and training configuration.
        output: run directory; see `tempo_invariant.model.runs`.
        strategy: see `make_strategy`.

    Returns:
        `epochs` done, `best_epoch` and its `best_mrr`.

    Raises:
        UserError: data or the initial run are missing, the directory holds another experiment, the
            number of replicas does not divide the batch, or the loss is no longer finite.
    """
    training = experiment.training
    distribution = make_strategy(strategy)
    shares = distribution.num_replicas_in_sync if distribution else 1
    if training.batch_size % shares:
        raise UserError(f"batch_size {training.batch_size} cannot be split over {shares} replicas")
    corpora = [load_corpus(Path(training.data), split) for split in ("train", "valid")]
    chief = is_chief(distribution)
    run = open_run(output, experiment, write=chief)

    keras.config.set_dtype_policy(mixed_policy() if training.mixed_precision else "float32")
    initial = runs.load_model(training.initial_run) if training.initial_run else None
    keras.utils.set_random_seed(training.seed)
    with distribution.scope() if distribution else contextlib.nullcontext():
        # Statistics of the batches are averaged over as many steps as the weights.
        momentum = max(MOMENTUM, training.ema_momentum)
        model = build_model(experiment.model, synchronized=shares > 1, momentum=momentum)
        if initial is not None:
            untouched = copy_weights(model, initial)
            if chief and untouched:
                print(f"not in the initial run, hence random: {', '.join(untouched)}", flush=True)
        compile_model(model, training)
    # Outside the strategy: validates, and saves weights without optimizer state.
    copy = build_model(experiment.model)

    patience = make_patience(training)
    checkpoints = Checkpoints(run, patience, copy, write=chief)
    done = checkpoints.restore(model)
    if chief:
        print(f"model: {size_line(parameters(copy), multiply_adds(copy))}", flush=True)
    if done < training.epochs and patience.action != "stop":
        valid, pairs = pipeline.eval_dataset(
            corpora[1],
            training.batch_size,
            experiment.model.frames,
            limit=training.validation_pairs,
        )
        validation = Validation(copy, valid, patience, synchronizer(distribution))
        report = Report(
            run.history, training.batch_size, training.steps_per_epoch, patience, write=chief
        )
        report.restore(done)
        callbacks: list[keras.callbacks.Callback] = [validation]
        if chief:
            callbacks.append(Summaries(run.logs, validation, pairs, training.epoch_pairs))
        with divergence_as_user_error():
            model.fit(
                training_dataset(experiment, corpora[0], done),
                steps_per_epoch=training.steps_per_epoch,
                initial_epoch=done,
                epochs=training.epochs,
                callbacks=[*callbacks, report, checkpoints],
                shuffle=False,
                verbose=0,
            )
        done = checkpoints.epochs
    return {"epochs": done, "best_epoch": patience.best_epoch, "best_mrr": patience.best}


def make_strategy(name: str) -> tf.distribute.Strategy | None:
    """Makes the strategy by which TensorFlow distributes training.

    Args:
        name: "mirrored" (all GPUs of this machine, else its CPU), "default" (one device) or
            "multi_worker" (the cluster described in the environment's `TF_CONFIG`; the run
            directory must be on a file system that all workers share).

    Returns:
        A strategy, or None for one device, as on every other backend of Keras.

    Raises:
        UserError: several workers on a backend other than TensorFlow.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {STRATEGIES}, received {name!r}")
    backend = keras.backend.backend()
    tf.get_logger().setLevel("WARNING")
    if name == "multi_worker":
        if backend != "tensorflow":
            raise UserError(f"strategy multi_worker needs the tensorflow backend, not {backend}")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "default" or backend != "tensorflow":
        return None
    return tf.distribute.MirroredStrategy()


def is_chief(distribution: tf.distribute.Strategy | None) -> bool:
    """Whether this process writes checkpoints and logs."""
    resolver = distribution.cluster_resolver if distribution else None
    return (
        resolver is None
        or not resolver.task_type
        or (resolver.task_type in ("chief", "worker") and resolver.task_id == 0)
    )


def synchronizer(distribution: tf.distribute.Strategy | None):
    """A function from this worker's value to the mean over workers.

    Workers validate the same pairs with the same weights, but not to the last bit; a decision
    about when to stop must not differ between them.
    """
    if not isinstance(distribution, tf.distribute.MultiWorkerMirroredStrategy):
        return float

    return lambda value: float(distribution.reduce("MEAN", tf.constant(value), axis=None))


def mixed_policy() -> str:
    """Half precision with loss scaling on GPUs, bfloat16 elsewhere."""
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"


def compile_model(model: keras.Model, training: TrainingConfig) -> None:
    """Binds loss and optimizer to a model and makes the optimizer's variables."""
    if training.loss == "softmax":
        loss = SoftmaxLoss()
    else:
        loss = PairwiseRankingLoss(margin=training.margin, symmetric=training.symmetric)
    # XLA under TensorFlow has no fast decompositions for the CCA layer; JAX has no other way.
    jit = keras.backend.backend() != "tensorflow"
    model.compile(optimizer=make_optimizer(training), loss=loss, jit_compile=jit)
    model.optimizer.build(model.trainable_variables)
    if isinstance(tf.distribute.get_strategy(), tf.distribute.MultiWorkerMirroredStrategy):
        _fit_for_workers(model)


def _fit_for_workers(model: keras.Model) -> None:
    """Mends two things that Keras 3.15 gets wrong in `fit` under several workers.

    It averages a batch over the workers to see its shape, which the strategy refuses for more
    than one tensor (the model is built: there is nothing to see); and it averages the logs over
    their first axis, which a scalar lacks.
    """
    step = model.train_step
    model._maybe_symbolic_build = lambda **unused: None
    model.train_step = lambda data: {name: value[None] for name, value in step(data).items()}


class _Clipping(keras.optimizers.Optimizer):
    """Mixed into an optimizer: shortens the gradient of the global batch to `longest`.

    `global_clipnorm` of Keras looks at the gradient of each replica alone, before their sum.
    """

    longest = math.inf

    def apply(self, grads, trainable_variables=None):
        """Applies gradients as Keras does; those of this replica's share of the loss."""
        whole = replicas.global_sum([gradient for gradient in grads if gradient is not None])
        length = keras.ops.sqrt(sum(keras.ops.sum(keras.ops.square(one)) for one in whole))
        factor = self.longest / keras.ops.maximum(length, self.longest)
        grads = [None if gradient is None else gradient * factor for gradient in grads]
        super().apply(grads, trainable_variables)


# Keras makes the name of an operation of the name of a class: no underscore in front.
class ClippedAdam(_Clipping, keras.optimizers.Adam):
    """Adam with the gradient of the global batch clipped."""


class ClippedAdamW(_Clipping, keras.optimizers.AdamW):
    """AdamW with the gradient of the global batch clipped."""


def make_optimizer(training: TrainingConfig) -> keras.optimizers.Optimizer:
    """Adam, AdamW or Muon, at a constant rate or with warm-up and cosine decay to zero."""
    rate: Any = training.learning_rate
    if training.schedule == "cosine":
        steps = training.epochs * training.steps_per_epoch
        warmup = min(training.warmup_pairs // training.batch_size, steps - 1)
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=0.0 if warmup else rate,
            decay_steps=steps - warmup,
            warmup_target=rate if warmup else None,
            warmup_steps=warmup,
        )
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
    if training.clip_norm:
        optimizer.longest = training.clip_norm
    return optimizer


def make_patience(training: TrainingConfig) -> Patience:
    """The published rounds; the cosine schedule has a fixed length and goes through with it."""
    if training.schedule == "cosine":
        return Patience(first=None)
    return Patience(training.patience, training.round_patience, training.rounds)


def training_dataset(experiment: Experiment, corpus: Corpus, epochs_done: int) -> tf.data.Dataset:
    """Endless batches for `fit`, beginning with those of the first epoch not done."""
    training = experiment.training
    dataset = pipeline.train_dataset(
        corpus,
        training.batch_size,
        experiment.model.frames,
        config.Augmentation(**training.augmentation),
        training.seed,
        start_step=epochs_done * training.steps_per_epoch,
        passage_pairs=training.passage_pairs,
    )
    # The model's output is all that the loss needs: Keras only wants something as a target.
    dataset = dataset.map(lambda pair: (pair, tf.zeros([training.batch_size])))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)


@contextlib.contextmanager
def divergence_as_user_error():
    """Turns TensorFlow's complaint about numbers that are not finite into one line."""
    try:
        yield
    except tf.errors.InvalidArgumentError as error:
        if "NaN" not in error.message and "Inf" not in error.message:
            raise
        raise UserError(DIVERGED) from error
