"""Where LilyPond scores come from: a checkout, an archive of one, or a folder of files."""

import contextlib
import csv
import io
import logging
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from tempo_invariant.errors import UserError, one_line, printable
from tempo_invariant.files import DISK_FULL, is_disk_full

SAMPLE = "sample"
SAMPLE_SCORES = Path(__file__).parent / "sample_scores"
"""Name of the scores that come with this package, and their folder."""

PIECES_FILE = "PIECES.tsv"
_LONGEST_NAME = 160  # bytes; the names of features add to it, and 255 is the limit of file systems

MAX_MEMBERS = 200_000
MAX_UNPACKED = 4 * 2**30
"""Archives with more files, or with more bytes in them, are refused."""

_DEEPEST = 50
_LONGEST_HEADER = 2**20  # bytes
_LONG_NAMES = (
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
)
_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


@dataclass(frozen=True)
class LilyPondSource:
    """A piece in LilyPond: its name, its file, and the tree that holds the files it includes."""

    piece: str
    path: Path
    root: Path


@contextlib.contextmanager
def open_scores(scores: str, pieces: str | None = None) -> Iterator[list[LilyPondSource]]:
    """Yields the pieces of a collection; an archive is unpacked for as long as the block lasts.

    Args:
        scores: The word "sample", or the path of a directory or a tar archive. With a table of
            pieces, its paths are relative to this; without one, each `*.ly` file at the top is a
            piece.
        pieces: Path of a table `piece<TAB>lilypond_file`; by default that of `PIECES.tsv` at the
            top of the tree.

    Raises:
        UserError: There is no such collection, it is empty, or the archive or table is bad.
    """
    path = Path(scores)
    if scores == SAMPLE:
        yield list_sources(SAMPLE_SCORES, pieces)
    elif os.path.isdir(path):
        yield list_sources(path, pieces)
    elif is_archive(path):
        with unpacked(path) as root:
            yield list_sources(root, pieces)
    else:
        raise UserError(f"{scores}: neither a directory nor a tar archive")


def is_archive(path: Path) -> bool:
    """Tells by its name whether a file is a tar archive."""
    return path.name.endswith(_ARCHIVES)


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Yields the folder that a tar archive holds, for as long as the block lasts.

    Raises:
        UserError: The archive cannot be read, is too large, or leads out of its folder.
    """
    with tempfile.TemporaryDirectory(prefix="scores-") as directory:
        _unpack(archive, Path(directory))
        yield _top(Path(directory))


def list_sources(root: Path, pieces: str | None = None) -> list[LilyPondSource]:
    """Lists the pieces below `root`, in the order of the table or by name."""
    table = Path(pieces) if pieces else root / PIECES_FILE
    if pieces or os.path.isfile(table):
        sources = _read_table(table, root)
    else:
        sources = _list_folder(root)
    if not sources:
        raise UserError(
            f"{root}: holds no LilyPond file (*.ly at the top, or a table {PIECES_FILE})"
        )
    return sources


def select(
    sources: Sequence[LilyPondSource], names: Sequence[str], limit: int | None
) -> list[LilyPondSource]:
    """Returns the sources named, in the order of the names, and no more than `limit` of them.

    Raises:
        UserError: A name is not among the pieces.
    """
    by_name = {source.piece: source for source in sources}
    unknown = [name for name in names if name not in by_name]
    if unknown:
        raise UserError(f"no piece {unknown[0]!r} among the {len(sources)} scores")
    chosen = [by_name[name] for name in names] if names else list(sources)
    return chosen[:limit]


def _list_folder(root: Path) -> list[LilyPondSource]:
    """Returns a source for each `*.ly` file whose name can name a piece.

    Hidden ones are other programs' copies.
    """
    sources = []
    for path in sorted(root.glob("*.ly")):
        if path.name.startswith("."):
            continue
        if is_safe_name(path.stem):
            sources.append(LilyPondSource(path.stem, path, root))
        else:
            logging.warning("left out: %s: cannot name a piece", printable(str(path)))
    return sources


def _read_table(table: Path, root: Path) -> list[LilyPondSource]:
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read ({one_line(error)})") from error
    sources: list[LilyPondSource] = []
    seen: set[str] = set()
    for line, row in enumerate(rows, 1):
        if not row or not "".join(row).strip() or (line == 1 and row[0] == "piece"):
            continue
        if len(row) != 2:
            raise UserError(f"{table}:{line}: expected piece<TAB>lilypond_file")
        name, path = row[0].strip(), root / row[1].strip()
        if not is_safe_name(name):
            raise UserError(f"{table}:{line}: {name!r} cannot name a piece")
        if name in seen:
            raise UserError(f"{table}:{line}: piece {name!r} is there twice")
        if not row[1].isprintable() or not _is_below(path, root):
            raise UserError(f"{table}:{line}: {row[1]!r} leads out of {root}")
        seen.add(name)
        sources.append(LilyPondSource(name, path, root))
    return sources


def _is_below(path: Path, root: Path) -> bool:
    """Tells whether a path lies in a tree, links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def is_safe_name(name: str) -> bool:
    """Tells whether files of a piece of this name can be made inside the output directory."""
    short = 0 < len(name.encode(errors="replace")) <= _LONGEST_NAME
    return short and name[0] != "." and name.isprintable() and not {"/", "\\"} & {*name}


