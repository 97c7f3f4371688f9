"""Dynamics of scores in MEI.

Marks between the staves of a piano count for both hands; a staff that has none of its own takes
those of the others.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import NamedTuple

from tempo_invariant.scores.dynamics import Loudness, Mark, parse_mark
from tempo_invariant.scores.notation_parts import ID, MEI, tag

_PIANO_STAVES = 3
"""In scores of more staves a mark counts for its own staff."""

_MARKS = ("dynam", "hairpin", "dir")
_LONGEST = 200
"""Longer texts are no marks."""

_LATER = re.compile(r"(?:(\d{1,4})m\s*\+\s*)?(\d{1,4}(?:\.\d{1,9})?)")


class _Placed(NamedTuple):
    """A mark, the staves that it stands at, and whether it is for all staves of a piano."""

    mark: Mark
    staves: tuple[str, ...]
    common: bool


class _Bar(NamedTuple):
    """A bar: its start in whole notes, and the part of a whole note that beats are counted in."""

    element: ElementTree.Element
    start: Fraction
    unit: int


def velocities(
    root: ElementTree.Element, bars: Mapping[str, Fraction], moments: Mapping[str, Fraction]
) -> dict[str, int]:
    """Returns how hard the notes of a score are struck.

    Args:
        root: The score.
        bars: Starts of bars in whole notes, by their ids.
        moments: Moments of notes in whole notes, by their ids; grace notes have that of the beat.

    Returns:
        MIDI velocities of these notes by their ids; empty if the score has no marks.
    """
    notes: dict[str, list[str]] = {}
    for element in root.iter(f"{MEI}staff"):
        found = (note.get(ID, "") for note in element.iter(f"{MEI}note"))
        notes.setdefault(element.get("n", ""), []).extend(key for key in found if key in moments)
    marks = list(_marks(root, bars, moments, list(notes)))
    result: dict[str, int] = {}
    for staff, keys in notes.items() if marks else ():
        own = [placed.mark for placed in marks if placed.common or staff in placed.staves]
        loudness = Loudness(own or [placed.mark for placed in marks])
        result.update((key, loudness.velocity(moments[key])) for key in keys)
    return result


def _marks(
    root: ElementTree.Element,
    starts: Mapping[str, Fraction],
    moments: Mapping[str, Fraction],
    staves: Sequence[str],
) -> Iterator[_Placed]:
    moments = {**moments, **dict(_chords(root, moments))}
    bars = list(_bars(root, starts))
    for index, bar in enumerate(bars):
        for element in bar.element:
            if tag(element) not in _MARKS:
                continue
            moment = _moment(element, "tstamp", "startid", bars, index, moments)
            end = _moment(element, "tstamp2", "endid", bars, index, moments)
            if moment is None:
                continue
            level, stress, direction = _meaning(element)
            if level or stress or direction:
                mark = Mark(moment, level, stress, direction, end)
                own = tuple(element.get("staff", "").split())
                yield _Placed(mark, own, _is_common(own, element.get("place"), staves))


def _meaning(element: ElementTree.Element) -> tuple[int | None, int, int]:
    """Returns level, stress and direction; words beside the dynamics can have a direction alone."""
    if tag(element) == "hairpin":
        return None, 0, {"cres": 1, "dim": -1}.get(element.get("form", ""), 0)
    text = "".join(element.itertext()).strip()
    level, stress, direction = parse_mark(text if len(text) <= _LONGEST else "")
    return (level, stress, direction) if tag(element) == "dynam" else (None, 0, direction)


def _is_common(own: Sequence[str], place: str | None, staves: Sequence[str]) -> bool:
    """Tells whether a mark stands between the staves of a piano, or at none of them."""
    if not own or len(own) > 1:
        return not own
    is_inside = own[0] != (staves[0] if place == "above" else staves[-1])
    return is_inside and len(staves) <= _PIANO_STAVES


def _chords(
    root: ElementTree.Element, moments: Mapping[str, Fraction]
) -> Iterator[tuple[str, Fraction]]:
    """Yields the moments of chords by their ids."""
    for chord in root.iter(f"{MEI}chord"):
        for note in chord.iter(f"{MEI}note"):
            if note.get(ID) in moments:
                yield chord.get(ID, ""), moments[note.get(ID, "")]


def _bars(root: ElementTree.Element, starts: Mapping[str, Fraction]) -> Iterator[_Bar]:
    unit = 4
    for element in root.iter():
        written = element.get("unit" if tag(element) == "meterSig" else "meter.unit", "")
        if tag(element) in ("meterSig", "scoreDef", "staffDef") and written.isdecimal():
            unit = min(max(int(written[:4]), 1), 128)
        elif tag(element) == "measure" and element.get(ID) in starts:
            yield _Bar(element, starts[element.get(ID, "")], unit)


def _moment(
    element: ElementTree.Element,
    beat: str,
    note: str,
    bars: Sequence[_Bar],
    index: int,
    moments: Mapping[str, Fraction],
) -> Fraction | None:
    """Returns the moment that one of two attributes names, a beat or a note."""
    found = _LATER.fullmatch(element.get(beat, "").strip())
    if found is None:
        return moments.get(element.get(note, "").removeprefix("#"))
    bar = bars[min(index + int(found[1] or 0), len(bars) - 1)]
    return bar.start + (Fraction(found[2]) - 1) / bar.unit
