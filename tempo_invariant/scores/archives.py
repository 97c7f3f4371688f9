"""Archives of scores, tar and zip, unpacked with bounds: they may come from anywhere."""

import contextlib
import io
import logging
import shutil
import stat
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Any

from tempo_invariant.errors import UserError, one_line, printable
from tempo_invariant.files import DISK_FULL, check_not_empty, is_disk_full

MAX_MEMBERS = 200_000
MAX_UNPACKED = 4 * 2**30
"""Archives with more files, or with more bytes in them, are refused."""

_DEEPEST = 50
_LONGEST_HEADER = 2**20  # bytes
_LONGEST_DIRECTORY = 32 * 2**20
"""Bytes of the directory at the end of a zip archive, which is read into memory."""

_LONG_NAMES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_TARS = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_ZIP = ".zip"


def is_archive(path: Path) -> bool:
    """Tells by its name whether a file is a tar or zip archive."""
    return path.name.lower().endswith((*_TARS, _ZIP))


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Yields the folder that an archive holds, for as long as the block lasts.

    Raises:
        UserError: The archive cannot be read, is too large, or leads out of its folder.
    """
    with tempfile.TemporaryDirectory(prefix="scores-") as directory:
        _unpack(archive, Path(directory))
        yield _top(Path(directory))


@dataclass(frozen=True)
class _Member:
    """A member of an archive: its name, its kind, its size in bytes, and what opens it."""

    name: str
    kind: str
    size: int
    open: Callable[[], IO[bytes] | None]


def _unpack(archive: Path, directory: Path) -> None:
    """Unpacks files and folders; links, which could lead outside, are reported and left out.

    Raises:
        UserError: The archive can't be read or is too large, or a member is a device or leads out
            of it.
    """
    is_zip = archive.name.lower().endswith(_ZIP)
    links = []
    room = MAX_UNPACKED
    check_not_empty(archive)
    try:
        with contextlib.closing((_zip_members if is_zip else _tar_members)(archive)) as members:
            for number, member in enumerate(members):
                if number == MAX_MEMBERS:
                    raise UserError(f"{archive}: refused, holds more than {MAX_MEMBERS:,} files")
                target = directory / _inside(archive, member)
                if member.kind == "link":
                    links.append(member.name)
                elif member.kind == "folder":
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    room -= max(0, member.size)
                    if room < 0:
                        size = f"{MAX_UNPACKED / 2**30:g} GiB"
                        raise UserError(f"{archive}: refused, holds more than {size}")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as stream, member.open() or io.BytesIO() as content:
                        shutil.copyfileobj(content, stream)
    except UserError:
        raise
    except Exception as error:  # of any kind: damaged bytes lead to a dozen of them
        if is_disk_full(error):
            raise UserError(f"{directory}: unpacking {archive}: {DISK_FULL}") from error
        kind = "zip" if is_zip else "tar"
        raise UserError(f"{archive}: not a readable {kind} archive ({one_line(error)})") from error
    if links:
        more = f" and {len(links) - 1} more" if len(links) > 1 else ""
        logging.warning("left out: %s", printable(f"{archive}: the link {links[0]}{more}"))


def _inside(archive: Path, member: _Member) -> PurePosixPath:
    """Returns the path of a member, which stays below the top."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{archive}: refused, member {member.name!r} leads out of it")
    if len(path.parts) > _DEEPEST:
        raise UserError(f"{archive}: refused, folders are nested more than {_DEEPEST} deep")
    if member.kind == "device":
        raise UserError(f"{archive}: refused, member {member.name!r} is a device")
    return path


class _TarInfo(tarfile.TarInfo):
    """A member of a tar archive; `tarfile` reads its name into memory, however long it is."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_TarInfo":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _LONG_NAMES and member.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a name or header of {member.size:,} bytes")
        return member


def _tar_members(archive: Path) -> Generator[_Member, None, None]:
    with tarfile.open(archive, tarinfo=_TarInfo) as tar:
        for info in tar:
            kind = "folder" if info.isdir() else "device" if info.isdev() else "file"
            if info.islnk() or info.issym():
                kind = "link"
            yield _Member(info.name, kind, info.size, partial(tar.extractfile, info))


class _ZipStream(io.FileIO):
    """A zip archive; `zipfile` reads its directory in one piece, however long it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LONGEST_DIRECTORY:
            raise zipfile.BadZipFile(f"a directory of {size:,} bytes")
        return super().read(size)


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with _ZipStream(archive) as stream, zipfile.ZipFile(stream) as opened:
        for info in opened.infolist():
            mode = info.external_attr >> 16
            kind = "folder" if info.is_dir() else "link" if stat.S_ISLNK(mode) else "file"
            # Others can unpack without bounds what a few bytes stand for.
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise zipfile.BadZipFile(f"{info.filename}: compressed otherwise than by deflate")
            name = info.filename.replace("\\", "/")  # as some programs of Windows write it
            yield _Member(name, kind, info.file_size, partial(opened.open, info))


def _top(directory: Path) -> Path:
    """Returns the single folder that an archive holds, or the directory itself."""
    entries = [path for path in directory.iterdir() if not path.name.startswith((".", "__MACOSX"))]
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else directory
