"""The engraver of a score: LilyPond for its own files, Verovio for other notation."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tempo_invariant import extras
from tempo_invariant.scores.drawn import TIMEOUT_SECONDS, Engraving
from tempo_invariant.scores.folders import NOTATION, kind_of
from tempo_invariant.scores.looks import PLAIN, Look, wide_staves
from tempo_invariant.scores.notation import engrave_notation
from tempo_invariant.scores.sources import PieceSource


@contextlib.contextmanager
def engraved(
    source: PieceSource,
    times: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    look: Look = PLAIN,
    staff_distance: float = 1.0,
) -> Iterator[Engraving]:
    """Yields an engraved score, whose MIDI files are there for as long as the block lasts.

    Args:
        source: The score.
        times: Whether the note heads and the times at which they are played are wanted.
        timeout_seconds: Limit of the engraver's processor time; ten times as long may elapse.
        look: How Verovio engraves; LilyPond does it as its files say.
        staff_distance: How many times as far apart as usual the staves of a system are, at least.

    Raises:
        UserError: It cannot be engraved, or its engraver is not installed.
    """
    if kind_of(source.path) == NOTATION:
        wide = look if staff_distance == 1 else look | wide_staves(staff_distance)
        yield engrave_notation(source.path, times, timeout_seconds, wide)
        return
    extras.require("lilypond", f"{source.path}:")
    from tempo_invariant.scores.engraving import engrave

    with tempfile.TemporaryDirectory(prefix="engrave-") as workspace:
        yield engrave(source.path, Path(workspace), source.root, timeout_seconds, staff_distance)
