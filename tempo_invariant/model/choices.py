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


def check_attention(kind: str, name: str, weights: str | None = None) -> None:
    """Makes sure that a run, or a model that ships, is there and has attention.

    Args:
        kind: "run" or "pretrained".
        name: See `check`.
        weights: See `check`.

    Raises:
        UserError: It is not, or has none.
    """
    check(kind, name, weights)
    directory = pretrained.find(name) if kind == "pretrained" else name
    if not runs.load_experiment(directory).model.attention:
        raise UserError(f"{name} has no attention: it was trained without")


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
