"""Files of scores in MusicXML, MEI, Humdrum **kern and ABC, told apart by their content."""

import codecs
import io
import os
import re
import xml.etree.ElementTree as ElementTree
import zipfile
from pathlib import Path, PurePosixPath
from xml.parsers import expat

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import check_not_empty, why_no_file

MAX_BYTES = 64 * 2**20
"""Larger scores, packed or unpacked, are refused: the largest opera has 30 MiB."""

_MAX_MEMBERS = 10_000
_CONTAINER = "META-INF/container.xml"
_ROOTS = {"score-partwise": "musicxml", "score-timewise": "musicxml", "mei": "mei"}
_ENCODING = re.compile(rb"""^\s*<\?xml[^>]*?encoding=["']([\w.:-]+)["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_KERN = re.compile(r"^\*\*(kern|mens|\w+\t(.*\t)?\*\*kern)", re.MULTILINE)
_ABC = re.compile(r"^X:.*$.*?^K:", re.MULTILINE | re.DOTALL)
_VOICE = re.compile(r"^V:\s*(\S+)|\[V:\s*([^\s\]]+)", re.MULTILINE)


def read_notation(path: Path) -> tuple[str, str]:
    """Reads a file in MusicXML, packed (MXL) or not, MEI, Humdrum **kern or ABC.

    Returns:
        The format, which the content tells and not the name, as Verovio calls it; and the text.

    Raises:
        UserError: The file is missing, too large or of another kind.
    """
    try:
        if not os.path.isfile(path):  # a pipe would let us wait
            raise UserError(f"{path}: cannot be read ({why_no_file(path)})")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path}: larger than {MAX_BYTES >> 20} MiB")
        check_not_empty(path)
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from error
    try:
        if data.startswith(b"PK"):
            data = _unpack(data)
        return _recognise(_decode(data))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def is_notation(path: Path) -> bool:
    """Tells whether a file can be read, see `read_notation`, or is empty, which reading tells."""
    try:
        read_notation(path)
    except UserError:
        return path.is_file() and not path.stat().st_size
    return True


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
    """Returns the name of the outermost element of XML that is whole.

    Entities that grow without end are refused by Expat itself, from 2.4.1 on.
    """
    names: list[str] = []
    parser = expat.ParserCreate()

    def start(name: str, _attributes: dict[str, str]) -> None:
        names.append(name)
        parser.StartElementHandler = None

    parser.StartElementHandler = start
    try:
        parser.Parse(text, True)
    except expat.ExpatError as error:
        raise UserError(f"is broken XML ({one_line(error)})") from error
    return names[0].rpartition(":")[2]


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
