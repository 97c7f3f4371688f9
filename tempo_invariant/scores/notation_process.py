"""Engraves a score with Verovio. This module is run by itself, in a process of its own.

    python -P -m tempo_invariant.scores.notation_process FORMAT TIMES SECONDS MEMORY LOOK

Verovio, written in C++, may take any time and memory over a damaged score, and may not survive it;
here nothing else suffers. Standard input holds the score as UTF-8, in one of Verovio's formats.
Standard output gets a JSON object: "pages", the SVG texts; "notes", what of the music is engraved
(see `notation_parts`); and, if TIMES is 1, "heads", for every note by its id [pitch, tied,
velocity, moment, grace, length], and "tempi", [moment, whole notes a minute]; times are fractions
of whole notes as text. In place of it comes an object with "error". LOOK is a JSON object, see
`looks.Look`.

Repeats are not played out: every note sounds once, in the order in which it is printed.
"""

import contextlib
import json
import re
import resource
import signal
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import verovio

from tempo_invariant.scores import notation_dynamics, notation_parts
from tempo_invariant.scores.dynamics import UNMARKED
from tempo_invariant.scores.looks import PLAIN, Look
from tempo_invariant.scores.notation_parts import ID, MEI, tag

MAX_PAGES = 500
MAX_TEXT = 512 * 2**20
"""Scores with more pages, or with more bytes in their drawings, are refused."""

OPTIONS = {
    "pageWidth": 2100,
    "pageHeight": 2970,
    "pageMarginLeft": 150,
    "pageMarginRight": 150,
    "pageMarginTop": 120,
    "pageMarginBottom": 120,
    "unit": 8.8,
    "spacingStaff": 8,
    "spacingBraceGroup": 8,
    "staffLineWidth": 0.2,
    "stemWidth": 0.26,
    "barLineWidth": 0.38,
    "footer": "none",
    "smuflTextFont": "none",
    "svgAdditionalAttribute": ["measure@n"],
    "svgFormatRaw": True,
    "svgViewBox": True,
    "mdivAll": True,
    "expandNever": True,
}
"""A4 in tenths of millimetres, with margins, staves and strokes as LilyPond's, which MSMD's pages
have: a staff space is 1.76 mm, seven pixels of a page that is 835 wide."""

_ATTRIBUTE = re.compile(r'\s([\w:.]+)="[^"]*"')


def main(kind: str, times: str, seconds: str, memory: str, look: str) -> None:
    """Engraves the score on standard input."""
    ElementTree.register_namespace("", MEI.strip("{}"))
    with contextlib.suppress(ValueError, OSError):  # not every system limits memory
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MAX_TEXT, 2 * MAX_TEXT))
    signal.setitimer(signal.ITIMER_PROF, float(seconds))
    verovio.enableLog(verovio.LOG_ERROR)
    try:
        text = sys.stdin.buffer.read().decode("utf-8")
        result = engrave(text, kind, times == "1", json.loads(look))
    except (ValueError, ElementTree.ParseError, MemoryError) as error:
        result = {"error": str(error) or type(error).__name__}
    json.dump(result, sys.stdout)


def engrave(text: str, kind: str, times: bool, look: Look = PLAIN) -> dict[str, Any]:
    """Engraves a score.

    Args:
        text: The score.
        kind: Its format, as Verovio calls it.
        times: Whether the times of notes are wanted.
        look: What replaces the plain options.

    Returns:
        What standard output gets.

    Raises:
        ValueError: It cannot be engraved.
    """
    if kind == "musicxml" and "score-timewise" in text:
        text = _partwise(text)
    toolkit = verovio.toolkit()
    _load(toolkit, text, kind, {"breaks": "none", "xmlIdSeed": 1})
    root = _parse(toolkit.getMEI())
    notes = notation_parts.keep_piano(root)
    notation_parts.number_bars(root)
    toolkit = verovio.toolkit()  # a second score takes over accidentals of the first
    mei = ElementTree.tostring(root, encoding="unicode")
    _load(toolkit, mei, "mei", {**look, "xmlIdSeed": 2})
    count = toolkit.getPageCount()
    if count > MAX_PAGES:
        raise ValueError(f"{count} pages are more than {MAX_PAGES}")
    result: dict[str, Any] = {"notes": notes, "pages": [], "heads": {}, "tempi": []}
    room = MAX_TEXT
    for number in range(1, count + 1):
        result["pages"].append(toolkit.renderToSVG(number))
        room -= len(result["pages"][-1])
        if room < 0:
            raise ValueError(f"its drawings are larger than {MAX_TEXT >> 20} MiB")
    if times:
        timemap = toolkit.renderToTimemap({"includeMeasures": True})
        result["tempi"] = list(_tempi(timemap))
        result["heads"] = _with_velocities(root, timemap, dict(_heads(toolkit, root)))
    return result


def _partwise(text: str) -> str:
    """Returns MusicXML that has the bars of every part, as Verovio wants it.

    The other kind has the parts of every bar; one that a part is missing from is empty there.
    """
    root = ElementTree.fromstring(text)
    if root.tag != "score-timewise":
        return text
    bars = root.findall("measure")
    inside = [{part.get("id", ""): list(part) for part in bar.findall("part")} for bar in bars]
    root.tag = "score-partwise"
    root[:] = [child for child in root if child.tag != "measure"]
    for name in dict.fromkeys(name for parts in inside for name in parts):
        part = ElementTree.SubElement(root, "part", id=name)
        for bar, parts in zip(bars, inside, strict=True):
            ElementTree.SubElement(part, "measure", bar.attrib).extend(parts.get(name, ()))
    return ElementTree.tostring(root, encoding="unicode")


