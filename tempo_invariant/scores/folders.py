"""What a folder of folders holds: which of its files are scores, of which kind, and what is not.

A score is a file of a known kind, or a folder below the top whose scores are all images: its pages,
in the order in which people count. It is named by its path from the top without the ending,
`Chopin/op28/04`. Of files of one name one is used, see `KINDS`; that some are for other sizes of
paper, as in `waltz-a4.ly` and `waltz-let.ly`, counts as one name.
"""

import importlib.util
import os
import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tempo_invariant import extras
from tempo_invariant.errors import printable
from tempo_invariant.scores.lilypond_files import LilyPondTree
from tempo_invariant.scores.notation_files import is_notation
from tempo_invariant.scores.piece_table import PIECES_FILE, read_table
from tempo_invariant.scores.walking import Folder, natural, new_name, walk
from tempo_invariant.wording import counted, listed

PAGES, LILYPOND = "PDF file or page image", "LilyPond file"
NOTATION = "score in MusicXML, MEI, kern or ABC"

IMAGES = (".tif", ".tiff", ".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".pbm")

KINDS = {
    ".ly": LILYPOND,
    **dict.fromkeys((".musicxml", ".mxl", ".xml", ".mei", ".krn", ".abc"), NOTATION),
    **dict.fromkeys((".pdf", *IMAGES), PAGES),
}
"""Kinds of score by the suffix of their files; of several kinds of one name the first is used."""

NEEDED = {LILYPOND: "lilypond"}
"""Optional modules that kinds of score need, see `extras`."""

NOTATED = (LILYPOND, NOTATION)
"""Kinds of score that say which notes they have, and not only how they look."""

NO_KIND = "no " + " or ".join(dict.fromkeys(KINDS.values()))
_SHOWN = 3
"""Number of paths that are shown of what is left out for one reason."""

_INCLUDES = (".ily", ".lyi")
_PARTS = "parts of other LilyPond files, or without music of their own"
_QUIET = (_PARTS,)
"""Reasons for which only the number of files is told."""

_OTHER_XML = "XML that is neither MusicXML nor MEI"
_OTHER_PAPER = "the same for another size of paper is used"
_PAPER = re.compile(
    r"(?:(?:for-)?(?P<before>a4|let(?:ter)?)[-_])?(?P<stem>.+?)"
    r"(?:[-_](?P<after>a4|let(?:ter)?|preview))?",
    re.IGNORECASE | re.DOTALL,
)
"""Names with a size of paper in them, or of a picture of the beginning, as Mutopia has them."""

_PAPERS = ("", "a4", "let", "letter", "preview")


@dataclass(frozen=True)
class FoundScore:
    """A score in a folder.

    Attributes:
        name: Its name.
        kind: Its kind, one of those in `KINDS`.
        files: Its files in reading order; of a LilyPond file those that it includes come last.
        root: The folder that the files lie in.
    """

    name: str
    kind: str
    files: tuple[Path, ...]
    root: Path


@dataclass(frozen=True)
class Listing:
    """What a folder holds, the scores in it if these are looked for, and what is left out.

    Attributes:
        scores: The scores.
        left_out: Paths from the top of what is not used, by the reason.
        loose_images: Paths from the top of images that are a score each, though several lie in one
            folder.
    """

    scores: list[FoundScore] = field(default_factory=list)
    left_out: dict[str, list[str]] = field(default_factory=dict)
    loose_images: list[str] = field(default_factory=list)

    def leave_out(self, reason: str, path: str) -> None:
        """Notes what is not used."""
        self.left_out.setdefault(reason, []).append(path)

    def left_out_lines(self) -> Iterator[str]:
        """Yields a printable line for every reason why something is left out."""
        for reason, paths in self.left_out.items():
            quiet = reason in _QUIET
            shown = counted(len(paths), "file") if quiet else listed(paths, _SHOWN)
            yield printable(f"{shown}: {reason}")

    def notes(self) -> Iterator[str]:
        """Yields printable lines about scores that may be meant otherwise."""
        if self.loose_images:
            yield (
                f"{listed(self.loose_images, _SHOWN)}: each image is a score of its own; the pages "
                "of one score have a folder to themselves"
            )


def kind_of(path: str | os.PathLike) -> str | None:
    """Returns the kind of score that a file's name promises; None if it promises none."""
    return KINDS.get(_suffix(path))


def is_image(path: str | os.PathLike) -> bool:
    """Whether a file's name promises a picture, which is a page or some."""
    return _suffix(path) in IMAGES


def _suffix(path: str | os.PathLike) -> str:
    return os.path.splitext(path)[1].lower()


def list_folder(root: Path, table: Path | None = None) -> Listing:
    """Finds the scores in a folder and in all folders in it, see `walking.walk`.

    Args:
        root: The folder.
        table: Path of a table of the LilyPond scores; by default that of `PIECES.tsv` at the top.
            With one, these are the only LilyPond scores, under the names that it gives them, and
            the first of all scores.

    Raises:
        UserError: The folder cannot be read, is none of scores, or has too many files; or the
            table is bad.
    """
    return _Lister(root, table).run()


@dataclass(frozen=True)
class _Found:
    """A score whose name is not final: paths from the top, without the ending and with it."""

    stem: str
    path: str
    kind: str
    files: Sequence[str]

    @property
    def rank(self) -> int:
        """Rank among scores of one name: a folder, which has no ending, is the first to have it."""
        return -1 if self.path == self.stem else list(KINDS).index(_suffix(self.path))


class _Lister:
    """Lists a folder; within, paths are from the top, with slashes."""

    def __init__(self, root: Path, table: Path | None) -> None:
        self._root = root
        self._listing = Listing()
        self._folders = list(walk(root, self._listing.leave_out))
        self._missing = {kind: _missing(kind) for kind in NEEDED}
        if not table and (root / PIECES_FILE).is_file():
            table = root / PIECES_FILE
        paths = read_table(table, root) if table else {}
        self._pieces = {
            name: Path(os.path.relpath(path, root)).as_posix() for name, path in paths.items()
        }
        self._listed = set(self._pieces.values())
        self._parts = self._find_parts()

    def run(self) -> Listing:
        """Returns the scores, those of the table first, the others sorted by name."""
        found = [score for folder in self._folders for score in self._scores(folder)]
        found.sort(key=lambda score: (natural(score.stem), score.rank))
        taken: set[str] = set()
        for name, path in {} if self._missing[LILYPOND] else self._pieces.items():
            self._add(name, LILYPOND, [path, *self._parts[path]])
            taken.add(name)
        for score in found:
            name = new_name(score.stem, score.path, taken)
            self._add(name, score.kind, score.files)
            taken.add(name)
        return self._listing

    def _add(self, name: str, kind: str, files: Sequence[str]) -> None:
        paths = tuple(self._root / path for path in files)
        self._listing.scores.append(FoundScore(name, kind, paths, self._root))

    def _find_parts(self) -> dict[str, list[str]]:
        """Returns the LilyPond files that are scores, each with the files that it includes."""
        files = [folder.join(name) for folder in self._folders for name in folder.files]
        tree = LilyPondTree(self._root, set(files))
        if self._pieces:
            return {path: tree.parts(path) for path in self._listed}
        sources = [path for path in files if kind_of(path) == LILYPOND]
        return dict.fromkeys(sources, []) if self._missing[LILYPOND] else tree.scores(sources)

    def _scores(self, folder: Folder) -> Iterator[_Found]:
        """Yields the scores in one folder, but for those that the table names."""
        paths = list(self._candidates(folder))
        if folder.inside and paths and all(map(is_image, paths)):
            yield _Found(folder.inside, folder.inside, PAGES, paths)
            return
        chosen = list(self._choose(paths))
        images = [path for path in chosen if is_image(path)]
        self._listing.loose_images.extend(images if len(images) > 1 else [])
        for path in chosen:
            if path not in self._listed:
                files = [path, *self._parts.get(path, ())]
                yield _Found(posixpath.splitext(path)[0], path, str(kind_of(path)), files)

    def _candidates(self, folder: Folder) -> Iterator[str]:
        """Yields the files of one folder that are scores, and notes why the others are none."""
        for name in folder.files:
            path = folder.join(name)
            if kind_of(name) == LILYPOND or _suffix(name) in _INCLUDES:
                if path in self._parts:
                    yield path
                elif not self._pieces:
                    self._listing.leave_out(_PARTS, path)
            elif _suffix(name) == ".xml" and not is_notation(self._root / path):
                self._listing.leave_out(_OTHER_XML, path)
            elif kind_of(name):
                yield path
            elif path != PIECES_FILE:
                self._listing.leave_out(NO_KIND, path)

    def _choose(self, paths: Sequence[str]) -> Iterator[str]:
        """Yields the files of one folder that are used, of those that have the same name."""
        groups: dict[str, list[str]] = {}
        for path in paths:
            reason = self._missing.get(str(kind_of(path)))
            if reason:
                self._listing.leave_out(reason, path)
            else:
                groups.setdefault(_stem_and_paper(path)[0], []).append(path)
        for group in groups.values():
            best = min(group, key=_rank)
            for path in group:
                reason = None if path in self._listed else _why_second(path, best)
                if reason:
                    self._listing.leave_out(reason, path)
                else:
                    yield path


def _missing(kind: str) -> str | None:
    """Returns what is missing to read scores of a kind; None if nothing is."""
    module = NEEDED.get(kind)
    if module is None or importlib.util.find_spec(module):
        return None
    return str(extras.explain(ModuleNotFoundError(name=module), "")).strip()


def _stem_and_paper(path: str) -> tuple[str, int]:
    """Returns a file's name without its ending and size of paper, and the rank of the latter."""
    stem = posixpath.splitext(posixpath.basename(path))[0]
    match = _PAPER.fullmatch(stem)
    if not match:
        return stem, 0
    paper = match["after"] or match["before"] or ""
    return match["stem"], _PAPERS.index(paper.lower())


def _rank(path: str) -> tuple[int, int, int]:
    """Returns the rank of a file among those of its name; the least is used."""
    kinds, suffixes = list(dict.fromkeys(KINDS.values())), list(KINDS)
    kind = kinds.index(KINDS[_suffix(path)])
    return kind, _stem_and_paper(path)[1], suffixes.index(_suffix(path))


def _why_second(path: str, best: str) -> str | None:
    """Returns why a file is not used where there is a better one of its name; None if it is."""
    kind = kind_of(best)
    if kind_of(path) == kind and _stem_and_paper(path)[1] != _stem_and_paper(best)[1]:
        return _OTHER_PAPER
    # Page images and PDF files of one name may be different pieces.
    same = path == best or (kind == PAGES and kind_of(path) == PAGES)
    return None if same else f"the {kind} of the same name comes first"
