"""How every command starts and ends: flags, one-line errors, exit codes."""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import DISK_FULL, is_disk_full


def run(main: Callable[[], None], usage: str) -> None:
    """Parses flags, calls `main` and turns expected errors into one line and an exit code.

    Exit codes: 0 success, 1 a `UserError` or a full disk, 2 a wrong or missing flag or a stray
    argument, 130 an interruption from the keyboard.

    Args:
        main: takes nothing; reads flags through `flags.FLAGS`.
        usage: what `--help` prints above the flags.
    """
    sys.modules["__main__"].__doc__ = usage
    # TensorFlow is imported later and speaks about itself at length.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.set_verbosity(logging.WARNING)
    try:
        app.run(lambda argv: _guarded(main, argv), flags_parser=_parse)
    except BrokenPipeError:  # the reader of the output has left, `... | head` for one
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)


def _parse(argv: list[str]) -> list[str]:
    flags.FLAGS.set_gnu_getopt(True)
    app.define_help_flags()
    try:
        return flags.FLAGS(argv)
    except SystemExit:
        # Raised after --help and its variants were printed; absl means exit code 1.
        sys.exit(0)
    except flags.Error as error:
        message = one_line(error)
        print(f"error: {message} (--help lists the flags)", file=sys.stderr)
        sys.exit(2)


def _guarded(main: Callable[[], None], argv: list[str]) -> None:
    if len(argv) > 1:
        print(f"error: unexpected argument {argv[1]!r} (--help lists the flags)", file=sys.stderr)
        sys.exit(2)
    try:
        main()
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(1)
    except Exception as error:
        if not is_disk_full(error):
            raise
        path = getattr(error, "filename", None) or "output"
        print(f"error: {path}: {DISK_FULL}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def read_names(values: Sequence[str]) -> list[str]:
    """Returns the names that a list flag holds; `@FILE` stands for the lines of a file.

    Raises:
        UserError: A file cannot be read.
    """
    names = []
    for value in values:
        if not value.startswith("@"):
            names.append(value)
            continue
        try:
            lines = Path(value[1:]).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{value[1:]}: cannot be read ({one_line(error)})") from error
        names += [line.strip() for line in lines if line.strip()]
    return names


def define_run_flags() -> None:
    """Defines --run and --pretrained, of which a command needs exactly one, and --weights."""
    _define_choices(_RUN_CHOICES)
    flags.mark_flags_as_mutual_exclusive(list(_RUN_CHOICES), required=True)


def run_choice() -> dict[str, str | None]:
    """Returns the arguments of `tempo_invariant.model.pretrained.resolve` from the flags.

    Raises:
        UserError: --weights is given with a model that ships.
    """
    _check_weights()
    return {"run": flags.FLAGS.run, "name": flags.FLAGS.pretrained}


def define_model_flags() -> None:
    """Defines the flags that say who computes the embeddings; a command needs exactly one of them.

    These are --run, --pretrained, --export and --server, with --weights for a run, and --model_name
    and --wait for a server.
    """
    _define_choices(_MODEL_CHOICES)
    flags.DEFINE_string("model_name", "tempo_invariant", "Name of the model at the server.")
    flags.DEFINE_float("wait", 0.0, "Seconds to wait for a server that is just starting.", 0)


def model_choice() -> dict[str, Any]:
    """Returns the arguments of `tempo_invariant.retrieval.embedders.open_embedder`.

    Raises:
        UserError: The flags do not name exactly one model, or --weights is given with another
            model than a run.
    """
    values = flags.FLAGS
    kinds = [kind for kind in _MODEL_CHOICES if values[kind].value]
    if len(kinds) != 1:
        names = ", ".join(f"--{kind}" for kind in _MODEL_CHOICES)
        raise UserError(f"give one of {names}: who computes the embeddings")
    _check_weights()
    return {
        "kind": kinds[0],
        "name": values[kinds[0]].value,
        "weights": values.weights,
        "model_name": values.model_name,
        "wait_seconds": values.wait,
    }


_RUN_CHOICES = {
    "run": "Directory of a training run, whose model is used.",
    "pretrained": "Name of a model that ships with the package.",
}
_MODEL_CHOICES = _RUN_CHOICES | {
    "export": "SavedModel, or the directory of its versions, of which the newest is used.",
    "server": "HOST:PORT of a gRPC server.",
}


def _define_choices(choices: dict[str, str]) -> None:
    for name, meaning in choices.items():
        flags.DEFINE_string(name, None, meaning)
    flags.DEFINE_string(
        "weights", None, "Weights of --run: best, refined or a file; default: refined if there."
    )


def _check_weights() -> None:
    if flags.FLAGS.weights and not flags.FLAGS.run:
        raise UserError("--weights goes with --run: every other model has one set of weights")