def _load(toolkit: verovio.toolkit, text: str, kind: str, options: dict) -> None:
    toolkit.setOptions({**OPTIONS, **options})
    toolkit.setInputFrom(kind)
    if not toolkit.loadData(text):
        raise ValueError("Verovio cannot read it")


def _parse(mei: str) -> ElementTree.Element:
    """Parses what Verovio writes, which now and then has an attribute twice."""
    try:
        return ElementTree.fromstring(mei)
    except ElementTree.ParseError:
        return ElementTree.fromstring(re.sub(r"<[^<>]+>", _without_doubles, mei))


def _without_doubles(element: re.Match) -> str:
    seen: set[str] = set()

    def once(attribute: re.Match) -> str:
        new = attribute[1] not in seen
        seen.add(attribute[1])
        return attribute[0] if new else ""

    return _ATTRIBUTE.sub(once, element[0])


def _tempi(timemap: list[dict[str, Any]]) -> Iterator[tuple[str, float]]:
    for event in timemap:
        if event.get("tempo", 0) > 0:
            yield str(_whole_notes(event)), event["tempo"] / 4


def _whole_notes(event: dict[str, Any]) -> Fraction:
    return Fraction(event["qstamp"]).limit_denominator(100_000) / 4


def _with_velocities(
    root: ElementTree.Element, timemap: list[dict[str, Any]], heads: dict[str, list]
) -> dict[str, list]:
    """Returns the notes with the velocities that the score's dynamics ask for."""
    bars = {event["measureOn"]: _whole_notes(event) for event in timemap if "measureOn" in event}
    moments = {key: Fraction(head[2]) for key, head in heads.items()}
    known = notation_dynamics.velocities(root, bars, moments)
    return {
        key: [pitch, tied, known.get(key, UNMARKED), *times]
        for key, (pitch, tied, *times) in heads.items()
    }


def _heads(toolkit: verovio.toolkit, root: ElementTree.Element) -> Iterator[tuple[str, list]]:
    """Yields the notes with their times.

    Grace notes come before the beat of what they belong to, which Verovio delays for some; at the
    end of a layer they come where Verovio puts them.
    """
    for layer in root.iter(f"{MEI}layer"):
        graces: list[ElementTree.Element] = []
        for event, share in _events(layer):
            if event.get("grace"):
                graces.append(event)
                continue
            beat = _beat(toolkit, graces[0], event, share) if graces else None
            lead = Fraction(0)
            for grace in reversed(graces):
                lead += notation_parts.written_length(grace)
                if beat is not None:
                    yield from _times(toolkit, grace, beat, -lead)
            yield from _times(toolkit, event, beat)
            graces = []
        for grace in graces:
            yield from _times(toolkit, grace)


def _events(
    element: ElementTree.Element, share: Fraction = Fraction(1)
) -> Iterator[tuple[ElementTree.Element, Fraction]]:
    """Yields notes, chords and rests of a layer, each with the share of its length in a tuplet."""
    for child in element:
        if tag(child) in ("note", "chord", "rest", "space"):
            yield child, share
            continue
        number, base = (child.get(key, "") for key in ("num", "numbase"))
        is_tuplet = tag(child) == "tuplet" and number.isdecimal() and base.isdecimal()
        inner = share * Fraction(int(base), int(number) or 1) if is_tuplet else share
        yield from _events(child, inner)


def _notes(event: ElementTree.Element) -> list[ElementTree.Element]:
    return [event] if tag(event) == "note" else list(event.iter(f"{MEI}note"))


def _beat(
    toolkit: verovio.toolkit,
    grace: ElementTree.Element,
    event: ElementTree.Element,
    share: Fraction,
) -> Fraction | None:
    """Returns the time of the beat of an event whose first grace note is given.

    Verovio lets either begin on it: that which fits the written length of the event.
    """
    spans = [_span(toolkit, note) for each in (grace, event) for note in _notes(each)[:1]]
    known = [span for span in spans if span]
    if len(known) < 2:
        return known[0][0] if known else None
    expected = known[1][1] - notation_parts.written_length(event) * share
    return min((begin for begin, _, _ in known), key=lambda begin: abs(begin - expected))


def _span(
    toolkit: verovio.toolkit, note: ElementTree.Element
) -> tuple[Fraction, Fraction, bool] | None:
    """Returns begin and end of a note in whole notes, and whether it continues a tie."""
    times = toolkit.getTimesForElement(note.get(ID, ""))
    try:
        begin, end, tied = (
            Fraction(*times[key][0]) for key in ("qfracOn", "qfracOff", "qfracTiedDuration")
        )
    except (LookupError, ZeroDivisionError, TypeError):
        return None
    return begin / 4, end / 4, tied < 0


def _times(
    toolkit: verovio.toolkit,
    event: ElementTree.Element,
    beat: Fraction | None = None,
    grace: Fraction = Fraction(0),
) -> Iterator[tuple[str, list]]:
    """Yields the notes of an event, which begin `grace` before the beat where that is known."""
    for note in _notes(event):
        span = _span(toolkit, note)
        pitch = toolkit.getMIDIValuesForElement(note.get(ID, "")).get("pitch")
        if span is None or pitch is None:
            continue
        begin, end, tied = span
        moment = begin if beat is None else beat
        length = notation_parts.written_length(event) if grace else end - moment
        times = [str(time) for time in (moment, grace, length)]
        yield str(note.get(ID)), [int(pitch), tied, *times]


if __name__ == "__main__":
    main(*sys.argv[1:])
