"""The catalogue of an index: a file that grows by lines, each of which is whole or does not count.

Its first line describes the index (`Header`), every other one changes it (`Change`). A line is the
CRC-32 of its JSON text in hexadecimal digits, a space, the text. What is behind the last line feed
is being written, or was when its process was killed: it is passed over, and the next writer
removes it. So what a line tells of, which was written before, is there as a whole or not at all,
and a reader has the state that was whole when it looked.
"""

import dataclasses
import json
import os
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from tempo_invariant import json_objects
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import atomic_write
from tempo_invariant.scores.places import SHEET

NAME = "catalogue.txt"
FORMAT = 3

AUDIO = np.dtype([("document", "<i4"), ("seconds", "<f4")])
"""A window: number of the recording, and where the middle of the window is in it."""

KINDS = {"sheets": SHEET, "recordings": AUDIO}
"""What an index can hold: the types of places by the kind of its documents."""

ANEW = "delete the index and make it again"
MENDED = "the same index command again mends it"
"""What can be done about damage: what is known to be damaged is read again by the next writer."""

MOST_ROWS = 2**40
MOST_DOCUMENTS = 2**31


@dataclasses.dataclass(frozen=True)
class Header:
    """What belongs to an index as a whole.

    Attributes:
        format: Version of this layout.
        generation: Number in the names of its files, which compaction makes anew.
        kind: Kind of the documents, "sheets" or "recordings".
        hop_frames: Distance of windows in spectrogram frames.
        step_pixels: Distance of snippets in page pixels.
        model: Description of the model in words.
        probe: The identity of the model, see `model_identity.probe`: rows of numbers.
        cohort: CRC-32 of the vectors that hubness is measured with; 0 if there are none.
        source: Arguments of `embedders.open_embedder` that opened the model; empty where they are
            not known or not UTF-8.
        first_id: Number that no document had before the files were made anew.
    """

    format: int
    generation: int
    kind: str
    hop_frames: int
    step_pixels: int
    model: str
    probe: list[list[float]]
    cohort: int
    source: dict[str, str]
    first_id: int

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise UserError(f"index of format {self.format}, not {FORMAT}")
        if self.kind not in KINDS:
            raise UserError(f"kind must be one of {', '.join(KINDS)}, received {self.kind!r}")
        if min(self.hop_frames, self.step_pixels) < 1:
            raise UserError("hop_frames and step_pixels must be at least 1")
        if self.first_id < 0 or self.generation < 0 or not 0 <= self.cohort < 2**32:
            raise UserError("a number is out of its bounds")
        if not self.probe or not self.probe[0] or len({len(row) for row in self.probe}) > 1:
            raise UserError("the probe must be rows of the same length")


@dataclasses.dataclass(frozen=True)
class Document:
    """A score or recording in an index.

    Attributes:
        id: Number that no other document of the index ever gets; it names its page images.
        name: Name, which no other document has.
        content: SHA-256 of its files and settings, see `index_update.content_of`; empty where it
            is not known.
        first: First row of its vectors.
        count: Number of its rows.
        checksums: CRC-32 of its vectors, of its places, and of their hubness.
        pages: Number of its pages.
        notes: Printable lines about it.
        added: When it was added, UTC.
        images: Numbers of the pages whose images are kept; None: it was not asked for them, or
            that is not known.
        file: Absolute path of a recording when it was read; empty for a score, and where it is not
            known or not UTF-8.
        settings: What `content` depends on besides its files; empty for nothing, and where an
            older index does not tell.
    """

    id: int
    name: str
    content: str
    first: int
    count: int
    checksums: tuple[int, int, int]
    pages: int = 0
    notes: tuple[str, ...] = ()
    added: str = ""
    images: tuple[int, ...] | None = None
    file: str = ""
    settings: str = ""


@dataclasses.dataclass(frozen=True)
class Search:
    """A file for searching, its SHA-256, and the number of rows that it covers."""

    file: str
    rows: int
    checksum: str


@dataclasses.dataclass(frozen=True)
class Change:
    """What a line says: it holds as a whole, from the moment at which the line is whole.

    Attributes:
        document: A document that comes to the index.
        drops: Numbers (`id`) of documents that leave it.
        editions: Groups of documents that are the same music, by their numbers.
        search: The file for searching from now on.
        waiting: Number of documents that are still to come, -1 for a number that is not known: the
            process that writes has begun, and unless it says 0, it has not finished.
    """

    document: Document | None = None
    drops: tuple[int, ...] = ()
    editions: tuple[tuple[int, ...], ...] | None = None
    search: Search | None = None
    waiting: int | None = None


