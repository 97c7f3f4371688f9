"""Where the pieces of a build come from: a folder of folders, an archive of one, or a file."""

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tempo_invariant.errors import UserError
from tempo_invariant.scores.archives import is_archive, unpacked
from tempo_invariant.scores.folders import NOTATED, kind_of, list_folder
from tempo_invariant.scores.piece_table import is_safe_name

SAMPLE = "sample"
SAMPLE_SCORES = Path(__file__).parent / "sample_scores"
"""Name of the scores that come with this package, and their folder."""

_NO_NOTES = "no notes to build a piece from"
_ONLY_PAGES = "PDF pages and images have no notes to learn from"


@dataclass(frozen=True)
class PieceSource:
    """A piece: its name, its file, and the tree that holds the files that it includes."""

    piece: str
    path: Path
    root: Path


@contextlib.contextmanager
def open_scores(scores: str, pieces: str | None = None) -> Iterator[list[PieceSource]]:
    """Yields the pieces of a collection; an archive is unpacked for as long as the block lasts.

    Args:
        scores: The word "sample", or the path of a file, a directory, or an archive of one.
        pieces: Path of a table `piece<TAB>lilypond_file` with paths relative to the directory; by
            default that of `PIECES.tsv` at its top, if there is one.

    Raises:
        UserError: There is no such collection, it is empty, or the archive or table is bad.
    """
    path = Path(scores)
    if scores == SAMPLE:
        yield list_sources(SAMPLE_SCORES, pieces, warn=False)
    elif os.path.isdir(path):
        yield list_sources(path, pieces)
    elif is_archive(path):
        with unpacked(path) as root:
            yield list_sources(root, pieces)
    elif kind_of(path) in NOTATED and os.path.isfile(path):
        yield [PieceSource(path.stem, path, path.parent)]
    elif kind_of(path):
        raise UserError(f"{scores}: {_ONLY_PAGES}; wanted is a {' or '.join(NOTATED)}")
    else:
        raise UserError(
            f"{scores}: neither a directory nor a tar or zip archive of one, nor a "
            f"{' or '.join(NOTATED)}"
        )


def list_sources(root: Path, pieces: str | None = None, warn: bool = True) -> list[PieceSource]:
    """Lists the pieces below a folder, as `folders.list_folder` finds them.

    Without a table a piece has the name of the score with two underscores for every slash, as it is
    the name of one folder in MSMD. What else the folder holds is named in warnings, if they are
    wanted.

    Raises:
        UserError: There is none, or the folder cannot be listed.
    """
    listing = list_folder(root, Path(pieces) if pieces else None)
    sources: dict[str, PieceSource] = {}
    for score in listing.scores:
        name, path = piece_name(score.name), os.path.relpath(score.files[0], root)
        if score.kind not in NOTATED:
            listing.leave_out(_NO_NOTES, path)
        elif not is_safe_name(name) or name in sources:
            listing.leave_out("cannot name a piece, or names another one", path)
        else:
            sources[name] = PieceSource(name, score.files[0], score.root)
    wanted = f"holds no {' or '.join(NOTATED)}"
    if listing.scores and not any(score.kind in NOTATED for score in listing.scores):
        raise UserError(f"{root}: {_ONLY_PAGES}, and it {wanted}")
    for line in listing.left_out_lines() if warn else ():
        logging.warning("left out: %s", line)
    if not sources:
        raise UserError(f"{root}: {wanted}")
    return list(sources.values())


def piece_name(score: str) -> str:
    """Returns the name of the piece that is made of a score."""
    return score.replace("/", "__")


def select(
    sources: Sequence[PieceSource], names: Sequence[str], limit: int | None
) -> list[PieceSource]:
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
