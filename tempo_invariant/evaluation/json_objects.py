"""Frozen dataclasses as JSON objects, read with an error line that names what is wrong."""

import dataclasses
import math
import types
import typing
from typing import Any, TypeVar

from tempo_invariant.errors import UserError

Made = TypeVar("Made")


def fields(value: Any) -> dict[str, Any]:
    """Returns the fields of a dataclass that differ from their defaults, nested ones as well."""
    found = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if content != field.default:
            nested = dataclasses.is_dataclass(content)
            found[field.name] = fields(content) if nested else content
    return found


def parse(kind: type[Made], values: Any, where: str) -> Made:
    """Makes a dataclass of a JSON object.

    Args:
        kind: Dataclass with fields that are plain, dataclasses, or lists or tuples of them.
        values: Object as `json.loads` returns it.
        where: Place of the object, with which an error begins.

    Raises:
        UserError: A field is missing, unknown, of another type, or refused by the dataclass.
    """
    if not isinstance(values, dict):
        raise UserError(f"{where}: must be an object")
    known = {field.name: field for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
    for name in values:
        if name not in known:
            raise UserError(f"{where}: unknown field {name!r}")
    for name, field in known.items():
        required = field.default is field.default_factory is dataclasses.MISSING
        if required and name not in values:
            raise UserError(f"{where}: field {name!r} is missing")
    made = {
        name: _value(known[name].type, value, f"{where}: {name}") for name, value in values.items()
    }
    try:
        return kind(**made)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def as_list(value: Any, where: str) -> list:
    """Returns a JSON value that must be a list.

    Raises:
        UserError: It is something else; begins with where.
    """
    if not isinstance(value, list):
        raise UserError(f"{where}: must be a list")
    return value


def _value(kind: Any, value: Any, where: str) -> Any:
    """Returns a JSON value as a type has it."""
    if isinstance(kind, types.UnionType):
        kind = type(None) if value is None else typing.get_args(kind)[0]
    if isinstance(kind, type) and dataclasses.is_dataclass(kind):
        return parse(kind, value, where)
    if inner := [part for part in typing.get_args(kind) if part is not Ellipsis]:
        parts = as_list(value, where)
        if len(inner) not in (1, len(parts)):
            raise UserError(f"{where}: must be a list of {len(inner)}")
        kinds = inner * len(parts) if len(inner) == 1 else inner
        made = [_value(part, each, where) for part, each in zip(kinds, parts, strict=True)]
        return typing.get_origin(kind)(made)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    right = number and math.isfinite(value) if kind is float else type(value) is kind
    if not right:
        raise UserError(f"{where}: must be of type {kind.__name__}, received {value!r}")
    return kind(value) if number else value
