"""LilyPond's SVG pages: tagged note heads, staves and bar lines.

Pages are engraved with `lilypond/tags.ily`, which wraps each of them in a `<g>` with `data-*`
attributes. Boxes come from the drawn outlines, scaled to page pixels.
"""

import functools
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import PAGE_WIDTH
from tempo_invariant.scores.drawn import DrawnBarLine, DrawnHead, DrawnPage
from tempo_invariant.scores.places import Box, around

_WIDEST = 1e6
_LONGEST = 8.0
"""Largest width of a page in LilyPond's units, and largest ratio of height to width."""

_FARTHEST = 1e6
"""Nothing is drawn farther from the corner of the page, in pixels."""

_LONGEST_VALUE = 50
"""Most characters of a number in a tag."""


@dataclass(frozen=True)
class Transform:
    """x -> x * scale + shift, for both coordinates."""

    scale_x: float = 1.0
    scale_y: float = 1.0
    shift_x: float = 0.0
    shift_y: float = 0.0

    def then(self, text: str | None) -> "Transform":
        """Returns this transform preceded by that of an inner `transform` attribute."""
        result = self
        for name, arguments in re.findall(r"(translate|scale)\s*\(([^)]*)\)", text or ""):
            values = [float(v) for v in re.split(r"[\s,]+", arguments.strip())]
            x = values[0]
            y = values[1] if len(values) > 1 else (x if name == "scale" else 0.0)
            if name == "translate":
                x, y = result.shift_x + result.scale_x * x, result.shift_y + result.scale_y * y
                result = replace(result, shift_x=x, shift_y=y)
            else:
                result = replace(result, scale_x=result.scale_x * x, scale_y=result.scale_y * y)
        return result

    def box(self, box: Box) -> Box:
        """Returns the box around the transformed corners."""
        left, right = sorted(x * self.scale_x + self.shift_x for x in (box.left, box.right))
        top, bottom = sorted(y * self.scale_y + self.shift_y for y in (box.top, box.bottom))
        if not max(map(abs, (top, left, bottom, right))) <= _FARTHEST:  # nor what is no number
            raise ValueError("something is drawn far from the page")
        return Box(top, left, bottom, right)


def parse_page(svg: str) -> DrawnPage:
    """Reads note heads and systems of one page.

    Args:
        svg: Text of a page written by LilyPond with `lilypond/tags.ily`.

    Raises:
        UserError: The text is no SVG page of LilyPond's.
    """
    try:
        return _parse_page(svg)
    except (ElementTree.ParseError, ValueError, ArithmeticError, LookupError) as error:
        raise UserError(f"not an SVG page: {one_line(error)}") from error
    except RecursionError as error:
        raise UserError("not an SVG page: its groups are nested too deeply") from error


def _parse_page(svg: str) -> DrawnPage:
    root = ElementTree.fromstring(svg)
    left, top, width, height = (float(v) for v in root.get("viewBox", "").split())
    if not (0 < width <= _WIDEST and 0 < height <= _LONGEST * width):
        raise ValueError(f"a page of {width:g} x {height:g}")
    scale = PAGE_WIDTH / width
    outer = Transform(scale, scale, -left * scale, -top * scale)
    heads: list[DrawnHead] = []
    bar_lines: list[DrawnBarLine] = []
    systems: dict[int, Box] = {}
    for element, transform in _tagged(root, outer):
        boxes = list(_boxes(element, transform))
        box = around(boxes) if boxes else None
        kind, system = element.get("data-kind"), int(element.get("data-system", "0"))
        if kind == "head":
            heads.append(_head(element, box))
        elif box is not None and kind == "bar":
            score, bar = (int(element.get(f"data-{key}", "0")) for key in ("score", "bar"))
            bar_lines.append(DrawnBarLine(score, system, bar, box))
        elif box is not None:
            systems[system] = around([box, systems.get(system, box)])
    return DrawnPage(tuple(heads), tuple(bar_lines), systems, PAGE_WIDTH, round(height * scale))


def _head(element: ElementTree.Element, box: Box | None) -> DrawnHead:
    def value(key: str) -> str:
        text = element.get(f"data-{key}", "0")
        if len(text) > _LONGEST_VALUE or "e" in text.lower():  # powers of ten fill the memory
            raise ValueError(f"{key} {one_line(text, _LONGEST_VALUE)}")
        return text

    return DrawnHead(
        score=int(value("score")),
        system=int(value("system")),
        moment=Fraction(value("moment")),
        grace=Fraction(value("grace")),
        length=Fraction(value("length")),
        pitch=round(float(Fraction(value("pitch")))),
        tied=value("tied") == "1",
        box=box,
        bar=int(value("bar")),
    )


