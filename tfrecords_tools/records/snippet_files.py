"""Sheet snippets at full resolution, cut from the strips of an MSMD directory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write, write_json
from tempo_invariant.scores.msmd import choose_pieces, read_score
from tempo_invariant.scores.strips import Placement, cut_snippet, strip


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
        """Name that tells the place; characters that file systems dislike become underscores."""
        piece = re.sub(r"[^\w.-]", "_", self.piece)
        return f"{piece}_p{self.page:02d}_s{self.system:02d}_x{round(self.x):04d}.png"


def moments(placements: Sequence[Placement]) -> list[list[Placement]]:
    """Groups the sounding note heads that start together, in reading order.

    They are known by their onset in the first performance that has any, else by their musical
    time, else by standing in one column of a system.
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


def piece_snippets(piece_dir: str | Path, every: int = 1, ink: str | None = None) -> list[Snippet]:
    """Cuts the snippets of a piece, one per `every` distinct onsets, in reading order.

    Raises:
        UserError: the score is broken, or not there in this ink.
    """
    score = read_score(piece_dir)
    if ink is not None and ink not in score.inks:
        raise UserError(f"{piece_dir}: not there in ink {ink!r} (it has: {', '.join(score.inks)})")
    image, placements = strip(score, ink or score.inks[0])
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
) -> tuple[int, list[str]]:
    """Writes snippets as PNG files with names.json.

    Args:
        msmd_dir: directory in the published layout.
        output: directory for the files.
        pieces: only these, if any.
        every: only every so many-th onset of a piece.
        limit: at most so many snippets, at even spacing over all of them.
        ink: rendering of the page.

    Returns:
        How many were written, and a line for each piece that could not be read.

    Raises:
        UserError: a piece isn't there, or no snippet came out.
    """
    snippets, problems = [], []
    for piece in tqdm(sorted(choose_pieces(msmd_dir, pieces)), unit="piece"):
        try:
            snippets += piece_snippets(Path(msmd_dir) / piece, every, ink)
        except UserError as error:
            problems.append(str(error))
    if limit is not None and limit < len(snippets):
        snippets = [snippets[i * len(snippets) // limit] for i in range(limit)]
    if not snippets:
        raise UserError(f"{msmd_dir}: no snippet ({problems[0] if problems else 'no note head'})")
    names = {}
    for snippet in snippets:
        with atomic_write(Path(output) / snippet.file_name) as path:
            Image.fromarray(snippet.image).save(path, format="PNG")
        place = {"piece": snippet.piece, "page": snippet.page, "system": snippet.system}
        names[snippet.file_name] = place | {"x": round(snippet.x, 1)}
    write_json(Path(output) / "names.json", names)
    return len(names), problems
