"""Removes what killed builds and conversions leave behind, but not what others are writing."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

PARTIAL = ".partial-*"
"""Names of files and directories that are being written; see `tempo_invariant.files`."""


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
            remove_leftovers(output)
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        yield
    finally:
        os.close(handle)


def remove_leftovers(output: Path) -> None:
    """Removes half-written files and pieces from a directory that nobody builds in."""
    inside = (path for piece in output.glob("*/scores") for path in piece.parent.rglob(PARTIAL))
    for path in [*output.glob(PARTIAL), *inside]:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
