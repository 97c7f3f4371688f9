"""Flags that several commands share, and what their values stand for."""

import dataclasses
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from tempo_invariant import commands, files, json_objects, samples, shipped
from tempo_invariant.errors import UserError

flags.disclaim_key_flags()  # what is defined here is a flag of the command that asks for it

DEFAULT_MODEL = "best"
"""Name of the model that ships and is used where none is named."""


def read_names(values: Sequence[str]) -> list[str]:
    """Returns the names that a list flag holds; `@FILE` stands for the lines of a file.

    That is the user's own, or one that ships.

    Raises:
        UserError: A file cannot be read.
    """
    names = []
    for value in values:
        if not value.startswith("@"):
            names.append(value)
            continue
        try:
            lines = Path(shipped.find(value[1:])).read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            fault = error.strerror if isinstance(error, OSError) else "not a text file in UTF-8"
            raise UserError(f"{value[1:]}: cannot be read ({fault})") from error
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
            serializer = flags.CsvListSerializer(",")
            flags.DEFINE(_Integers(), name, list(default), meaning, serializer=serializer)
        else:
            flags.DEFINE_string(name, default, meaning)


class _Integers(flags.ArgumentParser):
    """Reads integers with commas between them."""

    syntactic_help = "integers with commas between them"

    def parse(self, argument: str | list[int]) -> list[int]:
        if not isinstance(argument, str):
            return argument
        texts = argument.split(",") if argument.strip() else []
        if not all(text.strip().isdecimal() for text in texts):
            raise ValueError("must be whole numbers from 0, with commas between them")
        return [*map(int, texts)]

    def flag_type(self) -> str:
        return "integers"


def read_fields(settings: type) -> dict[str, Any]:
    """Returns the values of the flags that `define_fields` has defined, by the names of fields."""
    values = {}
    for field in dataclasses.fields(settings):
        if field.metadata:
            value: Any = flags.FLAGS[field.name].value
            values[field.name] = tuple(value) if isinstance(value, list) else value
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


def output(source: str, ending: str, name: str = "output") -> str:
    """Returns the value of --output, or the default: a directory beside what it is made from.

    Args:
        source: Path of the file or directory that it is made from.
        ending: Word that is added to its name.
        name: Name of the flag.

    Raises:
        UserError: The directory cannot be made or written to.
    """
    chosen: Any = flags.FLAGS[name].value
    if chosen:
        return chosen  # it was checked when the flags were read
    chosen = samples.beside(source, ending)
    try:
        files.check_output_directory(chosen)
    except UserError as error:
        raise UserError(f"{error}; choose another place with --{name}") from error
    return chosen


def answer_output(source: str, ending: str, report: str, key: str) -> str:
    """Returns what `output` does, unless that directory holds the answer to something else.

    Args:
        source: Path of the recording or page that is asked with.
        ending: Word that is added to its name.
        report: Name of the JSON file of an answer in its directory.
        key: What names the recording or page in it.

    Raises:
        UserError: See `output`; or the directory holds the answer to a file of another name.
    """
    chosen, name = output(source, ending), os.path.basename(source)
    check_answer(chosen, report, key, lambda earlier: os.path.basename(earlier) == name)
    return chosen


def check_answer(directory: str, report: str, key: str, is_same: Callable[[str], bool]) -> None:
    """Raises `UserError` if a directory holds the answer to something else.

    An answer to the same is replaced, as one that was asked with other settings.

    Args:
        directory: The directory.
        report: Name of the JSON file of an answer in it.
        key: What names in that file what was asked, a recording or a score.
        is_same: Function that tells of such a name whether it is what is asked now.
    """
    path = Path(directory) / report
    if path.exists():
        content = json_objects.read(path)
        earlier = content.get(key) if isinstance(content, dict) else None
        if not is_same(str(earlier)):
            raise UserError(
                f"{directory}: holds the answer to the {key} {earlier}; choose another --output"
            )


def define_msmd_flag(check: Callable[[str], object]) -> None:
    """Defines --msmd, the directory of pieces that a command cannot do without.

    Args:
        check: Function that raises `UserError` for a directory that is none, `msmd.list_pieces`.
    """
    commands.define_input(
        "msmd",
        None,
        "Directory in the published MSMD layout.",
        required=True,
        check=check,
    )


def define_query_flags() -> None:
    """Defines the flags that say which pieces are played and how, or which query set is read."""
    commands.define_input("queries", None, "Query set to measure, in place of playing pieces.")
    commands.define_input("msmd", None, "MSMD directory that build-msmd made, with the pieces.")
    commands.define_input(
        "scores", None, "Scores of the pieces of --queries, as index takes them; default: --msmd."
    )
    flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
    flags.DEFINE_list("tempo", ["1.0"], "Speeds relative to the notated one.")
    flags.DEFINE_list(
        "expression", ["0"], "Seeds of expressive playing, each another pianist; 0 as notated."
    )
    flags.DEFINE_string("soundfont", None, "Soundfont (.sf2); TimGM6mb if not given.")
    flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")


