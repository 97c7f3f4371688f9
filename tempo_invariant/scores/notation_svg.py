"""Verovio's SVG pages: note heads, systems and bars.

Boxes come from the drawn outlines, scaled to page pixels.
"""

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import PAGE_WIDTH
from tempo_invariant.scores.bars import Bars, BarStart
from tempo_invariant.scores.drawn import DrawnHead, DrawnPage
from tempo_invariant.scores.places import Box, around
from tempo_invariant.scores.svg import Transform, path_box

_LONGEST = 8.0
"""Largest ratio of height to width of a page."""

_LINK = "{http://www.w3.org/1999/xlink}href"
_STYLE = re.compile(r"<style\b.*?</style>", re.DOTALL)
_STYLED = re.compile(
    r'class="(?:(?P<bold>(?:ending|fing|reh|tempo)\b)|(?P<italic>(?:dir|dynam|mNum)\b)'
    r'|(?P<hidden>[^"]*\bplaceholder\b))'
)
_ATTRIBUTES = {
    "bold": 'font-weight="bold"',
    "italic": 'font-style="italic"',
    "hidden": 'visibility="hidden"',
}
_LINE = re.compile(r"M(-?\d+) (-?\d+) L(-?\d+) (-?\d+)")


@dataclass(frozen=True)
class NoteTime:
    """Pitch, velocity and time of a note; times are in whole notes, see `drawn.DrawnHead`."""

    pitch: int
    tied: bool
    velocity: int
    moment: Fraction
    grace: Fraction
    length: Fraction


@dataclass
class Reader:
    """Reads the pages of a score one after the other; systems are numbered through all of them.

    Attributes:
        times: Notes by their ids; heads of others are passed over.
        bars: The bars of the systems that have been read, by the number of the system.
    """

    times: Mapping[str, NoteTime]
    bars: dict[int, Bars] = field(default_factory=dict)
    _bar: int | None = None

    def read(self, svg: str) -> DrawnPage:
        """Reads a page.

        Raises:
            UserError: It is no page of Verovio's.
        """
        try:
            return self._read(ElementTree.fromstring(svg))
        except (ElementTree.ParseError, ValueError, ArithmeticError, LookupError) as error:
            raise UserError(f"not an SVG page: {one_line(error)}") from error
        except RecursionError as error:
            raise UserError("not an SVG page: its groups are nested too deeply") from error

    def _read(self, root: ElementTree.Element) -> DrawnPage:
        page = next(child for child in root if child.get("class") == "definition-scale")
        _, _, width, height = (float(side) for side in page.get("viewBox", "").split())
        if not (0 < width and 0 < height <= _LONGEST * width):
            raise ValueError(f"a page of {width:g} x {height:g}")
        scale = PAGE_WIDTH / width
        glyphs = dict(_glyphs(root))
        systems: dict[int, Box] = {}
        heads: list[DrawnHead] = []
        outer = Transform(scale, scale)
        for element, transform in _groups(page, outer, "system"):
            number = len(self.bars)
            boxes, bars = [], []
            for measure, inner in _groups(element, transform, "measure"):
                box = _staves(measure, inner)
                self._count(measure.get("data-n", ""))
                if box is None:
                    continue
                boxes.append(box)
                bars.append(BarStart(box.left, self._bar))
                for note, place in _groups(measure, inner, "note") if self.times else ():
                    heads += self._heads(note, place, glyphs, number)
            if boxes:
                systems[number] = around(boxes)
                self.bars[number] = tuple(bars)
        return DrawnPage(tuple(heads), (), systems, PAGE_WIDTH, round(height * scale))

    def _count(self, number: str) -> None:
        """Notes the number of a bar; what has none goes on with the bar before it."""
        if number.isdecimal() and len(number) < 6:
            self._bar = int(number)

    def _heads(
        self,
        note: ElementTree.Element,
        transform: Transform,
        glyphs: Mapping[str, Box],
        system: int,
    ) -> Iterator[DrawnHead]:
        time = self.times.get(note.get("id", ""))
        if time is None:
            return
        boxes = [
            place.then(use.get("transform")).box(glyphs[use.get(_LINK, "")])
            for head, place in _groups(note, transform, "notehead")
            for use in head
            if use.get(_LINK, "") in glyphs
        ]
        yield DrawnHead(
            score=0,
            system=system,
            moment=time.moment,
            grace=time.grace,
            length=time.length,
            pitch=time.pitch,
            tied=time.tied,
            box=around(boxes) if boxes else None,
            bar=self._bar or 0,
            velocity=time.velocity,
        )


def without_style(svg: str) -> str:
    """Writes the style sheet of a page as attributes.

    Strokes are where a width is given only: the sheet draws outlines of a hundredth of a pixel
    around all glyphs, which takes half of the time.
    """
    plain = _STYLE.sub("", svg).replace(" stroke-width=", ' stroke="currentColor" stroke-width=')
    return _STYLED.sub(lambda found: f"{_ATTRIBUTES[str(found.lastgroup)]} {found[0]}", plain)


def _glyphs(root: ElementTree.Element) -> Iterator[tuple[str, Box]]:
    """Yields the boxes of the glyphs that a page defines, by the links to them."""
    for definitions in root:
        if definitions.tag.rpartition("}")[2] != "defs":
            continue
        for glyph in definitions:
            for path in glyph:
                box = path_box(path.get("d", ""))
                if box is not None:
                    inner = Transform().then(path.get("transform"))
                    yield "#" + glyph.get("id", ""), inner.box(box)


def _groups(
    element: ElementTree.Element, transform: Transform, kind: str
) -> Iterator[tuple[ElementTree.Element, Transform]]:
    """Yields the visible groups of a class below an element, each with its transform."""
    for child in element:
        if child.get("visibility") == "hidden":
            continue
        inner = transform.then(child.get("transform"))
        if kind in child.get("class", "").split():
            yield child, inner
        else:
            yield from _groups(child, inner, kind)


def _staves(measure: ElementTree.Element, transform: Transform) -> Box | None:
    """Returns the box around the staff lines of a bar."""
    boxes = []
    for staff, inner in _groups(measure, transform, "staff"):
        for path in staff:
            line = _LINE.fullmatch(path.get("d", ""))
            if line:
                x1, y1, x2, y2 = map(float, line.groups())
                boxes.append(inner.box(Box(min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2))))
    return around(boxes) if boxes else None
