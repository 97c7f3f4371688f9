"""Scores of every kind cut into snippets with their places: pages, engravings, MSMD, records."""

import dataclasses
import logging
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import why_left_out
from tempo_invariant.geometry import PAPER, PRINTED, REDUCTION, STRIP_HEIGHT, STRIP_STEP
from tempo_invariant.scores import msmd, pages
from tempo_invariant.scores.bars import Bars, bar_at, find_bars
from tempo_invariant.scores.engravers import engraved
from tempo_invariant.scores.folders import is_image
from tempo_invariant.scores.mung import Page
from tempo_invariant.scores.page_reading import by_pages, read_page
from tempo_invariant.scores.places import NO_BAR, SHEET, Box, Place
from tempo_invariant.scores.sources import PieceSource
from tempo_invariant.scores.strips import cut_snippet, cut_snippets

STEP_PIXELS = STRIP_STEP
"""Distance of neighbouring snippets: about an eighth of their width, and the one at which a model
embeds them together."""

MAX_SNIPPETS = 100_000
"""Scores with more snippets, which take 3 GB of memory, are refused."""


@dataclasses.dataclass(frozen=True)
class SheetDocument:
    """A score cut into snippets.

    Attributes:
        name: Name of the score.
        pages: Pages uint8 [rows, columns] by number, from 1.
        snippets: Snippets uint8 [count, 160, 200], in reading order.
        places: Places of the snippets, `places.SHEET` [count].
        notes: Printable lines about pages that were left out, or that are not what one expects:
            "page 3: no system on it". Whoever reads the score shows them, see `log_notes`.
    """

    name: str
    pages: dict[int, np.ndarray]
    snippets: np.ndarray
    places: np.ndarray
    notes: tuple[str, ...] = ()

    def without_guessed_bars(self, path: str | os.PathLike) -> "SheetDocument":
        """Returns it without numbers of bars if it was read from a picture alone.

        They have been counted from its first bar, and it may be any page of its piece.
        """
        if not is_image(path):
            return self
        places = self.places.copy()
        places["bar"] = NO_BAR
        return dataclasses.replace(self, places=places)

    def log_notes(self) -> None:
        """Shows the notes as warnings that name the score."""
        for note in self.notes:
            logging.warning("%s: %s", self.name, note)


def cut_pages(
    name: str,
    pages: Sequence[np.ndarray],
    boxes: Sequence[Sequence[Box]],
    step: int,
    numbers: Sequence[int] | None = None,
    bars: Sequence[Sequence[Bars]] | None = None,
    notes: Sequence[str] = (),
    staves: str = PRINTED,
) -> SheetDocument:
    """Cuts snippets out of pages whose systems are known.

    Args:
        name: Name of the score.
        pages: Pages, uint8 [rows, columns] each.
        boxes: Boxes of the systems of every page, in reading order.
        step: Distance of neighbouring snippets in page pixels.
        numbers: Numbers of the pages; 1, 2, ... if None.
        bars: Bars of every system, where they are known; without, they are found in the pictures.
        notes: What is to be said about pages; that one has no system is added.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.

    Raises:
        UserError: There is no system on any page, or there are too many.
    """
    numbers = range(1, len(pages) + 1) if numbers is None else numbers
    cuts, rows = [], []
    known = bars or find_bars(pages, boxes)
    for index, (number, page, systems) in enumerate(zip(numbers, pages, boxes, strict=True)):
        images, found = cut_snippets(page, systems, step, number, staves)
        cuts.append(images)
        for place in found:
            bar = bar_at(known[index][place.system - 1], place.x)
            if not bars and number != index + 1:  # a page before is missing, and with it the count
                bar = None
            rows.append(dataclasses.replace(place, bar=bar).row())
        if len(rows) > MAX_SNIPPETS:
            raise UserError(f"{name}: more than {MAX_SNIPPETS:,} snippets; divide it into parts")
    if not rows:
        raise UserError(f"{name}: no system on any page")
    by_number = dict(zip(numbers, pages, strict=True))
    bare = [number for number, systems in zip(numbers, boxes, strict=True) if not systems]
    notes = [*notes, *by_pages((number, "no system on it") for number in bare)]
    return SheetDocument(name, by_number, _join(cuts), np.array(rows, SHEET), tuple(notes))


