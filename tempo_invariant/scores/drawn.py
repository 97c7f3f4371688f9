"""What an engraver draws: pages with note heads in musical time, bar lines, systems and bars."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np

from tempo_invariant.scores.bars import Bars, BarStart
from tempo_invariant.scores.drawing import Fonts, rasterise
from tempo_invariant.scores.dynamics import UNMARKED
from tempo_invariant.scores.places import Box

TIMEOUT_SECONDS = 180
"""Processor time that engraving a score may take."""


@dataclass(frozen=True)
class DrawnHead:
    """A note head as engraved.

    Attributes:
        score: Index of the `\\score` block, from 0.
        system: Number of the system in the whole output.
        moment: Musical time of the beat in whole notes from the start of the score.
        grace: Time before the beat in whole notes, negative for grace notes.
        length: Written length in whole notes.
        pitch: MIDI pitch.
        tied: Whether a tie ends on the head.
        box: Box in page pixels; None for a head that is not visible.
        bar: Number of the bar; 0 is what comes before the first whole one.
        velocity: MIDI velocity that the score's dynamics ask for.
    """

    score: int
    system: int
    moment: Fraction
    grace: Fraction
    length: Fraction
    pitch: int
    tied: bool
    box: Box | None
    bar: int = 0
    velocity: int = UNMARKED


@dataclass(frozen=True)
class DrawnBarLine:
    """A bar line as engraved, of one staff or between two: its system, and the bar after it."""

    score: int
    system: int
    bar: int
    box: Box


@dataclass(frozen=True)
class DrawnPage:
    """A page: its note heads, its bar lines, the box of every system, and its size in pixels."""

    heads: tuple[DrawnHead, ...]
    bar_lines: tuple[DrawnBarLine, ...]
    systems: dict[int, Box]
    width: int
    height: int


@dataclass(frozen=True)
class Engraving:
    """An engraved score.

    Attributes:
        svgs: Text of every page.
        pages: Note heads and systems of every page.
        fonts: Fonts of the text on the pages.
        bars: Bars of every system, by its number.
        midis: Paths of MIDI files of the music, in the order of the scores.
        tempi: Rows of score index, time in whole notes, whole notes a minute, from tempo marks.
        errors: Errors that the engraver reported although it drew pages, one line each.
        notes: Printable lines that say what of the music is engraved, if it is not all for piano.
    """

    svgs: tuple[str, ...]
    pages: tuple[DrawnPage, ...]
    fonts: Fonts
    bars: Mapping[int, Bars]
    midis: tuple[Path, ...] = ()
    tempi: tuple[tuple[int, Fraction, Fraction], ...] = ()
    errors: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def draw(self) -> Iterator[dict[str, np.ndarray]]:
        """Draws page after page, in every ink; see `drawing.rasterise`."""
        for svg, page in zip(self.svgs, self.pages, strict=True):
            yield rasterise(svg, page.width, page.height, self.fonts)


def drawn_bars(pages: Sequence[DrawnPage]) -> dict[int, Bars]:
    """Returns the bars of every system, as they are engraved, by the system's number."""
    boxes = {number: box for page in pages for number, box in page.systems.items()}
    lines: dict[int, list[DrawnBarLine]] = {number: [] for number in boxes}
    heads: dict[int, list[DrawnHead]] = {number: [] for number in boxes}
    for page in pages:
        for line in page.bar_lines:
            lines.get(line.system, []).append(line)
        for head in page.heads:
            heads.get(head.system, []).append(head)
    found: dict[int, Bars] = {}
    following: dict[int, int] = {}  # the bar after the last system of each score
    for system in sorted(boxes):
        own = sorted(lines[system], key=lambda line: line.box.left)
        scores = [line.score for line in own] + [head.score for head in heads[system]]
        score = min(scores, default=0)
        number = following.get(score)
        if number is None:
            number = min((part.bar for part in heads[system]), default=None)
        starts = [BarStart(boxes[system].left, number)]
        for line in own:
            if number is None or line.bar > number:
                number = line.bar
                if line.box.right < boxes[system].right - 1:  # not at its end
                    starts.append(BarStart(line.box.left, number))
        if number is not None:
            following[score] = number
        found[system] = tuple(starts)
    return found
