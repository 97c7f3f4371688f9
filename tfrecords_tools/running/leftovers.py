"""Removes what killed builds and conversions leave behind, but not what others are writing."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from tempo_invariant import files


@contextlib.contextmanager
def building_in(output: Path) -> Iterator[None]:
    """Marks a directory as being built in; a build that is alone there tidies up first.

    Builds hold a shared lock on the directory, which the system takes back when they are killed.
    Where the file system has no locks, nothing is removed.

    Args:
        output: Directory of pieces or records, which must exist.
    """
    handle = os.open(output, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # BlockingIOError: somebody else builds here
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove_leftovers(output)
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def _remove_leftovers(output: Path) -> None:
    """Removes half-written files and pieces from a directory that nobody builds in."""
    pieces = [scores.parent for scores in output.glob("*/scores")]
    inside = [folder for piece in pieces for folder in piece.rglob("*/")]
    for folder in [output, *pieces, *inside]:
        files.remove_leftovers(folder)