def _join(parts: list[np.ndarray]) -> np.ndarray:
    """Joins arrays along their first axis and empties the list on the way, to save memory."""
    joined = np.empty((sum(map(len, parts)), *parts[0].shape[1:]), parts[0].dtype)
    end = len(joined)
    while parts:
        part = parts.pop()
        joined[end - len(part) : end] = part
        end -= len(part)
    return joined


def cut_page(name: str, page: np.ndarray, step: int, staves: str = PRINTED) -> SheetDocument:
    """Cuts snippets out of one page uint8 [rows, columns], whose systems are found in the picture.

    Args:
        name: Name of the score.
        page: The page.
        step: Distance of neighbouring snippets in page pixels.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.

    Raises:
        UserError: There is no system on it.
    """
    found = _find_boxes(page)
    lines = by_pages((1, note) for note in found.notes)
    return cut_pages(name, [found.image], [found.boxes], step, notes=lines, staves=staves)


def read_pages(name: str, paths: Sequence[Path], step: int, staves: str = PRINTED) -> SheetDocument:
    """Reads PDF files or images as one score; its systems are found in the pictures.

    Pages are made straight and even, and scaled so that their staves are as large as those that
    the model was trained with; a page without staves is made 835 pixels wide. A page that cannot be
    read is left out, and a note says why; the others keep their numbers.

    Args:
        name: Name of the score.
        paths: Paths of the files, in reading order.
        step: Distance of neighbouring snippets in pixels of these pages.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.

    Raises:
        UserError: No page can be read, or there is no system on any page.
    """
    each = ((path, partial(_find_boxes, page)) for path in paths for page in _pages(path))
    return _cut_usable(name, each, step, staves)


def _pages(path: Path) -> Iterator[pages.MaybePage]:
    """Reads the pages of a file; one that cannot be read counts as a page that cannot."""
    try:
        yield from pages.read(path)
    except UserError as error:
        yield error


class _PageWithBoxes(NamedTuple):
    """A page, the boxes of its systems, what is to be said about it, and the bars, if known."""

    image: np.ndarray
    boxes: Sequence[Box]
    notes: Sequence[str] = ()
    bars: Sequence[Bars] = ()


def _find_boxes(page: pages.MaybePage) -> _PageWithBoxes:
    if isinstance(page, UserError):
        raise page
    reading = read_page(page)
    return _PageWithBoxes(reading.normal.image, reading.normal.systems, reading.notes)


def _cut_usable(
    name: str, each: Iterable[tuple[Path, Callable[[], _PageWithBoxes]]], step: int, staves: str
) -> SheetDocument:
    """Cuts the pages that can be read, and notes the others; if none can, the first is named.

    Pages are given as the path that errors begin with, which notes do not, and what reads them.
    """
    numbers, images, boxes, bars, problems = [], [], [], [], []
    notes: list[tuple[int, str]] = []
    for number, (path, read) in enumerate(each, 1):
        try:
            page = read()
        except Exception as error:  # one bad page must not end the others
            reason = why_left_out(error)
            named = isinstance(error, UserError)
            problems.append(reason if named else f"{name}: page {number}: {reason}")
            inside = re.sub(r"^page \d+: ", "", reason.removeprefix(printable(f"{path}: ")))
            notes.append((number, f"left out ({inside})"))
            continue
        numbers.append(number)
        images.append(page.image)
        boxes.append(page.boxes)
        bars.append(page.bars)
        notes += [(number, remark) for remark in page.notes]
    if not images:
        raise UserError(problems[0] if problems else f"{name}: holds no page")
    known = bars if any(any(page) for page in bars) else None
    return cut_pages(name, images, boxes, step, numbers, known, by_pages(notes), staves)


