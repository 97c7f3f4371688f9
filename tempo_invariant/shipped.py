"""Files that ship with the package and are found by their bare names: flag files and splits."""

import os
from collections.abc import Sequence
from pathlib import Path

FOLDERS = tuple(Path(__file__).parent / folder for folder in ("flags", "data/splits"))
"""Where they lie; no name occurs twice."""


def find(path: str) -> str:
    """Returns the path of a file that was asked for: the user's own, or else the shipped one.

    Args:
        path: Path as the user gave it; only a bare name can mean a shipped file.

    Returns:
        The path as it was given if something is there, or if no shipped file has this name.
    """
    if path and os.path.basename(path) == path and not os.path.exists(path):
        for folder in FOLDERS:
            if (folder / path).is_file():
                return str(folder / path)
    return path


def find_flag_files(arguments: Sequence[str]) -> list[str]:
    """Replaces names of shipped flag files in the arguments of a command by their paths.

    Args:
        arguments: Arguments, `--flagfile=bl_at.flags` or `--flagfile bl_at.flags` among them.

    Returns:
        The arguments, for absl to parse; those after `--` are left as they are.
    """
    found: list[str] = []
    previous = ""
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if "--" in found:
            found.append(argument)
        elif previous in ("-flagfile", "--flagfile"):
            found.append(find(argument))
        elif equals and name in ("-flagfile", "--flagfile"):
            found.append(f"{name}={find(value)}")
        else:
            found.append(argument)
        previous = argument
    return found
