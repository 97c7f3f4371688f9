"""The versions of an exported model: directories that are named by a number."""

import os
from pathlib import Path

from tempo_invariant.errors import UserError

MAX_VERSION = 2**63 - 1
"""The largest number of a version: requests carry it as a signed integer of 64 bits."""


def find_versions(directory: Path) -> dict[int, Path]:
    """Returns the versions in a directory by their numbers; there are none if it is missing."""
    if not directory.is_dir():
        return {}
    return {
        int(path.name): path
        for path in sorted(directory.iterdir())
        if is_version(path.name) and path.is_dir()
    }


def check_versions(directory: str | os.PathLike) -> None:
    """Raises `UserError` if there is no version in a directory."""
    if not find_versions(Path(directory)):
        raise no_version(directory)


def no_version(directory: str | os.PathLike) -> UserError:
    """Returns the error that there is no version in a directory."""
    return UserError(
        f"{directory} has no model: expected a directory with a number for a name "
        "(tempo-invariant export makes one)"
    )


def newest(path: Path) -> Path:
    """Returns the SavedModel at a path, or the newest version in a directory of them.

    Raises:
        UserError: There is none.
    """
    if (path / "saved_model.pb").is_file():
        return path
    versions = find_versions(path)
    if not versions:
        raise UserError(
            f"{path}: neither a SavedModel nor a directory of versions "
            "(tempo-invariant export makes one)"
        )
    return versions[max(versions)]


def is_version(name: str) -> bool:
    """Tells whether a name is the number of a version."""
    return name.isascii() and name.isdecimal() and int(name) <= MAX_VERSION
