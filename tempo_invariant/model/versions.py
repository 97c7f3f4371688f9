"""The versions of an exported model: directories that are named by a number."""

from pathlib import Path

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


def is_version(name: str) -> bool:
    """Tells whether a name is the number of a version."""
    return name.isascii() and name.isdecimal() and int(name) <= MAX_VERSION
