"""What a directory is that holds an index, or is to: told before anything large is imported."""

import os
import re
from pathlib import Path

from tempo_invariant import files
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import catalogue, old_index
from tempo_invariant.retrieval.catalogue import Header

LOCK = "lock"

_DATA_FILE = re.compile(r"(vectors|places|hubness)-\d+\.bin|neighbours-\d+-\d+\.faiss")


def is_index(path: str | os.PathLike) -> bool:
    """Tells whether a path is the directory of an index."""
    return any((Path(path) / name).exists() for name in (catalogue.NAME, old_index.INFO_NAME))


def header(path: str | os.PathLike) -> Header | old_index.Info | None:
    """Returns what belongs to an index as a whole, of any format; None where there is no index.

    Raises:
        UserError: It is damaged.
    """
    path = Path(path)
    if (path / catalogue.NAME).exists():
        return catalogue.load(path / catalogue.NAME).header
    return old_index.load(path).info if is_index(path) else None


def check(path: Path) -> None:
    """Raises `UserError` if a directory holds something else, so that no index can be made in it.

    What a writer leaves that was killed at once is nothing else.
    """
    if path.is_dir() and not is_index(path) and not all(map(is_ours, os.listdir(path))):
        raise UserError(f"{path} exists already and is no index: choose another")


def is_data(name: str) -> bool:
    """Whether a file is one of those that a catalogue tells of, or an old index's."""
    return bool(_DATA_FILE.fullmatch(name)) or name in (*old_index.FILES, old_index.INFO_NAME)


def is_ours(name: str) -> bool:
    """Whether a writer that was killed at once may have left this in a directory."""
    return is_data(name) or name == LOCK or name.startswith(files.PREFIX)
