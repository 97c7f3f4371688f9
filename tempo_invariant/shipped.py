"""Files that ship with the package and are found by their bare names: flag files and splits."""

import os
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


def flag_files() -> list[str]:
    """Returns the names of the flag files that ship."""
    return sorted(path.name for path in FOLDERS[0].glob("*.flags"))
