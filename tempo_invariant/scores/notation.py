"""Scores in MusicXML, MEI, Humdrum **kern and ABC to pages, which Verovio engraves.

Verovio runs in a process of its own, see `notation_process`. Music for a piano and others is
engraved as the piano part alone; the notes of the engraving say so.
"""

import codecs
import io
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from pathlib import Path, PurePosixPath
from typing import Any

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.scores.drawing import stix_fonts
from tempo_invariant.scores.drawn import Engraving
from tempo_invariant.scores.notation_svg import NoteTime, Reader, without_style

SECONDS = 60
"""Processor time that Verovio may take for a score; usual is a tenth of a second a page."""

MEMORY_BYTES = 3 * 2**30

_WAITING = 10
"""Limit of elapsed time in multiples of the processor time: the machine may be busy."""

MAX_BYTES = 64 * 2**20
"""Larger scores, packed or unpacked, are refused: the largest opera has 30 MiB."""

_MAX_MEMBERS = 10_000
_CONTAINER = "META-INF/container.xml"
_PROGRAM = "tempo_invariant.scores.notation_process"

_ROOTS = {"score-partwise": "musicxml", "score-timewise": "musicxml", "mei": "mei"}
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding=["']([\w.:-]+)["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_KERN = re.compile(r"^\*\*(kern|mens|\w+\t(.*\t)?\*\*kern)", re.MULTILINE)
_ABC = re.compile(r"^X:.*$.*?^K:", re.MULTILINE | re.DOTALL)
_VOICE = re.compile(r"^V:\s*(\S+)|\[V:\s*([^\s\]]+)", re.MULTILINE)


def engrave_notation(path: Path, times: bool = False) -> Engraving:
    """Engraves a score.

    Args:
        path: File in MusicXML, packed (MXL) or not, MEI, Humdrum or ABC, which its content tells.
        times: Whether the note heads are wanted, with the times at which they are played.

    Raises:
        UserError: The file is missing, of another kind, or cannot be engraved.
    """
    kind, text = _read(path)
    result = _run(path, kind, text, times)
    try:
        return _engraving(result)
    except UserError as error:
        raise UserError(f"{path}: cannot be engraved ({error})") from error


def is_notation(path: Path) -> bool:
    """Tells whether a file holds a score in one of the formats."""
    try:
        _read(path)
    except UserError:
        return False
    return True


def _engraving(result: dict[str, Any]) -> Engraving:
    times = {
        key: NoteTime(pitch, tied, *map(Fraction, rest))
        for key, (pitch, tied, *rest) in result["heads"].items()
    }
    reader = Reader(times)
    svgs = tuple(map(without_style, result["pages"]))
    pages = tuple(map(reader.read, svgs))
    if not reader.bars:
        raise UserError("has no music on its pages")
    tempi = tuple((0, Fraction(moment), Fraction(tempo)) for moment, tempo in result["tempi"])
    notes = tuple(one_line(note) for note in result["notes"])
    return Engraving(svgs, pages, stix_fonts(), reader.bars, tempi=tempi, notes=notes)


def _run(path: Path, kind: str, text: str, times: bool) -> dict[str, Any]:
    """Runs Verovio and returns what it makes of a score."""
    arguments = map(str, (kind, int(times), SECONDS, MEMORY_BYTES))
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
                timeout=SECONDS * _WAITING,
            )
        except subprocess.TimeoutExpired as error:
            raise UserError(f"{path}: Verovio did not finish in {SECONDS} s") from error
        output.seek(0)
        try:
            result = json.load(output)
        except ValueError as error:
            reason = f"Verovio crashes, or takes longer than {SECONDS} s: {done.returncode}"
            raise UserError(f"{path}: cannot be engraved ({reason})") from error
    if "error" in result:
        raise UserError(f"{path}: cannot be engraved ({one_line(result['error'])})")
    return result


def _read(path: Path) -> tuple[str, str]:
    """Returns the format of a score, as Verovio calls it, and its text."""
    try:
        if not os.path.isfile(path):  # a pipe would let us wait
            raise UserError(f"{path}: cannot be read (no such file)")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        if data.startswith(b"PK"):
            data = _unpack(data)
        return _recognise(_decode(data))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def _recognise(text: str) -> tuple[str, str]:
    if text.lstrip().startswith("<"):
        root = _root(text)
        if root == "opus":
            raise UserError("is a list of scores (opus); name the files that it lists")
        if root not in _ROOTS:
            raise UserError(f"is neither MusicXML nor MEI, but XML that begins with <{root}>")
        return _ROOTS[root], text
    if _KERN.search(text):
        return "humdrum", text
    if _ABC.search(text):
        if len({first or second for first, second in _VOICE.findall(text)}) > 1:
            raise UserError("is ABC with several voices, of which Verovio reads one only")
        return "abc", text
    raise UserError("is neither MusicXML nor MEI, Humdrum **kern nor ABC")


def _root(text: str) -> str:
    """Returns the name of the outermost element."""
    parser = ElementTree.XMLPullParser(["start"])
    try:
        parser.feed(text[: 2**16])
        element = next((element for _, element in parser.read_events()), None)
    except ElementTree.ParseError as error:
        raise UserError(f"is broken XML ({one_line(error)})") from error
    if element is None:
        raise UserError("is XML without any element")
    return str(element.tag).rpartition("}")[2]


def _decode(data: bytes) -> str:
    """Decodes a text by its mark or its XML declaration; else it is UTF-8, or Latin-1 before it."""
    told = _ENCODING.search(data[:200])
    try:
        if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = data.decode("utf-16")
        elif told:
            text = data.decode(told[1].decode())
        else:
            text = data.decode("utf-8-sig")
    except (UnicodeError, LookupError):
        text = data.decode("latin-1")
    return _DECLARATION.sub("", text.removeprefix("\ufeff"))


def _unpack(data: bytes) -> bytes:
    """Returns the score in a packed file (MXL), a ZIP archive, of which nothing else is read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = [info.filename for info in archive.infolist()]
            if len(names) > _MAX_MEMBERS:
                raise UserError(f"refused, holds more than {_MAX_MEMBERS:,} files")
            return _member(archive, _score_name(archive, names))
    except UserError:
        raise
    except Exception as error:  # of any kind: damaged bytes lead to a dozen of them
        raise UserError(f"not a readable MXL file ({one_line(error)})") from error


def _score_name(archive: zipfile.ZipFile, names: list[str]) -> str:
    """Returns the name of the score in a packed file."""
    if _CONTAINER in names:
        root = ElementTree.fromstring(_member(archive, _CONTAINER))
        for file in root.iter():
            if str(file.tag).rpartition("}")[2] == "rootfile" and file.get("full-path") in names:
                return str(file.get("full-path"))
    for name in names:
        path = PurePosixPath(name)
        if path.suffix.lower() in (".xml", ".musicxml") and path.parts[0] != "META-INF":
            return name
    raise UserError("holds no score")


def _member(archive: zipfile.ZipFile, name: str) -> bytes:
    with archive.open(name) as stream:
        data = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise UserError(f"refused, holds a score larger than {MAX_BYTES >> 20} MiB")
    return data
