"""MuNG pages as published with MSMD: note heads, systems, and the alignment with performances.

A page is an XML file with one `CropObject` per note head (class `notehead-full` for any shape),
linked to its system, and one per system (class `staff`: all staves of the system). Data items of a
note head give its pitch, whether it continues a tie, and for each performance P `P_onset_frame`,
`P_note_event_idx` and `P_onset_seconds`. Where the bars of a system are known, a data item of it
tells where they begin; the published pages have none.
"""

import itertools
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.scores.bars import Bars, BarStart
from tempo_invariant.scores.places import Box

NOTE_HEAD_CLASS = "notehead-full"
SYSTEM_CLASS = "staff"
_LARGEST_FILE = 32 * 2**20
_MOST_SYSTEMS = 200
_MOST_BARS = 1000
"""Bytes of a file, systems of a page, and bars of a system: music has a million, and ten."""

_LARGEST_NUMBER = 2**31 - 1
_FRAME, _EVENT, _SECONDS = "_onset_frame", "_note_event_idx", "_onset_seconds"
_BARS = "bar_starts"


@dataclass(frozen=True)
class Onset:
    """The time at which a performance plays a note head; `event` is the row of its note."""

    frame: int
    seconds: float
    event: int


@dataclass(frozen=True)
class NoteHead:
    """A note head on a page.

    Attributes:
        id: Number of the object on its page.
        box: Box in page pixels.
        pitch: MIDI pitch.
        system: Id of the head's system on the page; -1 if it has none.
        tied: Whether the head continues a tie.
        moment: Musical time in quarter notes, where it is known.
        onsets: Onset in each performance that plays the head, by the performance's name.
    """

    id: int
    box: Box
    pitch: int
    system: int
    tied: bool = False
    moment: float | None = None
    onsets: Mapping[str, Onset] = field(default_factory=dict)

    @property
    def row(self) -> float:
        """Row of the centre in page pixels."""
        return self.box.centre_row

    @property
    def column(self) -> float:
        """Column of the centre in page pixels."""
        return self.box.centre_column


@dataclass(frozen=True)
class System:
    """A system: all its staves.

    Attributes:
        id: Number of the object on its page.
        box: Box in page pixels.
        bars: Its bars from its left end on, where they are known; else there are none.
    """

    id: int
    box: Box
    bars: Bars = ()


@dataclass(frozen=True)
class Page:
    """A page, numbered from 1, with its systems from top to bottom and its note heads."""

    number: int
    systems: tuple[System, ...]
    note_heads: tuple[NoteHead, ...]


def write_page(path: str | Path, page: Page, piece: str) -> None:
    """Writes the note heads, systems and onsets of all performances of a page of `piece`."""
    root = ElementTree.Element("CropObjectList")
    objects = ElementTree.SubElement(root, "CropObjects")
    inlinks: dict[int, list[int]] = {system.id: [] for system in page.systems}
    for head in page.note_heads:
        inlinks.get(head.system, []).append(head.id)
        element = _add_object(objects, piece, page, head, NOTE_HEAD_CLASS)
        if head.system in inlinks:
            ElementTree.SubElement(element, "Outlinks").text = str(head.system)
        data = ElementTree.SubElement(element, "Data")
        for key, value in _data_items(head):
            item = ElementTree.SubElement(data, "DataItem", key=key, type=type(value).__name__)
            item.text = str(value)
    for system in page.systems:
        element = _add_object(objects, piece, page, system, SYSTEM_CLASS)
        if inlinks[system.id]:
            links = " ".join(str(i) for i in inlinks[system.id])
            ElementTree.SubElement(element, "Inlinks").text = links
        if system.bars:
            data = ElementTree.SubElement(element, "Data")
            item = ElementTree.SubElement(data, "DataItem", key=_BARS, type="str")
            item.text = " ".join(f"{column}:{_told(number)}" for column, number in system.bars)
    ElementTree.indent(root, " ")
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _told(number: int | None) -> str:
    return "?" if number is None else str(number)


def _data_items(head: NoteHead) -> Iterable[tuple[str, int | float]]:
    yield "midi_pitch_code", int(head.pitch)
    yield "tied", int(head.tied)
    if head.moment is not None:
        yield "moment_quarters", float(head.moment)
    for name, onset in head.onsets.items():
        yield name + _FRAME, int(onset.frame)
        yield name + _EVENT, int(onset.event)
        yield name + _SECONDS, round(float(onset.seconds), 6)


