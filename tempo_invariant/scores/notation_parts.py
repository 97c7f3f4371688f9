"""Scores in MEI: which part is the piano's, the score without the others, and numbers of bars.

A keyboard part is a group of two or three staves with one name. Where there is exactly one, or one
of them is called a piano, it alone is kept; other music stays as it is.
"""

import re
import statistics
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

MEI = "{http://www.music-encoding.org/ns/mei}"
ID = "{http://www.w3.org/XML/1998/namespace}id"

_ALL_STAVES = ("tempo", "reh", "repeatMark")
"""What is printed at the top staff and concerns all."""

_PICTURES = ("graphic", "svg", "facsimile")
"""What may lead to other files."""

_PIANO = re.compile(
    r"piano|pfte|klavier|clavier|fortep|harpsichord|cembalo|clavecin", re.IGNORECASE
)

_SHOWN = 8


@dataclass(frozen=True)
class Part:
    """A part: its name, the numbers of its staves, and whether it is for a keyboard."""

    name: str
    staves: tuple[str, ...]
    keyboard: bool


def tag(element: ElementTree.Element) -> str:
    """Returns the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def keep_piano(root: ElementTree.Element) -> list[str]:
    """Leaves the other parts of a score out, if one is the piano's.

    Args:
        root: The score, which is changed.

    Returns:
        Lines that say what the music is, if it is not all for one keyboard.
    """
    for element in list(root.iter()):
        for child in list(element):
            if tag(child) in _PICTURES or (tag(child) == "dir" and _is_warning(child)):
                element.remove(child)
    notes = []
    for score in root.iter(f"{MEI}score"):
        definition = score.find(f"{MEI}scoreDef")
        parts = [] if definition is None else list(_parts_of_all(definition))
        pianos = [part for part in parts if part.keyboard]
        named = [part for part in pianos if _PIANO.search(part.name)]
        pianos = named if len(named) == 1 else pianos
        others = [part for part in parts if part not in pianos]
        if len(pianos) == 1 and others:
            _keep(score, pianos[0].staves)
            notes.append(f"the piano part alone; left out: {_names(others)}")
        elif parts and len(pianos) != 1:
            notes.append(f"not music for one piano, but for {_names(parts)}")
    return list(dict.fromkeys(notes))


def _is_warning(direction: ElementTree.Element) -> bool:
    """Tells whether a direction is the sign that Verovio puts where an editor corrected a note."""
    return "".join(direction.itertext()).strip() == "\N{WARNING SIGN}"


def _names(parts: Sequence[Part]) -> str:
    names = [part.name for part in parts if part.name]
    nameless = len(parts) - len(names)
    if nameless:
        names.append(f"{nameless} part{'s' * (nameless > 1)} without a name")
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _parts_of_all(definition: ElementTree.Element) -> Iterator[Part]:
    """Yields the parts of a score; two staves without names of their own are a piano's."""
    parts = [part for group in definition.findall(f"{MEI}staffGrp") for part in _parts(group)]
    names = [part.name for part in parts if part.name]
    if len(parts) == 2 and _is_one(names) and all(len(part.staves) == 1 for part in parts):
        yield Part("".join(names[:1]), parts[0].staves + parts[1].staves, True)
    else:
        yield from parts


def _parts(group: ElementTree.Element) -> Iterator[Part]:
    """Yields the parts of a group of staves, in the order of the score."""
    children = [child for child in group if tag(child) in ("staffDef", "staffGrp")]
    staves = [child for child in children if tag(child) == "staffDef"]
    names = [name for name in map(_name, [group, *staves]) if name]
    if len(staves) == len(children) and len(staves) in (2, 3) and _is_one(names):
        if _name(group) or _symbol(group) == "brace":
            numbers = tuple(staff.get("n", "") for staff in staves)
            yield Part("".join(names[:1]), numbers, True)
            return
    for child in children:
        if tag(child) == "staffGrp":
            yield from _parts(child)
        else:
            yield Part(_name(child), (child.get("n", ""),), False)


def _is_one(names: Sequence[str]) -> bool:
    """Tells whether names are those of one instrument; "Piano." and "Fortepiano" are one."""
    plain = {re.sub(r"[^\w ]", "", name).strip().casefold() for name in names}
    words = {"piano" if _PIANO.match(name) and " " not in name else name for name in plain}
    return len(words) < 2


