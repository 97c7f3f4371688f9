"""Walks through a folder of folders that may hold anything: links in circles, our own output."""

import fnmatch
import itertools
import os
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import why_no_file

MAX_FILES = 1_000_000
"""Folders with more files in them are refused: they are no collection of scores or recordings."""

_DEEPEST = 50
_PASSED_OVER = ("__MACOSX",)

_QUERIES = "a query set"

_MADE_HERE = {
    ("catalogue.txt", "vectors-*.bin"): "an index",
    ("index.json", "vectors.npy"): "an index",
    ("answer.json", "answer.html"): "an answer",
    ("follow.json", "follow.html"): "a recording with its score",
    ("queries.json",): _QUERIES,
    ("dataset_info.json",): "records",
    ("experiment.json", "*.weights.h5"): "a training run",
    ("saved_model.pb",): "an exported model",
}
"""Files by which a folder is known that a command of ours has made, and what it is."""

_MSMD = "a piece of an MSMD directory, which is given by itself"
_WITH_RECORDINGS = (_QUERIES, _MSMD)
"""What holds recordings to be looked for, though no scores."""

_AGAIN = "a link to a folder that is there already"
_TOO_DEEP = f"nested more than {_DEEPEST} folders deep"


@dataclass(frozen=True)
class Folder:
    """A folder: its path, its path from the top with slashes, and its files in natural order."""

    path: str
    inside: str
    files: list[str]

    def join(self, name: str) -> str:
        """Returns the path of a file from the top, with slashes."""
        return f"{self.inside}/{name}" if self.inside else name


def walk(
    root: str | os.PathLike, leave_out: Callable[[str, str], None], kind: str = "scores"
) -> Iterator[Folder]:
    """Yields a folder and all folders in it, each once; where links lead comes last.

    Hidden files and what archives of Apple's have beside them are passed over in silence.

    Args:
        root: The folder.
        leave_out: Called with a reason and the path from the top of each folder that is not
            entered, because it cannot be read, is too deep, or was made by a command of ours; and
            of what is neither file nor folder.
        kind: What is looked for, "scores" or "recordings".

    Raises:
        UserError: The top cannot be read, or was made by a command of ours, or has more files than
            `MAX_FILES`.
    """
    top = os.fspath(root)
    waiting, links, room = [(top, "")], list[tuple[str, str]](), MAX_FILES
    seen: set[tuple[int, int]] = set()
    while waiting or links:
        path, inside = waiting.pop() if waiting else links.pop()
        try:
            status = os.stat(path)
            with os.scandir(path) as entries:
                files, folders, linked, others = _sort(entries)
        except OSError as error:
            if not inside:
                raise UserError(f"{path}: cannot be read ({error.strerror})") from error
            leave_out(f"cannot be read ({error.strerror})", inside)
            continue
        reason = _why_not(path, files, folders)
        if kind == "recordings" and reason in _WITH_RECORDINGS:
            reason = None
        if (status.st_dev, status.st_ino) in seen:
            reason = _AGAIN
        seen.add((status.st_dev, status.st_ino))
        if inside.count("/") >= _DEEPEST:
            reason = _TOO_DEEP
        if reason and not inside:
            raise UserError(f"{path}: is {reason}, and no folder of {kind}")
        if reason:
            leave_out(reason, inside)
            continue
        room -= len(files) + len(folders)
        if room < 0:
            raise UserError(f"{root}: holds more than {MAX_FILES:,} files; give a smaller folder")
        folder = Folder(path, inside, files)
        for name in others:
            leave_out(why_no_file(os.path.join(path, name)), folder.join(name))
        waiting += [(os.path.join(path, name), folder.join(name)) for name in reversed(folders)]
        links += [(os.path.join(path, name), folder.join(name)) for name in reversed(linked)]
        yield folder


def _sort(entries: Iterator[os.DirEntry]) -> tuple[list[str], ...]:
    """Returns the names of files, folders, links to folders, and others, in natural order."""
    names: tuple[list[str], ...] = ([], [], [], [])
    files, folders, links, others = names
    for entry in entries:
        if entry.name.startswith(".") or entry.name in _PASSED_OVER:
            continue
        try:
            kind = files if entry.is_file() else others
            if entry.is_dir():
                kind = links if entry.is_symlink() else folders
        except OSError:  # a link that leads in a circle
            kind = others
        kind.append(entry.name)
    return tuple(sorted(each, key=natural) for each in names)


def _why_not(path: str, files: list[str], folders: list[str]) -> str | None:
    """Returns what a folder is, if it is none of a user's own scores; else None."""
    for names, made in _MADE_HERE.items():
        if names[0] in files and all(fnmatch.filter(files, name) for name in names):
            return made
    if "scores" in folders and any(Path(path).glob("scores/*/mung")):
        return _MSMD
    return None


def natural(text: str) -> tuple:
    """Returns a key by which texts are sorted as people count: page 2 comes before page 10."""
    parts = re.split(r"([0-9]+)", text)
    return tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), text


def new_name(stem: str, path: str, taken: Collection[str]) -> str:
    """Returns the first printable name of a file, of a few, that is not taken.

    Args:
        stem: Its path from the top without the ending.
        path: Its path from the top.
        taken: The names of others.
    """
    numbered = (f"{path} ({number})" for number in itertools.count(2))
    names = itertools.chain([stem, path], numbered)
    return next(name for name in map(printable, names) if name not in taken)
