"""Sheet snippets at full resolution, cut from the strips of an MSMD directory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from tempo_invariant import progress
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import atomic_write, why_left_out, write_json
from tempo_invariant.geometry import PRINTED
from tempo_invariant.scores.msmd import choose_pieces, read_score
from tempo_invariant.scores.strips import Placement, cut_snippet, strip

_LONGEST_NAME = 160
"""Bytes of a piece's name in that of a file."""


@dataclass(frozen=True)
class Snippet:
    """A snippet uint8 [160, 200] and its place: page and system, from 1, and column of the page."""

    piece: str
    page: int
    system: int
    x: float
    image: np.ndarray

    @property
    def file_name(self) -> str:
        """Name with the place; characters that file systems dislike become underscores.

        The name of the piece is cut where the file's would be longer than file systems take.
        """
        piece = re.sub(r"[^\w.-]", "_", self.piece)
        piece = piece.encode()[:_LONGEST_NAME].decode(errors="ignore")
        return f"{piece}_p{self.page:02d}_s{self.system:02d}_x{round(self.x):04d}.png"

    def write(self, directory: Path) -> dict[str, str | int | float]:
        """Writes the snippet as a PNG file, and returns its piece and place."""
        with atomic_write(directory / self.file_name) as path:
            Image.fromarray(self.image).save(path, format="PNG")
        place = {"page": self.page, "system": self.system, "x": round(self.x, 1)}
        return {"piece": self.piece, **place}


def moments(placements: Sequence[Placement]) -> list[list[Placement]]:
    """Groups the sounding note heads that start together, in reading order.

    Heads start together if they share the onset in the first performance; without performances,
    if they share the musical time or, where it is unknown, the column.
    """
    heads = [placement for placement in placements if not placement.head.tied]
    names = sorted({name for placement in heads for name in placement.head.onsets})

    def moment(placement: Placement) -> tuple:
        head = placement.head
        if names and names[0] in head.onsets:
            return ("frame", head.onsets[names[0]].frame)
        if head.moment is not None:
            return ("quarter", head.moment)
        return ("column", round(placement.column))

    groups: dict[tuple, list[Placement]] = {}
    for placement in sorted(heads, key=lambda p: p.column):
        if names and names[0] not in placement.head.onsets:
            continue
        groups.setdefault((placement.page, placement.system, moment(placement)), []).append(
            placement
        )
    return sorted(groups.values(), key=lambda group: group[(len(group) - 1) // 2].column)


def piece_snippets(
    piece_dir: str | Path, every: int = 1, ink: str | None = None, staves: str = PRINTED
) -> list[Snippet]:
    """Cuts the snippets of a piece, one per `every` distinct onsets, in reading order.

    Raises:
        UserError: The score is broken, or not there in this ink.
    """
    score = read_score(piece_dir)
    if ink is not None and ink not in score.inks:
        raise UserError(f"{piece_dir}: not there in ink {ink!r} (it has: {', '.join(score.inks)})")
    image, placements = strip(score, ink or score.inks[0], staves)
    snippets = []
    for group in moments(placements)[::every]:
        middle = group[(len(group) - 1) // 2]
        cut = cut_snippet(image, middle.column)
        place = (middle.page, middle.system, middle.head.column)
        snippets.append(Snippet(Path(piece_dir).name, *place, cut))
    return snippets


def write_snippets(
    msmd_dir: str | Path,
    output: str | Path,
    pieces: Sequence[str] = (),
    every: int = 1,
    limit: int | None = None,
    ink: str | None = None,
    staves: str = PRINTED,
) -> tuple[int, list[str]]:
    """Writes snippets as PNG files with names.json.

    Args:
        msmd_dir: Directory in the published layout.
        output: Directory for the files.
        pieces: Names of the only pieces to cut; all, if there are none.
        every: Step from one onset to the next that is cut, in onsets of a piece.
        limit: Largest number of snippets, evenly spaced over all of them.
        ink: Rendering of the page; by default the first one.
        staves: Distance of a piano's staves, see `geometry.STAVES`.

    Returns:
        The number of snippets, and a line for each piece that could not be read.

    Raises:
        UserError: A piece isn't there, or no snippet came out.
    """
    snippets, problems = [], []
    for piece in progress.track(sorted(choose_pieces(msmd_dir, pieces)), "pieces"):
        try:
            snippets += piece_snippets(Path(msmd_dir) / piece, every, ink, staves)
        except UserError as error:
            problems.append(str(error))
        except Exception as error:  # one broken piece must not end the others
            problems.append(f"{printable(piece)}: {why_left_out(error)}")
    if limit is not None and limit < len(snippets):
        snippets = [snippets[i * len(snippets) // limit] for i in range(limit)]
    if not snippets:
        raise UserError(f"{msmd_dir}: no snippet ({problems[0] if problems else 'no note head'})")
    names = {snippet.file_name: snippet.write(Path(output)) for snippet in snippets}
    write_json(Path(output) / "names.json", names)
    return len(names), problems
