"""Scores of every kind as snippets with their places: MSMD, LilyPond, records, PDF and images."""

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import PAPER, REDUCTION, STRIP_HEIGHT
from tempo_invariant.scores import msmd, pages
from tempo_invariant.scores.bars import Bars, bar_at, find_bars
from tempo_invariant.scores.places import SHEET, Box, Place
from tempo_invariant.scores.sources import LilyPondSource, open_scores
from tempo_invariant.scores.strips import cut_snippet, cut_snippets
from tempo_invariant.scores.systems import find_systems, normalise

STEP_PIXELS = 25
"""Distance of neighbouring snippets: an eighth of their width."""

PAGE_SUFFIXES = (".pdf", ".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")


@dataclasses.dataclass(frozen=True)
class SheetDocument:
    """A score cut into snippets.

    Attributes:
        name: Name of the score.
        pages: Pages uint8 [rows, columns] by number, from 1.
        snippets: Snippets uint8 [count, 160, 200], in reading order.
        places: Places of the snippets, `places.SHEET` [count].
    """

    name: str
    pages: dict[int, np.ndarray]
    snippets: np.ndarray
    places: np.ndarray


@dataclasses.dataclass(frozen=True)
class ScoreReader:
    """A score that can be read: its name, and the function that reads it."""

    name: str
    read: Callable[[], SheetDocument]


def find_scores(
    scores: str | Path,
    step: int = STEP_PIXELS,
    split: str | None = None,
    documents: Sequence[str] = (),
) -> Iterator[ScoreReader]:
    """Finds the scores in a file or directory, whose kind is told by its content.

    It may be an MSMD directory; a directory of records (`dataset_info.json`); a LilyPond file, a
    directory or tar archive of them, or "sample"; a PDF file or page image, or a directory in which
    every such file is a score and every folder of them a score of several pages.

    Args:
        scores: Path of the file or directory, or "sample".
        step: Distance of neighbouring snippets in page pixels.
        split: Name of the only split of records to read; None reads all.
        documents: Names of the only scores to read; if there are none, all are read.

    Raises:
        UserError: There is no score, or none of one of the names.
    """
    if step < 1:
        raise UserError(f"step must be at least one pixel, received {step}")
    path = Path(scores)
    if (path / schema.INFO_NAME).is_file():
        found = _records(path, step, split)
    elif path.is_dir() and any(path.glob("*/scores")):
        found = _msmd(path, step)
    elif path.suffix.lower() in PAGE_SUFFIXES or _is_page_directory(path):
        found = _images(path, step)
    else:
        found = _lilypond(str(scores), step)
    wanted, seen = set(documents), set()
    for source in found:
        if not wanted or source.name in wanted:
            seen.add(source.name)
            yield source
    if wanted - seen or not seen:
        missing = f"no score {min(wanted - seen)!r}" if wanted - seen else "no score"
        raise UserError(f"{scores}: holds {missing}")


def cut_pages(
    name: str,
    pages: Sequence[np.ndarray],
    boxes: Sequence[Sequence[Box]],
    step: int,
    bars: Sequence[Sequence[Bars]] | None = None,
) -> SheetDocument:
    """Cuts snippets out of pages whose systems are known.

    Args:
        name: Name of the score.
        pages: Pages, uint8 [rows, columns] each.
        boxes: Boxes of the systems of every page, in reading order.
        step: Distance of neighbouring snippets in page pixels.
        bars: Bars of every system, where they are known; without, they are found in the pictures.

    Raises:
        UserError: There is no system on any page.
    """
    cuts, rows = [], []
    bars = bars or find_bars(pages, boxes)
    for number, (page, systems) in enumerate(zip(pages, boxes, strict=True), 1):
        images, found = cut_snippets(page, systems, step, number)
        cuts.append(images)
        for place in found:
            bar = bar_at(bars[number - 1][place.system - 1], place.x)
            rows.append(dataclasses.replace(place, bar=bar).row())
    if not rows:
        raise UserError(f"{name}: no system on any page")
    by_number = dict(enumerate(pages, 1))
    return SheetDocument(name, by_number, np.concatenate(cuts), np.array(rows, SHEET))