class Catalogue:
    """What an index holds.

    Attributes:
        header: What belongs to the index as a whole.
        documents: Documents by their numbers, in the order in which they came.
        by_name: The same by their names.
        rows: Number of rows that documents have or had.
        editions: Groups of documents that are the same music, by their numbers.
        compared: Numbers of the documents for which editions have been sought.
        search: The file for searching; None if there is none.
        waiting: Number of documents that are still to come, as far as is known; see `Change`.
        damage: What is wrong with a line that was passed over; None: there is none.
        end: Size of the file in bytes, as far as its lines are whole.
    """

    def __init__(self, header: Header):
        self.header = header
        self.documents: dict[int, Document] = {}
        self.by_name: dict[str, Document] = {}
        self.rows = 0
        self._last_id = -1
        self.editions: tuple[tuple[int, ...], ...] = ()
        self.compared: set[int] = set()
        self.search: Search | None = None
        self.waiting = 0
        self.damage: str | None = None
        self.end = 0

    @property
    def next_id(self) -> int:
        """Number of the next document."""
        return max(self.header.first_id, self._last_id + 1)

    @property
    def holes(self) -> int:
        """Number of rows that belong to no document any more."""
        return self.rows - sum(document.count for document in self.documents.values())

    def apply(self, change: Change) -> None:
        """Takes a change in.

        Raises:
            UserError: It does not fit to what is there.
        """
        for number in change.drops:
            if number not in self.documents:
                raise UserError(f"no document {number} to drop")
            del self.by_name[self.documents.pop(number).name]
        if change.drops:
            groups = (tuple(n for n in group if n in self.documents) for group in self.editions)
            self.editions = tuple(group for group in groups if len(group) > 1)
        if change.document is not None:
            self._add(change.document)
        if change.editions is not None:
            if not {number for group in change.editions for number in group} <= set(self.documents):
                raise UserError("editions of documents that are not there")
            self.editions = change.editions
            self.compared = set(self.documents)
        if change.search is not None:
            if not 0 < change.search.rows <= self.rows:
                raise UserError("a search of rows that are not there")
            self.search = change.search
        if change.waiting is not None:
            self.waiting = change.waiting

    def _add(self, document: Document) -> None:
        if document.name in self.by_name or not self._last_id < document.id < MOST_DOCUMENTS:
            raise UserError(f"document {document.id} is out of order, or its name is there twice")
        if document.count < 1 or not self.rows <= document.first < MOST_ROWS - document.count:
            raise UserError(f"rows of document {document.id} are out of order")
        self.documents[document.id] = self.by_name[document.name] = document
        self._last_id = document.id
        self.rows = document.first + document.count
        if self.waiting > 0:
            self.waiting -= 1


def load(path: Path, salvage: bool = False) -> Catalogue:
    """Reads a catalogue.

    Args:
        path: The file.
        salvage: Whether damaged lines, but for the first, are passed over.

    Raises:
        UserError: It is missing, cannot be read or is damaged.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
    end = content.rfind(b"\n") + 1
    lines = content[:end].splitlines()
    if not lines:
        raise UserError(f"{path}: damaged: it holds not one line; {ANEW}")
    where = f"{path}: line 1"
    try:
        catalogue = Catalogue(json_objects.typed(Header, _parsed(lines[0], where), where))
    except UserError as error:
        raise UserError(f"{error}; {ANEW}") from error
    catalogue.end = end
    for number, line in enumerate(lines[1:], 2):
        try:
            _apply_line(catalogue, line, f"{path}: line {number}")
        except UserError as error:
            if not salvage:
                raise UserError(f"{error}; {MENDED}") from error
            catalogue.damage = catalogue.damage or str(error)
    return catalogue


def _apply_line(catalogue: Catalogue, line: bytes, where: str) -> None:
    change: Change = json_objects.typed(Change, _parsed(line, where), where)
    try:
        catalogue.apply(change)
    except UserError as error:
        raise UserError(f"{where}: damaged: {error}") from error


def _parsed(line: bytes, where: str) -> object:
    digits, _, text = line.partition(b" ")
    if digits != checksum(text):
        raise UserError(f"{where}: damaged: its checksum is another than that of its text")
    try:
        return json_objects.parse(text.decode("utf-8"), where)
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: damaged: not UTF-8") from error


def checksum(text: bytes) -> bytes:
    """Returns what a line begins with."""
    return b"%08x" % zlib.crc32(text)


def line(value: Header | Change) -> bytes:
    """Returns the line that stands for a header or a change.

    Raises:
        UserError: It could not be read back.
    """
    plain = json_objects.plain(value)
    json_objects.typed(type(value), plain, NAME)
    text = json.dumps(plain, separators=(",", ":")).encode()
    return checksum(text) + b" " + text + b"\n"


def save(path: Path, header: Header, changes: Sequence[Change]) -> None:
    """Writes a catalogue in one step, in place of any that is there."""
    with atomic_write(path) as temporary, temporary.open("wb") as stream:
        stream.write(line(header))
        stream.writelines(map(line, changes))
        sync(stream)


def append(stream: IO[bytes], catalogue: Catalogue, change: Change) -> None:
    """Adds a change to a catalogue and its file; when this returns, it is on the disk.

    Args:
        stream: The file, open for writing.
        catalogue: What the file holds.
        change: The change.
    """
    stream.seek(catalogue.end)
    stream.truncate()
    written = line(change)
    stream.write(written)
    sync(stream)
    catalogue.apply(change)
    catalogue.end += len(written)


def sync(stream: IO[bytes]) -> None:
    """Waits until what was written is on the disk."""
    stream.flush()
    os.fsync(stream.fileno())
