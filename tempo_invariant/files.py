"""Writing files so that no half-written one is ever taken for a whole one.

What is being written is in a directory `.partial-XXXXXXXX` beside its place. Its process holds a
lock on that directory, which the system takes back when the process is killed: so what nobody holds
any more can be told from what somebody is writing, and be removed.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tempo_invariant.errors import UserError, one_line

DISK_FULL = "no space is left on the disk; the same command goes on when there is some"

PICTURES = ("jpeg", "jpg", "pdf", "png", "svg", "tif", "tiff", "webp")
"""Kinds of pictures that figures are written as, by the endings of names."""

CHECKSUMS = "assets.extra/SHA256SUMS"
"""Where an exported model has the checksums of its files."""

_LONGEST_NAME = 255
"""Bytes of a name, in every file system of note."""

PREFIX = ".partial-"
"""How names of what is being written begin."""

_PARTIAL = re.compile(r"\.partial-[a-z0-9_]{8}(-.*)?", re.DOTALL)
"""Names of what is being written; once there were files too, which end as their target does."""


def is_disk_full(error: BaseException | None) -> bool:
    """Whether an error, Python's or TensorFlow's or ours, says that a disk or a quota is full."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    return any(text in str(error) for text in (os.strerror(errno.ENOSPC), DISK_FULL))


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
def telling_failures(path: str | os.PathLike) -> Iterator[None]:
    """Turns what the system says against writing `path` into a `UserError` that names it."""
    try:
        yield
    except (UserError, BrokenPipeError):  # the latter is about what is printed meanwhile
        raise
    except Exception as error:
        if is_disk_full(error):
            raise UserError(f"{path}: {DISK_FULL}") from error
        if not isinstance(error, OSError):
            raise
        reason = one_line(error)
        if isinstance(error.filename, str) and error.strerror:
            named = Path(error.filename)
            if named in (Path(path), *Path(path).parents) or PREFIX in error.filename:
                reason = error.strerror
        raise UserError(f"{path}: cannot be written ({reason})") from error


def check_not_empty(path: str | os.PathLike) -> None:
    """Raises `UserError` if there is nothing in a file, which no decoder says as plainly."""
    if os.path.isfile(path) and not os.path.getsize(path):
        raise UserError(f"{path}: is an empty file")


def why_no_file(path: str | os.PathLike, kind: str = "file") -> str:
    """Returns in a few words what is at a path that is not that of a file.

    Args:
        path: The path.
        kind: What file is wanted.
    """
    if os.path.isdir(path):
        return f"a folder, and no {kind}"
    if os.path.exists(path):
        return f"a pipe or device, and no {kind}"
    return "a link that leads nowhere" if os.path.islink(path) else f"no such {kind}"


def check_output_file(path: str | os.PathLike) -> None:
    """Makes sure, before the work, that a file can be written or replaced; leaves nothing.

    Raises:
        UserError: It is a directory or a device, or below a file, its name is too long or no text
            in UTF-8, or nothing can be made in its directory.
    """
    _check_output(path, "a file", os.path.isfile)


def check_output_picture(path: str | os.PathLike) -> None:
    """Makes sure, before the work, that a picture can be written.

    Raises:
        UserError: See `check_output_file`; or the name ends in none of `PICTURES`.
    """
    if Path(path).suffix[1:].lower() not in PICTURES:
        raise UserError(f"{path}: a picture's name ends in one of .{', .'.join(PICTURES)}")
    check_output_file(path)


def check_output_directory(path: str | os.PathLike, new: bool = False) -> None:
    """Makes sure, before the work, that a directory can be made or written to; leaves nothing.

    Args:
        path: The directory.
        new: Whether it must not be there yet.

    Raises:
        UserError: It is a file or below one, its name is too long or no text in UTF-8, nothing can
            be made in it or where it is to be, or it is there although it is to be `new`.
    """
    _check_output(path, "a directory", os.path.isdir)
    if new and os.path.lexists(path):
        raise UserError(f"{path} exists already: choose a new directory")


def _check_output(path: str | os.PathLike, kind: str, right: Callable[[Path], bool]) -> None:
    path = Path(path)
    try:
        if any(len(part.encode()) > _LONGEST_NAME for part in path.parts):
            raise UserError(f"{path}: cannot be written ({os.strerror(errno.ENAMETOOLONG)})")
        with telling_failures(path):
            present = next(each for each in (path, *path.absolute().parents) if _exists(each))
    except ValueError as error:  # TensorFlow, FAISS and JSON take no other names
        raise UserError(f"{path}: a name that is not text in UTF-8") from error
    if present == path and not right(path):
        raise UserError(f"{path}: is there and is not {kind}")
    if present != path and not present.is_dir():
        raise UserError(f"{path}: cannot be made, {present} is not a directory")
    written = present.absolute().parent if present.is_file() else present
    _try_to_write(path, written)