def _name(element: ElementTree.Element) -> str:
    label = element.find(f"{MEI}label")
    text = " ".join(label.itertext()) if label is not None else element.get("label", "")
    return " ".join(text.split())


def _symbol(group: ElementTree.Element) -> str | None:
    symbol = group.find(f"{MEI}grpSym")
    return group.get("symbol") if symbol is None else symbol.get("symbol")


def _keep(score: ElementTree.Element, staves: Sequence[str]) -> None:
    """Removes the other staves, and all that refers to them."""
    removed: set[str] = set()
    for parent in list(score.iter()):
        for child in list(parent):
            if tag(child) in ("staff", "staffDef") and child.get("n") not in staves:
                removed.update(each.get(ID, "") for each in child.iter())
                parent.remove(child)
    _remove_empty_groups(score)
    gone = {f"#{identifier}" for identifier in removed}
    for measure in score.iter(f"{MEI}measure"):
        for child in list(measure):
            if tag(child) != "staff" and not _stays(child, staves, gone):
                measure.remove(child)


def _remove_empty_groups(element: ElementTree.Element) -> None:
    for child in list(element):
        _remove_empty_groups(child)
        if tag(child) == "staffGrp" and not any(
            tag(part) in ("staffDef", "staffGrp") for part in child
        ):
            element.remove(child)


def _stays(event: ElementTree.Element, staves: Sequence[str], gone: set[str]) -> bool:
    """Tells whether an event belongs to the staves that are kept; a tempo moves to the first."""
    places = event.get("staff", "").split()
    refers = [
        identifier
        for key in ("startid", "endid", "plist")
        for identifier in event.get(key, "").split()
    ]
    lost = any(identifier in gone for identifier in refers)
    if not lost and (not places or any(place in staves for place in places)):
        return True
    if tag(event) not in _ALL_STAVES or (lost and not event.get("tstamp")):
        return False
    for key in ("startid", "endid", "plist"):
        event.attrib.pop(key, None)
    event.set("staff", staves[0])
    return True


def number_bars(root: ElementTree.Element) -> None:
    """Numbers the bars of scores that have no number at all; a pickup is bar 0.

    A pickup without a number before a numbered bar gets the number before it.

    What is shorter than most bars and, with that before it, no longer than them, ends a bar that a
    repeat sign has parted.
    """
    for score in root.iter(f"{MEI}score"):
        measures = list(score.iter(f"{MEI}measure"))
        if any(measure.get("n") for measure in measures):
            second = measures[1].get("n", "") if len(measures) > 1 else ""
            if not measures[0].get("n") and re.fullmatch(r"[1-9]\d{0,4}", second):
                measures[0].set("n", str(int(second) - 1))
            continue
        lengths = [_length(measure) for measure in measures]
        usual = statistics.mode(lengths) if lengths else Fraction(0)
        number, filled = 1, Fraction(0)
        for index, (measure, length) in enumerate(zip(measures, lengths, strict=True)):
            if index == 0 and length < usual:
                number, filled = 0, usual
            elif index and filled + length <= usual:
                filled += length
            elif index:
                number, filled = number + 1, length
            else:
                filled = length
            measure.set("n", str(number))


def _length(measure: ElementTree.Element) -> Fraction:
    """Returns the written length of the first layer of a bar in whole notes."""
    layer = next(measure.iter(f"{MEI}layer"), None)
    chords = () if layer is None else layer.iter()
    lengths = [
        written_length(event)
        for event in chords
        if event.get("dur") and tag(event) != "layer" and not event.get("grace")
    ]
    return sum(lengths, Fraction(0))


def written_length(event: ElementTree.Element) -> Fraction:
    """Returns the written length of a note, chord or rest in whole notes.

    It is an eighth where there is none, as in grace notes of some.
    """
    inner = (part for part in event.iter() if part.get("dur"))
    part = next(inner, event)
    duration, dots = part.get("dur", ""), part.get("dots", "")
    whole = Fraction(1, int(duration)) if duration.isdecimal() and int(duration) else Fraction(1, 8)
    return whole * (2 - Fraction(1, 2 ** min(int(dots), 4))) if dots.isdecimal() else whole
