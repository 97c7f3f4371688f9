"""What a training needs, told before anything slow begins: TensorFlow is not loaded for it."""

import os
from collections.abc import Callable

from tempo_invariant.config import Experiment
from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.model import choices, runs

_SHARED = ("embedding_size", "frames", "staves")
"""Fields of the model in which teacher and student must agree, to be shown the same pairs."""


def requirements(
    experiment: Experiment, output: str | os.PathLike
) -> dict[str, Callable[[], object]]:
    """Returns by the name of each setting a function that raises `UserError` for what is wrong.

    Args:
        experiment: Model and training configuration.
        output: Run directory.
    """
    training = experiment.training
    needed: dict[str, Callable[[], object]] = {}
    if training.teacher:
        needed["teacher"] = lambda: find_teacher(experiment)
    if training.initial_run:
        needed["initial_run"] = lambda: choices.locate(training.initial_run)
    return needed | {
        "data": lambda: schema.check_data(training.data, experiment.model.staves),
        "data_weights": lambda: schema.check_weights(training.data, training.data_weights),
        "output": lambda: runs.check_continued(output, experiment),
    }


def check(experiment: Experiment, output: str | os.PathLike) -> None:
    """Makes sure of all `requirements`; raises `UserError` for the first that is not met."""
    for fulfil in requirements(experiment, output).values():
        fulfil()


def find_teacher(experiment: Experiment) -> str:
    """Returns the directory of an experiment's teacher.

    Raises:
        UserError: It is no run with weights and no model that ships, or its model and that of the
            experiment differ in the size of the embeddings or in what they are shown.
    """
    name = experiment.training.teacher
    directory = choices.locate(name)
    teacher = runs.load_experiment(directory).model
    for field in _SHARED:
        found, needed = getattr(teacher, field), getattr(experiment.model, field)
        if found != needed:
            raise UserError(
                f"{name} has {field} {found}, and the model that it is to teach {needed}: they "
                "must be the same"
            )
    return directory


def check_refinement(experiment: Experiment, run: str | os.PathLike) -> None:
    """Raises `UserError` if the projection of a run is no CCA."""
    if experiment.model.projection != "cca":
        raise UserError(f"{run} has a {experiment.model.projection} projection: nothing to refit")


def check_averaging(
    experiment: Experiment, run: str | os.PathLike, other: str | os.PathLike | None
) -> str:
    """Returns what a run is to be averaged with.

    Args:
        experiment: Experiment of the run.
        run: Run directory.
        other: Another run, or a model that ships; None: the one whose weights it began with.

    Raises:
        UserError: There is no other, or the projection is a CCA.
    """
    if experiment.model.projection == "cca":
        raise UserError(f"{run} has a CCA, which is of its own encoders alone: nothing to average")
    other = other or experiment.training.initial_run
    if not other:
        raise UserError(f"other must be another run: {run} began with random weights")
    return str(other)
