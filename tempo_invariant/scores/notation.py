"""Scores in MusicXML, MEI, Humdrum **kern and ABC to pages, which Verovio engraves.

Verovio runs in a process of its own, see `notation_process`. Music for a piano and others is
engraved as the piano part alone; the notes of the engraving say so.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from fractions import Fraction
from pathlib import Path
from typing import Any

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.scores.drawing import stix_fonts
from tempo_invariant.scores.drawn import TIMEOUT_SECONDS, Engraving
from tempo_invariant.scores.looks import PLAIN, Look
from tempo_invariant.scores.notation_files import read_notation
from tempo_invariant.scores.notation_svg import NoteTime, Reader, without_style

MEMORY_BYTES = 3 * 2**30

_WAITING = 10
"""Limit of elapsed time in multiples of the processor time: the machine may be busy."""

_PROGRAM = "tempo_invariant.scores.notation_process"


def engrave_notation(
    path: Path,
    times: bool = False,
    timeout_seconds: float = TIMEOUT_SECONDS,
    look: Look = PLAIN,
) -> Engraving:
    """Engraves a score.

    Args:
        path: File in MusicXML, packed (MXL) or not, MEI, Humdrum or ABC, which its content tells.
        times: Whether the note heads are wanted, with the times at which they are played.
        timeout_seconds: Limit of Verovio's processor time, usually a tenth of a second a page; ten
            times as long may elapse.
        look: How it is engraved.

    Raises:
        UserError: The file is missing, of another kind, or cannot be engraved.
    """
    kind, text = read_notation(path)
    result = _run(path, kind, text, times, timeout_seconds, look)
    try:
        return _engraving(result)
    except UserError as error:
        raise UserError(f"{path}: cannot be engraved ({error})") from error


def _engraving(result: dict[str, Any]) -> Engraving:
    times = {
        key: NoteTime(pitch, tied, velocity, *map(Fraction, times))
        for key, (pitch, tied, velocity, *times) in result["heads"].items()
    }
    reader = Reader(times)
    svgs = tuple(map(without_style, result["pages"]))
    pages = tuple(map(reader.read, svgs))
    if not reader.bars:
        raise UserError("has no music on its pages")
    tempi = tuple((0, Fraction(moment), Fraction(tempo)) for moment, tempo in result["tempi"])
    notes = tuple(one_line(note) for note in result["notes"])
    return Engraving(svgs, pages, stix_fonts(), reader.bars, tempi=tempi, notes=notes)


def _run(
    path: Path, kind: str, text: str, times: bool, seconds: float, look: Look
) -> dict[str, Any]:
    """Runs Verovio and returns what it makes of a score."""
    arguments = map(str, (kind, int(times), seconds, MEMORY_BYTES, json.dumps(look)))
    root = str(Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryFile() as source, tempfile.TemporaryFile() as output:
        source.write(text.encode("utf-8", errors="replace"))
        source.seek(0)
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", _PROGRAM, *arguments],
                stdin=source,
                stdout=output,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": paths},
                timeout=seconds * _WAITING,
            )
        except subprocess.TimeoutExpired as error:
            reason = f"Verovio does not end in {seconds * _WAITING:g} s"
            raise UserError(f"{path}: cannot be engraved ({reason})") from error
        output.seek(0)
        try:
            result = json.load(output)
        except ValueError as error:
            late = done.returncode == -signal.SIGPROF
            reason = f"Verovio takes longer than {seconds:g} s" if late else "Verovio crashes"
            raise UserError(f"{path}: cannot be engraved ({reason})") from error
    if "error" in result:
        raise UserError(f"{path}: cannot be engraved ({one_line(result['error'])})")
    return result