def _try_to_write(path: Path, directory: Path) -> None:
    """Makes something in a directory and removes it: permissions alone do not tell, as in /proc."""
    try:
        trial = tempfile.mkdtemp(prefix=PREFIX, dir=directory)
    except PermissionError as error:
        reason = f"cannot be written, there is no permission to write to {directory}"
        raise UserError(f"{path}: {reason}") from error
    except OSError as error:
        reason = f"cannot be written, nothing can be made in {directory} ({error.strerror})"
        raise UserError(f"{path}: {DISK_FULL if is_disk_full(error) else reason}") from error
    with contextlib.suppress(OSError):  # taken for a leftover, and removed
        os.rmdir(trial)


def _exists(path: Path) -> bool:
    """Whether something is there; unlike `Path.exists`, raises OSError for impossible names."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return True


@contextlib.contextmanager
def partial_directory(parent: str | os.PathLike) -> Iterator[Path]:
    """Yields an empty directory to write in, which is removed at the end if it is there still.

    Args:
        parent: Directory, made if need be, in which it is and where what is written is moved to.
    """
    Path(parent).mkdir(parents=True, exist_ok=True)
    while True:
        temporary = Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))
        with _locked(temporary, wait=True):
            if not temporary.exists():  # taken for a leftover before it was locked
                continue
            try:
                yield temporary
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            return


@contextlib.contextmanager
def _locked(path: Path, wait: bool = False) -> Iterator[bool]:
    """Holds a lock on a file or directory; yields whether it is held.

    It is not where it is gone, where others hold it, or where the file system has no locks.
    """
    with contextlib.ExitStack() as stack:
        held = False
        with contextlib.suppress(OSError, ImportError):
            import fcntl  # there is none on Windows

            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
            stack.callback(os.close, handle)
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        yield held


def remove_leftovers(directory: str | os.PathLike) -> None:
    """Removes what killed processes were writing in a directory, and nothing that is held."""
    with contextlib.suppress(OSError):  # no directory, or none that may be listed
        for path in [path for path in Path(directory).iterdir() if _PARTIAL.fullmatch(path.name)]:
            with _locked(path) as held:
                if held and path.is_dir():
                    shutil.rmtree(path, ignore_errors=True)
                elif held:
                    path.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path of the same name, which becomes `path` when the block succeeds.

    Parent directories are made. When the block raises, what it has written is removed and `path`
    is left as it was.

    Raises:
        UserError: `path` cannot be written, or the disk is full.
    """
    path = Path(path)
    check_output_file(path)
    with telling_failures(path), partial_directory(path.parent) as directory:
        yield directory / path.name
        os.replace(directory / path.name, path)


@contextlib.contextmanager
def atomic_directory(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary directory beside `path`, which becomes `path` when the block succeeds.

    Parent directories are made, and what killed processes have left there is removed. When the
    block raises, the temporary directory is removed.

    Raises:
        UserError: `path` is there already, or cannot be written, or the disk is full.
    """
    path = Path(path)
    check_output_directory(path, new=True)
    remove_leftovers(path.parent)
    with telling_failures(path), partial_directory(path.parent) as temporary:
        yield temporary
        temporary.chmod(0o755)
        temporary.rename(path)


def write_json(path: str | os.PathLike, content: Any) -> None:
    """Writes a value as indented JSON, in one step; see `atomic_write`."""
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def sha256(path: str | os.PathLike) -> str:
    """Returns the SHA-256 of a file's content as hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_checksums(directory: Path, name: str) -> None:
    """Writes the SHA-256 of every file below a directory, as `sha256sum -c` reads it.

    Args:
        directory: The directory.
        name: Path in it of the file to be written.
    """
    found = sorted(path for path in directory.rglob("*") if path.is_file())
    lines = [f"{sha256(path)}  {path.relative_to(directory).as_posix()}\n" for path in found]
    (directory / name).write_text("".join(lines), encoding="utf-8")


def check_checksums(directory: Path, name: str) -> None:
    """Compares files with what `write_checksums` wrote; does nothing if it wrote nothing.

    Raises:
        UserError: A file is missing or another one, or the checksums are damaged.
    """
    if not (directory / name).is_file():
        return
    try:
        lines = (directory / name).read_text(encoding="utf-8").splitlines()
        sums = {path: expected for expected, path in (line.split("  ", 1) for line in lines)}
        for path, expected in sums.items():
            if sha256(directory / path) != expected:
                raise UserError(f"{directory / path}: damaged: its checksum is not that in {name}")
    except FileNotFoundError as error:
        raise UserError(f"{error.filename}: no such file, though {name} lists it") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{directory / name}: damaged ({one_line(error)})") from error
