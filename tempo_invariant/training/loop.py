"""Trains the model on records: model, input, callbacks, and resuming."""

import contextlib
import os
from typing import Any

import keras
import tensorflow as tf

from tempo_invariant.config import Experiment, TrainingConfig
from tempo_invariant.data import pipeline, schema
from tempo_invariant.data.corpus import Corpus, load_corpus
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.losses import PairwiseRankingLoss, SoftmaxLoss
from tempo_invariant.model.network import (
    MOMENTUM,
    build_model,
    multiply_adds,
    parameters,
    size_line,
)
from tempo_invariant.model.runs import RunDirectory
from tempo_invariant.training.callbacks import (
    DIVERGED,
    Checkpoints,
    EpochReport,
    Patience,
    Validation,
)
from tempo_invariant.training.distribution import (
    is_chief,
    make_strategy,
    mixed_policy,
    replica_count,
    synchronizer,
)
from tempo_invariant.training.initial_weights import copy_weights
from tempo_invariant.training.optimizers import make_optimizer
from tempo_invariant.training.requirements import check, find_teacher
from tempo_invariant.training.teaching import teach
from tempo_invariant.training.tensorboard import Summaries

LONGEST_MOMENTUM = 0.999
"""The most that statistics of the batches keep in a step: after a tenth of a training of average
length, nothing is left of their first values."""


def train(
    experiment: Experiment, output: str | os.PathLike, strategy: str = "mirrored"
) -> dict[str, Any]:
    """Trains an experiment, or continues it where it was interrupted.

    A run that was killed, at any moment, repeats the epoch that was running and nothing else, and
    ends as if it had not been killed: pairs and augmentation depend on seed and step alone. Of
    several directories of records, the first validates: what is added to the training then leaves
    the measure of it as it was.

    Args:
        experiment: Model and training configuration.
        output: Run directory, see `tempo_invariant.model.runs`.
        strategy: Name of the distribution strategy, see `make_strategy`.

    Returns:
        The `epochs` done, the `best_epoch` and its `best_mrr`.

    Raises:
        UserError: Data, the initial run or the teacher are missing or do not fit, the directory
            holds another experiment, the number of replicas does not divide the batch, or the loss
            is no longer finite.
    """
    training = experiment.training
    distribution = make_strategy(strategy)
    shares = replica_count(distribution)
    if training.batch_size % shares:
        raise UserError(
            f"batch_size must be a multiple of the {shares} replicas, received "
            f"{training.batch_size}"
        )
    check(experiment, output)  # before anything slow begins
    corpus = load_corpus(training.data, "train", weights=training.data_weights)
    valid = load_corpus(schema.directories(training.data)[0], "valid")
    chief = is_chief(distribution)
    run = open_run(output, experiment, write=chief)
    model = first_model(experiment, distribution)
    copy = build_model(experiment.model)  # outside the strategy: validates, and saves weights
    patience = make_patience(training)
    checkpoints = Checkpoints(run, patience, copy, write=chief)
    checkpoints.restore(model)
    if chief:
        print(f"model: {size_line(parameters(copy), multiply_adds(copy))}", flush=True)
    if checkpoints.epochs < training.epochs and patience.action != "stop":
        reports = _reports(experiment, valid, checkpoints, distribution)
        _fit(model, experiment, corpus, [*reports, checkpoints], checkpoints.epochs)
    epochs = checkpoints.epochs
    return {"epochs": epochs, "best_epoch": patience.best_epoch, "best_mrr": patience.best}


def _fit(
    model: keras.Model,
    experiment: Experiment,
    corpus: Corpus,
    callbacks: list[keras.callbacks.Callback],
    epochs_done: int,
) -> None:
    training = experiment.training
    try:
        model.fit(
            training_dataset(experiment, corpus, epochs_done),
            steps_per_epoch=training.steps_per_epoch,
            initial_epoch=epochs_done,
            epochs=training.epochs,
            callbacks=callbacks,
            shuffle=False,
            verbose=0,
        )
    except tf.errors.InvalidArgumentError as error:  # TensorFlow's checks of finite numbers
        if "NaN" not in error.message and "Inf" not in error.message:
            raise
        raise UserError(DIVERGED) from error