def read_pages(name: str, paths: Sequence[Path], step: int) -> SheetDocument:
    """Reads PDF files or images as one score; its systems are found in the pictures.

    Pages are made straight and even, and scaled so that their staves are as large as those that
    the model was trained with; a page without staves is made 835 pixels wide.

    Args:
        name: Name of the score.
        paths: Paths of the files, in reading order.
        step: Distance of neighbouring snippets in pixels of these pages.

    Raises:
        UserError: A file cannot be read, or there is no system on any page.
    """
    found = [normalise(page).image for path in paths for page in pages.read(path)]
    return cut_pages(name, found, [find_systems(page) for page in found], step)


def _msmd(directory: Path, step: int) -> Iterator[ScoreReader]:
    def read(piece: str) -> SheetDocument:
        score = msmd.read_score(directory / piece)
        images = [score.image(score.inks[0], page.number) for page in score.pages]
        boxes = [[system.box for system in page.systems] for page in score.pages]
        return cut_pages(piece, images, boxes, step)

    for piece in msmd.list_pieces(directory):
        yield ScoreReader(piece, partial(read, piece))


def _lilypond(scores: str, step: int) -> Iterator[ScoreReader]:
    path = Path(scores)
    if path.suffix == ".ly":
        found = LilyPondSource(path.stem, path, path.parent)
        yield ScoreReader(path.stem, partial(_engrave, found, step))
        return
    with open_scores(scores) as listed:
        for source in listed:
            yield ScoreReader(source.piece, partial(_engrave, source, step))


def _engrave(source: LilyPondSource, step: int) -> SheetDocument:
    from tempo_invariant.scores.engraving import engrave
    from tempo_invariant.scores.svg import drawn_bars, rasterise

    with tempfile.TemporaryDirectory(prefix="engrave-") as workspace:
        engraving = engrave(source.path, Path(workspace), source.root)
    drawn = zip(engraving.svgs, engraving.pages, strict=True)
    images = [rasterise(svg, page)["bold"] for svg, page in drawn]
    systems = [
        sorted(page.systems.items(), key=lambda item: item[1].top) for page in engraving.pages
    ]
    numbered = drawn_bars(engraving.pages)
    boxes = [[box for _, box in found] for found in systems]
    bars = [[numbered[number] for number, _ in found] for found in systems]
    return cut_pages(source.piece, images, boxes, step, bars)


def _images(path: Path, step: int) -> Iterator[ScoreReader]:
    if not path.exists():
        raise UserError(f"{path}: no such file")
    scores = {path.stem: [path]} if path.is_file() else _page_scores(path)
    for name, files in scores.items():
        yield ScoreReader(name, partial(read_pages, name, files, step))


def _is_page_directory(path: Path) -> bool:
    """Tells whether a path is a directory of pages, not of LilyPond files with pictures."""
    if not path.is_dir() or any(path.glob("*.ly")) or (path / "PIECES.tsv").is_file():
        return False
    return bool(_page_scores(path))


def _page_scores(directory: Path) -> dict[str, list[Path]]:
    """Returns the files of every score in a directory of PDF files and images."""
    scores = {}
    for path in sorted(directory.iterdir()):
        if path.is_dir():
            files = [file for file in sorted(path.iterdir()) if _is_page(file)]
            if files:
                scores[path.name] = files
        elif _is_page(path):
            scores[path.stem if path.stem not in scores else path.name] = [path]
    return scores


def _is_page(path: Path) -> bool:
    named = path.suffix.lower() in PAGE_SUFFIXES and not path.name.startswith(".")
    return named and path.is_file()


def _records(directory: Path, step: int, split: str | None) -> Iterator[ScoreReader]:
    infos = schema.read_info(directory)
    seen = set()
    for name in [split] if split else [name for name in infos if infos[name].records]:
        for record in schema.read_records(directory, name):
            if record.piece not in seen:
                seen.add(record.piece)
                yield ScoreReader(record.piece, partial(from_record, record, step))


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
