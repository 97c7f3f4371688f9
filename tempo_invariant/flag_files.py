"""Flag files: what `--flagfile=NAME` among the arguments of a command stands for."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from absl import flags

from tempo_invariant import shipped
from tempo_invariant.errors import printable

_DIRECTIVES = ("-flagfile", "--flagfile")


@dataclass(frozen=True)
class Argument:
    """An argument of a command, with the file and line that it stands in, if it is in one."""

    text: str
    origin: str = ""


def expand(arguments: Sequence[str]) -> list[Argument]:
    """Replaces flag files by what they hold, each where it is named.

    A flag file has a flag a line, `--name=value`; empty lines and those that begin with `#` or `//`
    are left out, and `--flagfile=OTHER` reads another one. A bare name may be that of a flag file
    that ships.

    Args:
        arguments: Arguments, `--flagfile=bl_at.flags` or `--flagfile bl_at.flags` among them; those
            after `--` are left as they are.

    Raises:
        absl.flags.Error: A flag file cannot be read, holds what is no flag, or reads itself; the
            message names it.
    """
    found: list[Argument] = []
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if name in _DIRECTIVES:
            found += _read(value if equals else next(rest, ""), ())
        else:
            found.append(Argument(argument))
        if argument == "--":
            found += map(Argument, rest)
    return found


def _read(name: str, within: tuple[str, ...]) -> Iterator[Argument]:
    """Yields what a flag file holds that is read by others, `within` them."""
    path = shipped.find(os.path.expanduser(name.strip()))
    if path in within:
        raise flags.Error(f"--flagfile={name}: reads itself")
    for number, line in enumerate(_lines(name, path), 1):
        text, origin = line.strip(), f"{name}, line {number}"
        directive, _, value = text.partition("=")
        if not text or text.startswith(("#", "//")):
            continue
        if directive in _DIRECTIVES:
            yield from _read(value, (*within, path))
        elif text.startswith("-"):
            yield Argument(text, origin)
        else:
            shown = printable(text[:40])
            raise flags.Error(f"{origin}: {shown!r} is no flag, which is --name=value")


def _lines(name: str, path: str) -> list[str]:
    there = ", ".join(shipped.flag_files())
    if not path:
        raise flags.Error(f"--flagfile: needs the name of a file; those that ship are {there}")
    try:
        return Path(path).read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        text = f"no such file; those that ship are {there}"
        raise flags.Error(f"--flagfile={name}: {text}") from error
    except (OSError, ValueError) as error:
        fault = error.strerror if isinstance(error, OSError) else "not a text file in UTF-8"
        raise flags.Error(f"--flagfile={name}: {fault}") from error
