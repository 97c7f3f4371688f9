"""Writing files so that no half-written one is ever taken for a whole one."""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tempo_invariant.errors import UserError, one_line

DISK_FULL = "no space is left on the disk; the same command goes on when there is some"


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, Python's or TensorFlow's, says that a disk or a quota is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return os.strerror(errno.ENOSPC) in str(error)


def why_left_out(error: Exception) -> str:
    """Returns in one printable line why one of many, a file or a piece, cannot be used.

    Args:
        error: What was raised for this one; anything but a `UserError` is named by its type.

    Raises:
        Exception: `error` itself, when it will befall all others as well: the disk is full, or the
            memory.
    """
    if isinstance(error, UserError):
        return str(error)
    if is_disk_full(error) or isinstance(error, MemoryError):
        raise error
    return f"{type(error).__name__}: {one_line(error)}"


@contextlib.contextmanager
def telling_full_disk(path: str | os.PathLike) -> Iterator[None]:
    """Turns a full disk, while `path` is written, into a `UserError` that says so."""
    try:
        yield
    except Exception as error:
        if is_disk_full(error):
            raise UserError(f"{path}: {DISK_FULL}") from error
        raise


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path`, which becomes `path` when the block succeeds.

    The temporary name keeps the suffix, for writers that choose a format by it. Parent
    directories are made. When the block raises, the temporary file is removed and `path` is
    left as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=".partial-", suffix="-" + path.name, dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary directory beside `path`, which becomes `path` when the block succeeds.

    Parent directories are made. When the block raises, the temporary directory is removed.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=path.parent))
    try:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes a value as indented JSON, in one step; see `atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's content as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