def read_piece(name: str, path: Path, step: int, staves: str = PRINTED) -> SheetDocument:
    """Reads a piece of an MSMD directory, whose systems are known, and its bars if it was built.

    Args:
        name: Name of the score.
        path: Directory of the piece.
        step: Distance of neighbouring snippets in page pixels.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.

    Raises:
        UserError: The piece is damaged, no page can be read, or there is no system on any page.
    """
    score = msmd.read_score(path, with_heads=False)
    each = ((score.directory, partial(_read_page, score, page)) for page in score.pages)
    return _cut_usable(name, each, step, staves)


def _read_page(score: msmd.Score, page: Page) -> _PageWithBoxes:
    boxes = [system.box for system in page.systems]
    bars = [system.bars for system in page.systems]
    return _PageWithBoxes(score.image(score.inks[0], page.number), boxes, bars=bars)


def read_engraved(source: PieceSource, step: int, staves: str = PRINTED) -> SheetDocument:
    """Engraves a score that says which notes it has.

    Args:
        source: The score.
        step: Distance of neighbouring snippets in page pixels.
        staves: Distance of a piano's staves in snippets, see `geometry.STAVES`.

    Raises:
        UserError: It cannot be engraved, or what it needs for that is not installed.
    """
    with engraved(source) as engraving:
        images = [drawing["bold"] for drawing in engraving.draw()]
    systems = [
        sorted(page.systems.items(), key=lambda item: item[1].top) for page in engraving.pages
    ]
    boxes = [[box for _, box in found] for found in systems]
    bars = [[engraving.bars[number] for number, _ in found] for found in systems]
    notes = engraving.notes
    return cut_pages(source.piece, images, boxes, step, bars=bars, notes=notes, staves=staves)


def from_record(record: schema.Record, step: int) -> SheetDocument:
    """Cuts up the strip of a record, which holds half the resolution and no pages.

    A page is drawn again as its systems below each other; the border of two systems is taken to lie
    half-way between their note heads.

    Args:
        record: Record, as `schema.read_records` gives it.
        step: Distance of neighbouring snippets in page pixels.
    """
    # Every pixel four times: the encoder's 2 x 2 mean gives back exactly what is stored.
    strip = record.strips[0].T.repeat(REDUCTION, axis=0).repeat(REDUCTION, axis=1)
    order = np.argsort(record.columns, kind="stable")
    columns = record.columns[order]
    # Systems of records count from 0.
    owners = np.stack([record.pages, record.systems + 1], axis=1)[order].tolist()
    edges = [0, *(i for i in range(1, len(owners)) if owners[i] != owners[i - 1])]
    bounds = [0, *(round(float(columns[i - 1 : i + 1].mean())) for i in edges[1:]), strip.shape[1]]
    rows, cuts = [], []
    systems: dict[int, list[np.ndarray]] = {}
    for left, right, first in zip(bounds[:-1], bounds[1:], edges, strict=True):
        page, system = owners[first]
        stacked = systems.setdefault(page, [])
        top = STRIP_HEIGHT * len(stacked)
        stacked.append(strip[:, left:right])
        box = Box(top, 0, top + STRIP_HEIGHT, right - left)
        for centre in range(min(left + step // 2, right - 1), right, step):
            rows.append(Place(page, system, centre - left, box).row())
            cuts.append(cut_snippet(strip, centre))
    drawn = {page: _stack(stacked) for page, stacked in systems.items()}
    return SheetDocument(record.piece, drawn, np.stack(cuts), np.array(rows, SHEET))


def _stack(strips: Sequence[np.ndarray]) -> np.ndarray:
    width = max(strip.shape[1] for strip in strips)
    padded = [
        np.pad(strip, [(0, 0), (0, width - strip.shape[1])], constant_values=PAPER)
        for strip in strips
    ]
    return np.concatenate(padded)