def _add_object(
    parent: ElementTree.Element, piece: str, page: Page, drawn: NoteHead | System, name: str
) -> ElementTree.Element:
    """Adds a CropObject with whole pixels, which readers of MuNG expect, and an empty mask."""
    box = drawn.box
    width, height = max(1, round(box.width)), max(1, round(box.height))
    top = round(box.top + (box.height - height) / 2)
    left = round(box.left + (box.width - width) / 2)
    identifier = f"msmd___{piece}_ly-P{page.number - 1:02d}___{drawn.id}"
    element = ElementTree.SubElement(parent, "CropObject", {"xml:id": identifier})
    texts = {"Id": drawn.id, "ClassName": name, "Top": top, "Left": left, "Width": width}
    texts |= {"Height": height, "Mask": f"0:0 1:{width * height}"}
    for key, value in texts.items():
        ElementTree.SubElement(element, key).text = str(value)
    return element


def read_page(path: Path, with_heads: bool = True) -> Page:
    """Reads the MuNG file of a page, `01.xml`.

    Args:
        path: Path of the file.
        with_heads: Whether the note heads are read, which take as long as all the rest.

    Raises:
        UserError: The file is missing or malformed.
    """
    heads, systems = [], []
    try:
        if os.path.getsize(path) > _LARGEST_FILE:
            raise ValueError(f"larger than {_LARGEST_FILE >> 20} MiB")
        # Entities that grow without end are refused by Expat itself, from 2.4.1 on.
        for element in ElementTree.parse(path).iter("CropObject"):
            name = element.findtext("ClassName", "")
            if name != SYSTEM_CLASS and not with_heads:
                continue
            box = _read_box(element)
            identifier = _integer(element.findtext("Id", ""))
            if name == SYSTEM_CLASS:
                systems.append(System(identifier, box, _read_bars(element)))
            elif name.startswith("notehead"):
                heads.append((identifier, box, element))
        number = _integer(path.stem)
        if len(systems) > _MOST_SYSTEMS:
            raise ValueError(f"{len(systems)} systems on a page")
        systems.sort(key=lambda system: system.box[:2])
        known = {system.id for system in systems}
        read = (_read_head(identifier, box, known, element) for identifier, box, element in heads)
        return Page(number, tuple(systems), tuple(head for head in read if head))
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as error:
        raise UserError(f"{path}: not a MuNG page ({one_line(error)})") from error


def _integer(text: str, least: int = -_LARGEST_NUMBER, most: int = _LARGEST_NUMBER) -> int:
    number = int(text)
    if not least <= number <= most:
        raise ValueError(f"{number} is not between {least} and {most}")
    return number


def _number(text: str) -> float:
    number = float(text)
    if not abs(number) <= _LARGEST_NUMBER:  # nor what is no number at all
        raise ValueError(f"{text} is not below {_LARGEST_NUMBER}")
    return number


def _read_box(element: ElementTree.Element) -> Box:
    top, left, height, width = (
        _number(element.findtext(key, "")) for key in ("Top", "Left", "Height", "Width")
    )
    if min(height, width) < 0:
        raise ValueError(f"a box of {height:g} x {width:g} pixels")
    return Box(top, left, top + height, left + width)


def _read_bars(element: ElementTree.Element) -> Bars:
    texts = (item.text for item in element.iter("DataItem") if item.get("key") == _BARS)
    starts = [start.split(":") for start in (next(texts, None) or "").split()]
    if len(starts) > _MOST_BARS:
        raise ValueError(f"{len(starts)} bars in a system")
    bars = tuple(
        BarStart(_number(column), None if number == "?" else _integer(number))
        for column, number in starts
    )
    if any(after.column < before.column for before, after in itertools.pairwise(bars)):
        raise ValueError("bars of a system that are not in order")
    return bars


def _read_head(
    identifier: int, box: Box, systems: set[int], element: ElementTree.Element
) -> NoteHead | None:
    """Returns a note head, or None for one without pitch, which nothing can play."""
    data = {item.get("key", ""): item.text or "" for item in element.iter("DataItem")}
    if "midi_pitch_code" not in data:
        return None
    onsets = {}
    for key, text in data.items():
        if key.endswith(_FRAME):
            name = key.removesuffix(_FRAME)
            frame = _integer(text)
            told = data.get(name + _SECONDS)
            seconds = _number(told) if told else frame / FRAMES_PER_SECOND
            onsets[name] = Onset(frame, seconds, _integer(data.get(name + _EVENT) or "-1", -1))
    links = [_integer(link) for link in (element.findtext("Outlinks") or "").split()]
    return NoteHead(
        id=identifier,
        box=box,
        pitch=_integer(data["midi_pitch_code"], 0, 127),
        system=next((link for link in links if link in systems), -1),
        tied=data.get("tied", "0") not in ("0", "False"),
        moment=_number(data["moment_quarters"]) if "moment_quarters" in data else None,
        onsets=onsets,
    )