def query_choice(
    check: Callable[[str], object], *more: str, scores_needed: bool = True
) -> dict[str, Any]:
    """Returns the arguments of `tempo_invariant.evaluation.query_sets.opened` from the flags.

    Args:
        check: Function that raises `UserError` for a folder that is no query set,
            `query_sets.check`.
        *more: Names of further flags that say how pieces are played.
        scores_needed: Whether the scores of a query set's pieces have to be given.

    Raises:
        UserError: There are no pieces, no scores, no query set in the folder, or flags for what a
            query set says already.
    """
    values = flags.FLAGS
    how = ("tempo", "expression", "soundfont", "gain_db", *more)
    scores = "--scores, --msmd or --index" if "index" in values else "--scores or --msmd"
    if not values.queries and (not values.msmd or values.scores):
        raise UserError(f"give --msmd, or --queries with {scores}")
    if values.queries and scores_needed and not (values.msmd or values.scores):
        raise UserError(f"--queries: needs {scores}, the scores of its pieces")
    if values.queries and any(values[name].present for name in how):
        given = next(name for name in how if values[name].present)
        raise UserError(f"--{given}: does not go with --queries, which says what is played")
    if values.queries:
        with commands.naming("queries"):
            check(values.queries)
    texts = (values[name].serialize() for name in ("msmd", "pieces", *how))
    return {
        "directory": values.queries,
        "pieces": read_names(values.pieces),
        "arguments": [text for text in texts if text],
    }


def define_run_flags() -> None:
    """Defines --run and --pretrained, which say whose weights are used, and --weights."""
    _define_choices(_RUN_CHOICES)


ModelCheck = Callable[[str, str, str | None], object]
"""Checks the kind and name of a model and its weights, see `tempo_invariant.model.choices`."""


def run_choice(check: ModelCheck) -> dict[str, str | None]:
    """Returns the arguments of `tempo_invariant.model.pretrained.resolve` from the flags.

    Args:
        check: What is called with the model that is chosen, before anything slow begins.

    Raises:
        UserError: Both flags are given, --weights is with a model that ships, or there is no such
            model; the message names the flag.
    """
    values = flags.FLAGS
    kind = _one_at_most(_RUN_CHOICES) or "pretrained"
    name: str = values[kind].value or DEFAULT_MODEL
    with commands.naming(kind):
        check(kind, name, values.weights)
    return {"run": values.run, "name": None if kind == "run" else name}


def define_model_flags() -> None:
    """Defines the flags that say who computes the embeddings; a command takes one of them.

    These are --run, --pretrained, --export and --server, with --weights for a run, and --model_name
    and --wait for a server.
    """
    _define_choices(_MODEL_CHOICES)
    flags.DEFINE_string("model_name", "tempo_invariant", "Name of the model at the server.")
    flags.DEFINE_float("wait", 0.0, "Seconds to wait for a server that is just starting.", 0)


def model_choice(check: ModelCheck, default: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Returns the arguments of `tempo_invariant.retrieval.embedders.open_embedder`.

    Args:
        check: What is called with a model that is named, before anything slow begins.
        default: What is returned if no flag names a model; None: the model that ships.

    Raises:
        UserError: The flags name several models, --weights is given with another model than a
            run, or there is no such model; the message names the flag.
    """
    values = flags.FLAGS
    kind = _one_at_most(_MODEL_CHOICES)
    if kind is None:
        return dict(default or {"kind": "pretrained", "name": DEFAULT_MODEL})
    name: Any = values[kind].value
    with commands.naming(kind):
        check(kind, name, values.weights)
    return {
        "kind": kind,
        "name": name,
        "weights": values.weights,
        "model_name": values.model_name,
        "wait_seconds": values.wait,
    }


_RUN_CHOICES = {
    "run": "Directory of a training run, whose model is used.",
    "pretrained": f"Name of a model that ships with the package; {DEFAULT_MODEL} if none is given.",
}
_MODEL_CHOICES = _RUN_CHOICES | {
    "export": "SavedModel, or the directory of its versions, of which the newest is used.",
    "server": "HOST:PORT of a gRPC server.",
}


def _define_choices(choices: Mapping[str, str]) -> None:
    for name, meaning in choices.items():
        if name in ("run", "export"):
            commands.define_input(name, None, meaning)
        else:
            flags.DEFINE_string(name, None, meaning)
    flags.DEFINE_string(
        "weights", None, "Weights of --run: best, refined or a file; default: refined if there."
    )


def _one_at_most(choices: Mapping[str, str]) -> str | None:
    """Returns the flag that is given of those that exclude each other.

    Raises:
        UserError: Several are given, or --weights without --run.
    """
    values = flags.FLAGS
    given = [name for name in choices if values[name].value]
    if len(given) > 1:
        raise UserError(f"give one of {', '.join(f'--{name}' for name in given)}, not several")
    if values.weights and not values.run:
        raise UserError("--weights goes with --run: every other model has one set of weights")
    return given[0] if given else None