class _Member(tarfile.TarInfo):
    """A member of an archive; `tarfile` reads long names into memory, however long they are."""

    @classmethod
    def frombuf(cls, buf: Any, encoding: str, errors: str) -> "_Member":
        member = super().frombuf(buf, encoding, errors)
        if member.type in _LONG_NAMES and member.size > _LONGEST_HEADER:
            raise tarfile.ReadError(f"a name or header of {member.size:,} bytes")
        return member


def _unpack(archive: Path, directory: Path) -> None:
    """Unpacks files and folders; links, which could lead outside, are reported and left out.

    Raises:
        UserError: The archive can't be read or is too large, or a member is a device or leads out
            of it.
    """
    links = []
    room = MAX_UNPACKED
    try:
        with tarfile.open(archive, tarinfo=_Member) as tar:
            for number, member in enumerate(tar):
                if number == MAX_MEMBERS:
                    raise UserError(f"{archive}: refused, holds more than {MAX_MEMBERS:,} files")
                target = directory / _inside(archive, member)
                if member.islnk() or member.issym():
                    links.append(member.name)
                elif member.isdir():
                    target.mkdir(parents=True, exist_ok=True)
                else:
                    room -= max(0, member.size)
                    if room < 0:
                        size = f"{MAX_UNPACKED / 2**30:g} GiB"
                        raise UserError(f"{archive}: refused, holds more than {size}")
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with target.open("wb") as stream:
                        shutil.copyfileobj(tar.extractfile(member) or io.BytesIO(), stream)
    except UserError:
        raise
    except Exception as error:  # of any kind: damaged bytes lead to a dozen of them
        if is_disk_full(error):
            raise UserError(f"{directory}: unpacking {archive}: {DISK_FULL}") from error
        raise UserError(f"{archive}: not a readable tar archive ({one_line(error)})") from error
    if links:
        more = f" and {len(links) - 1} more" if len(links) > 1 else ""
        logging.warning("left out: %s", printable(f"{archive}: the link {links[0]}{more}"))


def _inside(archive: Path, member: tarfile.TarInfo) -> PurePosixPath:
    """Returns the path of a member, which stays below the top."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{archive}: refused, member {member.name!r} leads out of it")
    if len(path.parts) > _DEEPEST:
        raise UserError(f"{archive}: refused, folders are nested more than {_DEEPEST} deep")
    if member.isdev():
        raise UserError(f"{archive}: refused, member {member.name!r} is a device")
    return path


def _top(directory: Path) -> Path:
    """Returns the single folder that an archive holds, or the directory itself."""
    entries = list(directory.iterdir())
    return entries[0] if len(entries) == 1 and entries[0].is_dir() else directory
