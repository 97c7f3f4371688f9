"""JSON files, read strictly: what is wrong is said in a line that names the file and the place.

A file that another program wrote or that the disk has damaged may hold anything. Here are the
checks that all readers need: text in UTF-8, no name twice, no depth or number without bounds, and
the fields of a dataclass with their types.
"""

import dataclasses
import json
import reprlib
import sys
import types
import typing
from collections.abc import Sequence
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


def load(kind: Any, path: Path, others: bool = False) -> Any:
    """Reads a value of a type, as `save` has written it.

    Args:
        kind: Type of the value: a dataclass, or a list of one. The fields are plain, optional, or
            dataclasses, lists, tuples or dictionaries of them.
        path: JSON file.
        others: Whether objects may have further fields, which are left out.

    Raises:
        UserError: The file is missing or no JSON, or a field is missing, unknown, of another type,
            or refused by the dataclass.
    """
    return typed(kind, read(path), str(path), others)


def read(path: Path) -> Any:
    """Returns the content of a JSON file.

    Raises:
        UserError: The file is missing or no JSON.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not a JSON file ({one_line(error)})") from error
    return parse(text, str(path))


def parse(text: str, where: str) -> Any:
    """Returns the value of a JSON text.

    Args:
        text: The text.
        where: Name of its source, for the error.

    Raises:
        UserError: It is no JSON, or has a name twice in an object.
    """
    try:
        return json.loads(text, object_pairs_hook=_distinct)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not a JSON file ({one_line(error)})") from error


def _distinct(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} is there twice")
    return found


def typed(kind: Any, value: Any, where: str, others: bool = False) -> Any:
    """Returns a JSON value as a type has it; see `load`."""
    if kind is Any:
        return value
    if isinstance(kind, types.UnionType):
        kind = type(None) if value is None else typing.get_args(kind)[0]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return _made(kind, value, where, others)
    if typing.get_origin(kind) is dict:
        inner = typing.get_args(kind)[1]
        items = _object(value, where).items()
        return {name: typed(inner, item, f"{where}: {name}", others) for name, item in items}
    if typing.get_args(kind):
        return _sequence(kind, value, where, others)
    if not _fits(kind, value):
        raise UserError(f"{where}: must be {_WORDS[kind]}, received {reprlib.repr(value)}")
    return kind(value) if kind is float else value


def _fits(kind: Any, value: Any) -> bool:
    if kind is float:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return number and abs(value) <= sys.float_info.max  # neither infinite nor NaN
    if type(value) is not kind:
        return False
    if kind is int:
        return -(2**63) <= value < 2**63
    if kind is str:
        return is_text(value)
    return True


def is_text(value: str) -> bool:
    """Whether a text can be read back: names that are not UTF-8 hold what no encoding has."""
    return not any("\ud800" <= each <= "\udfff" for each in value)


def _sequence(kind: Any, value: Any, where: str, others: bool) -> Any:
    """Returns a JSON list as a list or tuple."""
    inner = [part for part in typing.get_args(kind) if part is not Ellipsis]
    if not isinstance(value, list) or len(inner) not in (1, len(value)):
        count = f" of {len(inner)}" if len(inner) > 1 else ""
        raise UserError(f"{where}: must be a list{count}")
    kinds = inner * len(value) if len(inner) == 1 else inner
    return typing.get_origin(kind)(
        typed(part, item, f"{where}[{index}]", others)
        for index, (part, item) in enumerate(zip(kinds, value, strict=True))
    )


def _object(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: must be an object")
    return value


def _made(kind: Any, value: Any, where: str, others: bool) -> Any:
    """Makes a dataclass of a JSON object."""
    values = _object(value, where)
    known = {field.name: field for field in dataclasses.fields(kind)}
    for name in () if others else values:
        if name not in known:
            raise UserError(f"{where}: unknown field {name!r}")
    for name, field in known.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise UserError(f"{where}: field {name!r} is missing")
    made = {
        name: typed(field.type, values[name], f"{where}: {name}", others)
        for name, field in known.items()
        if name in values
    }
    try:
        return kind(**made)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
