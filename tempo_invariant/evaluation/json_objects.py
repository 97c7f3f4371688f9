"""Dataclasses as JSON files, read with an error line that names what is wrong."""

import dataclasses
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

from tempo_invariant import files
from tempo_invariant.errors import UserError, one_line

_WORDS = {float: "a number", int: "a whole number", str: "a text", bool: "true or false"}


def save(path: str | Path, value: Any) -> None:
    """Writes a dataclass, or a list of them, without the fields that have their defaults."""
    files.write_json(path, plain(value))


def plain(value: Any) -> Any:
    """Returns a value as `save` writes it: dataclasses as dictionaries, nested ones as well."""
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if not dataclasses.is_dataclass(value):
        return value
    both = ((field, getattr(value, field.name)) for field in dataclasses.fields(value))
    return {field.name: plain(content) for field, content in both if content != field.default}


def load(kind: Any, path: Path) -> Any:
    """Reads what `save` has written.

    Args:
        kind: Type of the value: a dataclass or a list of one. The fields are plain, optional,
            dataclasses, or lists or tuples of them.
        path: JSON file.

    Raises:
        UserError: The file is missing or no JSON, or a field is missing, unknown, of another type,
            or refused by the dataclass.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a JSON file ({one_line(error)})") from error
    return _typed(kind, value, f"{path}")


def _typed(kind: Any, value: Any, where: str) -> Any:
    """Returns a JSON value as a type has it."""
    if isinstance(kind, types.UnionType):
        kind = type(None) if value is None else typing.get_args(kind)[0]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _made(kind, value, where)
    if inner := [part for part in typing.get_args(kind) if part is not Ellipsis]:
        if not isinstance(value, list) or len(inner) not in (1, len(value)):
            count = f" of {len(inner)}" if len(inner) > 1 else ""
            raise UserError(f"{where}: must be a list{count}")
        kinds = inner * len(value) if len(inner) == 1 else inner
        items = enumerate(zip(kinds, value, strict=True))
        return typing.get_origin(kind)(
            _typed(part, item, f"{where}[{index}]") for index, (part, item) in items
        )
    number = isinstance(value, int | float) and not isinstance(value, bool)
    right = number and math.isfinite(value) if kind is float else type(value) is kind
    if not right:
        raise UserError(f"{where}: must be {_WORDS[kind]}, received {value!r}")
    return kind(value) if number else value


def _made(kind: Any, values: Any, where: str) -> Any:
    """Makes a dataclass of a JSON object."""
    if not isinstance(values, dict):
        raise UserError(f"{where}: must be an object")
    known = {field.name: field for field in dataclasses.fields(kind)}
    for name in values:
        if name not in known:
            raise UserError(f"{where}: unknown field {name!r}")
    for name, field in known.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise UserError(f"{where}: field {name!r} is missing")
    made = {n: _typed(known[n].type, value, f"{where}: {n}") for n, value in values.items()}
    try:
        return kind(**made)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
