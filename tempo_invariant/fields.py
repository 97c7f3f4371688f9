"""Fields of dataclasses that say what they mean and which values they take.

Such fields are checked by `check` and set by flags, see `tempo_invariant.commands.define_fields`.
"""

import dataclasses
import operator
import sys
from collections.abc import Callable, Mapping
from typing import Any

from tempo_invariant.errors import UserError

_KINDS: dict[type, str] = {
    bool: "true or false",
    int: "an integer",
    float: "a number",
    str: "a text",
    tuple: "integers",
}
_LARGEST = {int: 2**63 - 1, float: sys.float_info.max}
_BOUNDS: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "above": (operator.gt, ">"),
    "lower": (operator.ge, ">="),
    "below": (operator.lt, "<"),
    "upper": (operator.le, "<="),
}


def setting(
    default: Any, meaning: str, choices: tuple[str, ...] = (), off: bool = False, **bounds: float
) -> Any:
    """Declares a field.

    Args:
        default: Value where none is given; the field is of its type.
        meaning: Effect of the field in plain words; the help text of its flag.
        choices: All values of a text that has a few only.
        off: Whether 0 is a value besides those between the bounds.
        **bounds: Bounds of a number, or of each in a tuple: `lower` and `upper`, which are values
            themselves, or `above` and `below`, which are not.
    """
    metadata = {"meaning": meaning, "choices": choices, "off": off, "bounds": bounds}
    return dataclasses.field(default=default, metadata=metadata)


def check(settings: Any) -> None:
    """Checks the declared fields of an object.

    Raises:
        UserError: A field has another value than it may have.
    """
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if field.metadata and not _fits(value, type(field.default), field.metadata):
            raise UserError(f"{field.name} must be {_wanted(field)}, received {value!r}")


def _fits(value: Any, kind: type, declared: Mapping[str, Any]) -> bool:
    if kind is tuple:
        return isinstance(value, tuple) and all(_fits(item, int, declared) for item in value)
    if not isinstance(value, int | float if kind is float else kind):
        return False
    if isinstance(value, bool) != (kind is bool):  # Python counts true and false as integers
        return False
    if kind in (int, float) and not abs(value) <= _LARGEST[kind]:  # nor what is not a number
        return False
    if declared["choices"]:
        return value in declared["choices"]
    return (declared["off"] and value == 0) or all(
        _BOUNDS[name][0](value, bound) for name, bound in declared["bounds"].items()
    )


def _wanted(field: dataclasses.Field) -> str:
    """Says which values a field takes."""
    declared = field.metadata
    if declared["choices"]:
        return f"one of {', '.join(declared['choices'])}"
    ends = [f"{_BOUNDS[name][1]} {bound:g}" for name, bound in declared["bounds"].items()]
    text = f"{_KINDS[type(field.default)]} {' and '.join(ends)}".rstrip()
    return f"0 or {text}" if declared["off"] else text