def open_run(path: str | os.PathLike, experiment: Experiment, write: bool = True) -> RunDirectory:
    """Makes the directory of a run, or opens it to continue the same experiment.

    Args:
        path: Run directory.
        experiment: Experiment that is about to be trained.
        write: Whether this process writes; False in every worker but the chief.

    Raises:
        UserError: The directory holds another experiment.
    """
    run = RunDirectory(path)
    runs.check_continued(path, experiment)
    if write:
        with atomic_write(run.experiment) as temporary:
            temporary.write_text(experiment.to_json())
    return run


def first_model(experiment: Experiment, distribution: tf.distribute.Strategy | None) -> keras.Model:
    """Builds and compiles the model that training begins with, its weights random or copied.

    Args:
        experiment: Model and training configuration.
        distribution: Strategy over whose devices the model is spread; None: one device.

    Raises:
        UserError: The initial run or the teacher is missing or of another model.
    """
    training = experiment.training
    keras.config.set_dtype_policy(mixed_policy() if training.mixed_precision else "float32")
    begun = training.initial_run
    initial = runs.load_model(pretrained.locate(begun)) if begun else None
    keras.utils.set_random_seed(training.seed)
    with distribution.scope() if distribution else contextlib.nullcontext():
        # Statistics of the batches are averaged over as many steps as the weights, but forget that
        # they began as those of no batch.
        momentum = max(MOMENTUM, min(training.ema_momentum, LONGEST_MOMENTUM))
        synchronized = replica_count(distribution) > 1
        model = build_model(experiment.model, synchronized=synchronized, momentum=momentum)
        if initial is not None:
            untouched = copy_weights(model, initial)
            if is_chief(distribution) and untouched:
                print(f"not in the initial run, hence random: {', '.join(untouched)}", flush=True)
        compile_model(model, training)
        if training.teacher:
            teacher = runs.load_model(find_teacher(experiment))
            teach(model, teacher, training.teacher_weight)
    return model


def _reports(
    experiment: Experiment,
    corpus: Corpus,
    checkpoints: Checkpoints,
    distribution: tf.distribute.Strategy | None,
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that validate and report every epoch, before its checkpoint."""
    training, run, patience = experiment.training, checkpoints.run, checkpoints.patience
    valid, pairs = pipeline.eval_dataset(
        corpus, training.batch_size, experiment.model.frames, limit=training.validation_pairs
    )
    validation = Validation(checkpoints.copy, valid, patience, synchronizer(distribution))
    line = EpochReport(
        run.history,
        training.batch_size,
        training.steps_per_epoch,
        patience,
        write=checkpoints.write,
    )
    line.restore(checkpoints.epochs)
    if not checkpoints.write:
        return [validation, line]
    return [validation, Summaries(run.logs, validation, pairs, training.epoch_pairs), line]


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

    It averages a batch over the workers to learn its shape, which the strategy refuses for more
    than one tensor and a built model does not need; and it averages the logs over their first axis,
    which a scalar lacks.
    """
    step = model.train_step
    model._maybe_symbolic_build = lambda **unused: None
    model.train_step = lambda data: {name: value[None] for name, value in step(data).items()}


def make_patience(training: TrainingConfig) -> Patience:
    """Returns the published rounds; the cosine schedule has a fixed length and no rounds."""
    if training.schedule == "cosine":
        return Patience(first=None)
    return Patience(training.patience, training.round_patience, training.rounds)


def training_dataset(experiment: Experiment, corpus: Corpus, epochs_done: int) -> tf.data.Dataset:
    """Makes endless batches for `fit`, from those of the first epoch not done."""
    training = experiment.training
    dataset = pipeline.train_dataset(
        corpus,
        training.batch_size,
        experiment.model.frames,
        training.augmentation,
        training.seed,
        start_step=epochs_done * training.steps_per_epoch,
        passage_pairs=training.passage_pairs,
    )
    # The loss needs the model's output alone, but Keras insists on a target.
    dataset = dataset.map(lambda pair: (pair, tf.zeros([training.batch_size])))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return dataset.with_options(options)
