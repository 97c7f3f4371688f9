"""Engraves a score with Verovio. This module is run by itself, in a process of its own.

    python -P -m tempo_invariant.scores.notation_process FORMAT TIMES SECONDS MEMORY

Verovio, written in C++, may take any time and memory over a damaged score, and may not survive it;
here nothing else suffers. Standard input holds the score as UTF-8, in one of Verovio's formats.
Standard output gets a JSON object: "pages", the SVG texts; "notes", what of the music is engraved
(see `notation_parts`); and, if TIMES is 1, "heads", for every note by its id [pitch, tied, moment,
grace, length], and "tempi", [moment, whole notes a minute]; times are fractions of whole notes as
text. In place of it comes an object with "error".

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

from tempo_invariant.scores import notation_parts
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


def main(kind: str, times: str, seconds: str, memory: str) -> None:
    """Engraves the score on standard input."""
    ElementTree.register_namespace("", MEI.strip("{}"))
    with contextlib.suppress(ValueError, OSError):  # not every system limits memory
        resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (2 * MAX_TEXT, 2 * MAX_TEXT))
    signal.setitimer(signal.ITIMER_PROF, float(seconds))
    verovio.enableLog(verovio.LOG_ERROR)
    try:
        result = engrave(sys.stdin.buffer.read().decode("utf-8"), kind, times == "1")
    except (ValueError, ElementTree.ParseError, MemoryError) as error:
        result = {"error": str(error) or type(error).__name__}
    json.dump(result, sys.stdout)


def engrave(text: str, kind: str, times: bool) -> dict[str, Any]:
    """Engraves a score.

    Args:
        text: The score.
        kind: Its format, as Verovio calls it.
        times: Whether the times of notes are wanted.

    Returns:
        What standard output gets.

    Raises:
        ValueError: It cannot be engraved.
    """
    toolkit = verovio.toolkit()
    _load(toolkit, text, kind, {"breaks": "none", "xmlIdSeed": 1})
    root = _parse(toolkit.getMEI())
    notes = notation_parts.keep_piano(root)
    toolkit = verovio.toolkit()  # a second score takes over accidentals of the first
    _load(toolkit, ElementTree.tostring(root, encoding="unicode"), "mei", {"xmlIdSeed": 2})
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
        result["tempi"] = list(_tempi(toolkit))
        result["heads"] = dict(_heads(toolkit, root))
    return result


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


def _tempi(toolkit: verovio.toolkit) -> Iterator[tuple[str, float]]:
    for event in toolkit.renderToTimemap({}):
        if event.get("tempo", 0) > 0:
            yield str(Fraction(event["qstamp"]).limit_denominator(100_000) / 4), event["tempo"] / 4


def _heads(toolkit: verovio.toolkit, root: ElementTree.Element) -> Iterator[tuple[str, list]]:
    """Yields the notes with their times.

    Grace notes come before the beat of the note that they belong to, which Verovio delays, and at
    the end of a layer where Verovio puts them.
    """
    for layer in root.iter(f"{MEI}layer"):
        graces: list[ElementTree.Element] = []
        for event in _events(layer):
            if event.get("grace"):
                graces.append(event)
                continue
            beat = _begin(toolkit, graces[0]) if graces else None
            lead = Fraction(0)
            for grace in reversed(graces):
                lead += _written(grace)
                if beat is not None:
                    yield from _times(toolkit, grace, beat, -lead)
            yield from _times(toolkit, event, beat, Fraction(0))
            graces = []
        for grace in graces:
            yield from _times(toolkit, grace, None, Fraction(0))


def _events(element: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """Yields notes, chords and rests in the order of a layer; notes of a chord are part of it."""
    for child in element:
        if tag(child) in ("note", "chord", "rest", "space"):
            yield child
        else:
            yield from _events(child)


def _notes(event: ElementTree.Element) -> list[ElementTree.Element]:
    return [event] if tag(event) == "note" else list(event.iter(f"{MEI}note"))


def _begin(toolkit: verovio.toolkit, event: ElementTree.Element) -> Fraction | None:
    """Returns the time in whole notes at which Verovio plays an event, None if it does not."""
    spans = (_span(toolkit, note) for note in _notes(event))
    return next((span[0] for span in spans if span), None)


def _span(
    toolkit: verovio.toolkit, note: ElementTree.Element
) -> tuple[Fraction, Fraction, bool] | None:
    """Returns begin and end of a note in whole notes, and whether it continues a tie."""
    times = toolkit.getTimesForElement(note.get(ID))
    try:
        begin, end, tied = (
            Fraction(*times[key][0]) for key in ("qfracOn", "qfracOff", "qfracTiedDuration")
        )
    except (LookupError, ZeroDivisionError, TypeError):
        return None
    return begin / 4, end / 4, tied < 0


def _times(
    toolkit: verovio.toolkit, event: ElementTree.Element, beat: Fraction | None, grace: Fraction
) -> Iterator[tuple[str, list]]:
    """Yields the notes of an event, which are played `grace` before the beat where that is known."""
    for note in _notes(event):
        span = _span(toolkit, note)
        pitch = toolkit.getMIDIValuesForElement(note.get(ID)).get("pitch")
        if span is None or pitch is None:
            continue
        begin, end, tied = span
        moment = begin if beat is None else beat
        length = _written(event) if grace else end - moment
        times = [str(time) for time in (moment, grace, length)]
        yield str(note.get(ID)), [int(pitch), tied, *times]


def _written(event: ElementTree.Element) -> Fraction:
    """Returns the written length of an event in whole notes; an eighth where there is none."""
    part = event if event.get("dur") else next(iter(_notes(event)), event)
    duration = part.get("dur", "")
    whole = Fraction(1, int(duration)) if duration.isdecimal() and int(duration) else Fraction(1, 8)
    dots = part.get("dots", "")
    return whole * (2 - Fraction(1, 2 ** min(int(dots), 4))) if dots.isdecimal() else whole


if __name__ == "__main__":
    main(*sys.argv[1:])
