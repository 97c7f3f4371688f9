"""Tables that name the LilyPond pieces of a tree, and the names that pieces can have."""

import csv
import os
from pathlib import Path

from tempo_invariant.errors import UserError, one_line

PIECES_FILE = "PIECES.tsv"
"""Name of the table at the top of a tree."""

_LONGEST_NAME = 160  # bytes; the names of features add to it, and 255 is the limit of file systems


def read_table(table: Path, root: Path) -> dict[str, Path]:
    """Reads a table `piece<TAB>lilypond_file`, in its order.

    Args:
        table: Path of the table.
        root: Folder that the paths of the files are relative to, and that they lie in.

    Returns:
        Paths by piece.

    Raises:
        UserError: It cannot be read, or a line is wrong; the message tells which.
    """
    try:
        with table.open(encoding="utf-8", newline="") as stream:
            rows = list(csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{table}: cannot be read ({one_line(error)})") from error
    pieces: dict[str, Path] = {}
    for line, row in enumerate(rows, 1):
        if not row or not "".join(row).strip() or (line == 1 and row[0] == "piece"):
            continue
        if len(row) != 2:
            raise UserError(f"{table}:{line}: expected piece<TAB>lilypond_file")
        name, path = row[0].strip(), root / row[1].strip()
        if not is_safe_name(name):
            raise UserError(f"{table}:{line}: {name!r} cannot name a piece")
        if name in pieces:
            raise UserError(f"{table}:{line}: piece {name!r} is there twice")
        if not row[1].isprintable() or not _is_below(path, root):
            raise UserError(f"{table}:{line}: {row[1]!r} leads out of {root}")
        pieces[name] = path
    return pieces


def _is_below(path: Path, root: Path) -> bool:
    """Tells whether a path lies in a tree, links followed."""
    return Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))


def is_safe_name(name: str) -> bool:
    """Tells whether files of a piece of this name can be made inside the output directory."""
    short = 0 < len(name.encode(errors="replace")) <= _LONGEST_NAME
    return short and name[0] != "." and name.isprintable() and not {"/", "\\"} & {*name}
