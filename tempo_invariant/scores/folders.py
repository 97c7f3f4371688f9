"""What a folder holds: which of its files are scores, of which kind, and what is left out."""

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from tempo_invariant.errors import UserError, printable
from tempo_invariant.scores.notation_files import is_notation
from tempo_invariant.scores.sources import PIECES_FILE

PAGES, LILYPOND = "PDF file or page image", "LilyPond file"
NOTATION = "score in MusicXML, MEI, kern or ABC"

KINDS = {
    **dict.fromkeys((".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff"), PAGES),
    **dict.fromkeys((".bmp", ".webp", ".gif", ".ppm", ".pgm", ".pbm"), PAGES),
    ".ly": LILYPOND,
    **dict.fromkeys((".musicxml", ".mxl", ".xml", ".mei", ".krn", ".abc"), NOTATION),
}
"""Kinds of score by the suffix of their files."""

NO_KIND = "no " + " or ".join(dict.fromkeys(KINDS.values()))
_NO_PAGES = f"a folder without any {PAGES}"
_SHOWN = 3
"""Number of paths that are shown of what is left out for one reason."""


@dataclass(frozen=True)
class FoundScore:
    """A score in a folder: its name, its kind, and its files in reading order."""

    name: str
    kind: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Listing:
    """The scores of a folder, and the paths of everything else by the reason why it is none."""

    scores: list[FoundScore]
    left_out: dict[str, list[Path]]

    def leave_out(self, reason: str, paths: list[Path]) -> None:
        """Notes what is no score."""
        if paths:
            self.left_out.setdefault(reason, []).extend(paths)

    def left_out_lines(self) -> Iterator[str]:
        """Yields a printable line for every reason why something is left out."""
        for reason, paths in self.left_out.items():
            more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
            yield printable(f"{', '.join(map(str, paths[:_SHOWN]))}{more}: {reason}")


def kind_of(path: Path) -> str | None:
    """Returns the kind of score that a file's name promises; None if it promises none."""
    return KINDS.get(path.suffix.lower())


def list_folder(folder: Path, listed: Collection[str] | None = None) -> Listing:
    """Finds the scores in a folder: every file of a known kind, and every folder of pages.

    Hidden files are passed over in silence.

    Args:
        folder: The folder.
        listed: Names of the LilyPond scores, if the folder has a table of them: other LilyPond
            files are parts of these, and no scores. None: every LilyPond file is a score.

    Raises:
        UserError: The folder cannot be read.
    """
    entries = _entries(folder)
    engraved = {
        path.stem: kind
        for kind in (NOTATION, LILYPOND)
        for path in entries
        if kind_of(path) == kind
    }
    engraved |= dict.fromkeys(listed or (), LILYPOND)
    listing = Listing([], {})
    names = {*(listed or ())}
    for path in entries:
        kind, files = kind_of(path), [path]
        if path.is_dir():
            kind, inside = PAGES, _entries(path)
            files = [file for file in inside if _is_page(file)]
            listing.leave_out(NO_KIND, [file for file in inside if files and not _is_page(file)])
        if listed is not None and (kind == LILYPOND or path.name == PIECES_FILE):
            continue
        reason = _reason(path, kind, files, engraved)
        if reason:
            listing.leave_out(reason, [path])
            continue
        name = _new_name(path.name if path.is_dir() else path.stem, path.name, names)
        names.add(name)
        listing.scores.append(FoundScore(name, str(kind), tuple(files)))
    return listing


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError as error:
        raise UserError(f"{folder}: cannot be read ({error.strerror})") from error


def _is_page(path: Path) -> bool:
    return kind_of(path) == PAGES and path.is_file()


def _reason(
    path: Path, kind: str | None, files: list[Path], engraved: dict[str, str]
) -> str | None:
    """Returns why a file or folder is no score; None if it is one."""
    if not files:
        return _NO_PAGES
    if kind is None:
        return NO_KIND
    if not files[0].is_file():
        return "no regular file"
    if path.suffix.lower() == ".xml" and not is_notation(path):
        return "XML that is neither MusicXML nor MEI"
    better = engraved.get(path.stem) if path.is_file() else None
    is_second = kind == PAGES or (kind, better) == (NOTATION, LILYPOND)
    return f"the {better} of the same name is used" if better and is_second else None


def _new_name(stem: str, name: str, taken: Collection[str]) -> str:
    """Returns the first printable name, of a few, that is not taken."""
    numbered = (f"{name} ({number})" for number in itertools.count(2))
    return next(
        n for n in map(printable, itertools.chain([stem, name], numbered)) if n not in taken
    )
