"""The frame of every command: flags, errors in one line, exit codes."""

import dataclasses
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from absl import app, flags, logging

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import DISK_FULL, is_disk_full

flags.disclaim_key_flags()  # what is defined here is a flag of the command that asks for it


def run(main: Callable[[], None], usage: str) -> None:
    """Parses flags, calls `main` and turns expected errors into one line and an exit code.

    Exit codes: 0 success, 1 a `UserError` or a full disk, 2 a wrong or missing flag or a stray
    argument, 130 an interruption from the keyboard.

    Args:
        main: Function without arguments, which reads flags through `flags.FLAGS`.
        usage: Text that `--help` prints above the flags.
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
        print(f"error: {one_line(error)} (--help lists the flags)", file=sys.stderr)
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


def define_fields(settings: type) -> None:
    """Defines a flag for each declared field of a dataclass, see `tempo_invariant.fields`."""
    for field in dataclasses.fields(settings):
        if not field.metadata:
            continue
        name, meaning = field.name, field.metadata["meaning"]
        default: Any = field.default
        bounds = field.metadata["bounds"]
        lower = 0 if field.metadata["off"] else bounds.get("lower", bounds.get("above"))
        upper = bounds.get("upper", bounds.get("below"))
        if field.metadata["choices"]:
            flags.DEFINE_enum(name, default, list(field.metadata["choices"]), meaning)
        elif isinstance(default, bool):
            flags.DEFINE_bool(name, default, meaning)
        elif isinstance(default, int):
            flags.DEFINE_integer(name, default, meaning, lower, upper)
        elif isinstance(default, float):
            flags.DEFINE_float(name, default, meaning, lower, upper)
        elif isinstance(default, tuple):
            flags.DEFINE_list(name, [str(number) for number in default], meaning)
            flags.register_validator(name, _are_numbers, "must be numbers")
        else:
            flags.DEFINE_string(name, default, meaning)


def _are_numbers(values: Sequence[str]) -> bool:
    return all(value.isdigit() for value in values)


def read_fields(settings: type) -> dict[str, Any]:
    """Returns the values of the flags that `define_fields` has defined, by the names of fields."""
    values = {}
    for field in dataclasses.fields(settings):
        if field.metadata:
            value: Any = flags.FLAGS[field.name].value
            numbers = isinstance(field.default, tuple)
            values[field.name] = tuple(map(int, value)) if numbers else value
    return values


def read_numbers(name: str, kind: Callable[[str], Any] = float) -> list[Any]:
    """Returns the numbers that a list flag holds.

    Args:
        name: Name of the flag.
        kind: Function that makes a number of each text.

    Raises:
        UserError: One of them is none, or the list is empty.
    """
    values: Any = flags.FLAGS[name].value
    try:
        numbers = [kind(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers:
        raise UserError(f"--{name}={','.join(values)}: must be numbers")
    return numbers


def define_query_flags() -> None:
    """Defines the flags that say which pieces are played and how, or which query set is read."""
    flags.DEFINE_string("queries", None, "Query set to measure, in place of playing pieces.")
    flags.DEFINE_string("msmd", None, "MSMD directory that build_msmd made, with the pieces.")
    flags.DEFINE_string(
        "scores", None, "Scores of the pieces of --queries, as index takes them; default: --msmd."
    )
    flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
    flags.DEFINE_list("tempo", ["1.0"], "Speeds relative to the notated one.")
    flags.DEFINE_list(
        "expression", ["0"], "Seeds of expressive playing, each another pianist; 0 as notated."
    )
    flags.DEFINE_string("soundfont", None, "Soundfont (.sf2); TimGM6mb if not given.")
    flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")


def query_choice(*more: str) -> dict[str, Any]:
    """Returns the arguments of `tempo_invariant.evaluation.query_sets.opened` from the flags.

    Args:
        *more: Names of further flags that say how pieces are played.

    Raises:
        UserError: There are no pieces, no scores, or flags for what a query set says already.
    """
    values = flags.FLAGS
    how = ("tempo", "expression", "soundfont", "gain_db", *more)
    if not values.queries and (not values.msmd or values.scores):
        raise UserError("give --msmd, or --queries with --scores or --msmd")
    if values.queries and not (values.msmd or values.scores):
        raise UserError("--queries: needs --scores or --msmd, the scores of its pieces")
    if values.queries and any(values[name].present for name in how):
        given = next(name for name in how if values[name].present)
        raise UserError(f"--{given}: does not go with --queries, which says what is played")
    texts = (values[name].serialize() for name in ("msmd", "pieces", *how))
    return {
        "directory": values.queries,
        "pieces": read_names(values.pieces),
        "arguments": [text for text in texts if text],
    }


def define_run_flags(required: bool = True) -> None:
    """Defines --run and --pretrained, of which a command needs exactly one, and --weights.

    Args:
        required: Whether one of them has to be given with every use of the command.
    """
    _define_choices(_RUN_CHOICES)
    flags.mark_flags_as_mutual_exclusive(list(_RUN_CHOICES), required=required)


def run_choice() -> dict[str, str | None]:
    """Returns the arguments of `tempo_invariant.model.pretrained.resolve` from the flags.

    Raises:
        UserError: None of the flags is given, or --weights is with a model that ships.
    """
    values = flags.FLAGS
    if not values.run and not values.pretrained:
        raise UserError("give one of --run and --pretrained")
    _check_weights()
    return {"run": values.run, "name": values.pretrained}


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
