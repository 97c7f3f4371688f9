"""Whether there is a model that a command is to use, told before TensorFlow is loaded."""

import os
from pathlib import Path

from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained, runs
from tempo_invariant.model.versions import newest


def check(kind: str, name: str, weights: str | None = None) -> None:
    """Makes sure that a model is there; of one at a server, nothing is asked.

    Args:
        kind: "run", "pretrained", "export" or "server".
        name: Directory of a training run, name of a model that ships, directory of a SavedModel or
            of its versions, or HOST:PORT.
        weights: Weights of a run, see `runs.weights_path`.

    Raises:
        UserError: It is not.
    """
    if kind == "pretrained":
        pretrained.find(name)
    elif kind == "run":
        runs.load_experiment(name)
        runs.weights_path(name, weights)
    elif kind == "export":
        newest(Path(name))


def locate(name: str) -> str:
    """Returns the directory of a run with weights, or of the model of this name that ships.

    Raises:
        UserError: There is none.
    """
    directory = pretrained.locate(name)
    if not os.path.isdir(directory):
        there = ", ".join(pretrained.names())
        raise UserError(f"{name} is not a run, nor a model that ships (there are: {there})")
    check("run", directory)
    return directory