def _tagged(
    element: ElementTree.Element, transform: Transform
) -> Iterator[tuple[ElementTree.Element, Transform]]:
    """Yields the tagged elements below `element`, each with its transform."""
    transform = transform.then(element.get("transform"))
    if element.get("data-kind"):
        yield element, transform
        return
    for child in element:
        yield from _tagged(child, transform)


def _boxes(element: ElementTree.Element, outer: Transform) -> Iterator[Box]:
    """Yields the boxes of everything drawn in `element`; `outer` includes its own transform."""
    for child in element:
        transform = outer.then(child.get("transform"))
        shape = child.tag.rpartition("}")[2]

        def numbers(*keys: str, child: ElementTree.Element = child) -> list[float]:
            return [float(child.get(key, "0")) for key in keys]

        if shape == "path":
            box = path_box(child.get("d", ""))
            if box is not None:
                yield transform.box(box)
        elif shape == "line":
            x1, y1, x2, y2 = numbers("x1", "y1", "x2", "y2")
            yield transform.box(Box(min(y1, y2), min(x1, x2), max(y1, y2), max(x1, x2)))
        elif shape == "rect":
            x, y, width, height = numbers("x", "y", "width", "height")
            yield transform.box(Box(y, x, y + height, x + width))
        elif shape in ("circle", "ellipse"):
            x, y, r, rx, ry = numbers("cx", "cy", "r", "rx", "ry")
            rx, ry = rx or r, ry or r
            yield transform.box(Box(y - ry, x - rx, y + ry, x + rx))
        elif shape in ("polygon", "polyline"):
            points = [float(v) for v in re.findall(r"-?[\d.]+", child.get("points", ""))]
            if points:
                xs, ys = points[0::2], points[1::2]
                yield transform.box(Box(min(ys), min(xs), max(ys), max(xs)))
        yield from _boxes(child, transform)


_ARGUMENTS = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "Z": 0}


@functools.lru_cache(maxsize=4096)
def path_box(d: str) -> Box | None:
    """Returns the box of an SVG path, with exact extremes of its cubic curves.

    Elliptic arcs, which LilyPond's glyphs don't have, end the path.
    """
    points: list[tuple[float, float]] = []
    x = y = start_x = start_y = control_x = control_y = 0.0
    for command, text in re.findall(r"([MmLlHhVvCcSsQqTtZz])([^A-DF-Za-df-z]*)", d):
        kind, relative = command.upper(), command.islower()
        values = [float(v) for v in re.findall(r"[-+]?(?:\d*\.\d+|\d+\.?)(?:[eE][-+]?\d+)?", text)]
        count = _ARGUMENTS[kind]
        if kind == "Z":
            x, y = start_x, start_y
            continue
        for index in range(0, len(values) - count + 1, count):
            part = values[index : index + count]
            if kind == "H":
                part = [part[0] + (x if relative else 0), y]
            elif kind == "V":
                part = [x, part[0] + (y if relative else 0)]
            elif relative:
                part = [v + (y if i % 2 else x) for i, v in enumerate(part)]
            if kind == "S":
                part = [2 * x - control_x, 2 * y - control_y, *part]
            if kind in "CS":
                points += _cubic_extremes((x, y), part)
                control_x, control_y = part[2], part[3]
            x, y = part[-2], part[-1]
            if kind not in "CS":
                control_x, control_y = x, y
            if kind == "M" and index == 0:
                start_x, start_y = x, y
            points.append((x, y))
    if not points:
        return None
    xs, ys = zip(*points, strict=True)
    return Box(min(ys), min(xs), max(ys), max(xs))


def _cubic_extremes(start: tuple[float, float], rest: list[float]) -> list[tuple[float, float]]:
    """Returns the points of a cubic Bézier curve where x or y has an extreme."""
    p = np.array([start, rest[0:2], rest[2:4], rest[4:6]])
    a, b, c = -p[0] + 3 * p[1] - 3 * p[2] + p[3], 2 * (p[0] - 2 * p[1] + p[2]), p[1] - p[0]
    found = []
    for axis in range(2):
        if np.all(p[:, axis] == p[0, axis]):
            continue
        for t in np.real(np.roots([a[axis], b[axis], c[axis]])):
            if 0 < t < 1:
                w = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3])
                found.append((float(w @ p[:, 0]), float(w @ p[:, 1])))
    return found
