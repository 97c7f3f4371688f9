"""Scores of every kind as snippets with their places: MSMD, LilyPond, records, PDF and images."""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError, one_line, printable
from tempo_invariant.files import why_left_out
from tempo_invariant.geometry import PAPER, REDUCTION, STRIP_HEIGHT
from tempo_invariant.scores import msmd, pages
from tempo_invariant.scores.archives import is_archive, unpacked
from tempo_invariant.scores.bars import Bars, bar_at, find_bars
from tempo_invariant.scores.engravers import engraved
from tempo_invariant.scores.folders import (
    NO_KIND,
    NOTATED,
    FoundScore,
    kind_of,
    list_folder,
)
from tempo_invariant.scores.mung import Page
from tempo_invariant.scores.places import SHEET, Box, Place
from tempo_invariant.scores.sources import SAMPLE, SAMPLE_SCORES, PieceSource
from tempo_invariant.scores.strips import cut_snippet, cut_snippets
from tempo_invariant.scores.systems import normalise

STEP_PIXELS = 24
"""Distance of neighbouring snippets: about an eighth of their width, and a multiple of
`geometry.STRIP_UNIT`."""

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

    def log_notes(self) -> None:
        """Shows the notes as warnings that name the score."""
        for note in self.notes:
            logging.warning("%s: %s", self.name, note)


@dataclasses.dataclass(frozen=True)
class ScoreReader:
    """A score that can be read.

    Attributes:
        name: Name of the score.
        read: Function that reads it; it can be pickled, so that another process may call it.
        files: Files whose content is the score's: while they are the same, so is the score.
    """

    name: str
    read: Callable[[], SheetDocument]
    files: tuple[Path, ...]


def find_scores(
    scores: str | Path,
    step: int = STEP_PIXELS,
    split: str | None = None,
    documents: Sequence[str] = (),
) -> Iterator[ScoreReader]:
    """Finds the scores in a file or directory, one after the other; see `open_collection`."""
    with open_collection(scores, step, split, documents) as readers:
        yield from readers


@contextlib.contextmanager
def open_collection(
    scores: str | Path,
    step: int = STEP_PIXELS,
    split: str | None = None,
    documents: Sequence[str] = (),
) -> Iterator[Iterable[ScoreReader]]:
    """Yields the scores in a file or directory, whose kind is told by its content.

    It may be an MSMD directory; a directory of records (`dataset_info.json`); a file of any kind
    of `folders.KINDS`; a folder of folders of these, see `folders.list_folder`; a tar or zip
    archive of any such directory, which is unpacked for as long as the block lasts; or "sample",
    the scores that come with this package. What a folder holds besides is named in warnings.

    The scores are a list, but for records, which are read one after the other.

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
    with _found(str(scores), step, split, warn=not documents) as found:
        wanted = set(map(printable, documents))
        chosen = _choose(found, wanted, str(scores))
        yield list(chosen) if isinstance(found, list) else chosen


def _choose(found: Iterable[ScoreReader], wanted: set[str], scores: str) -> Iterator[ScoreReader]:
    """Yields the scores that are wanted, all if none is named."""
    seen = set()
    for source in found:
        if not wanted or source.name in wanted:
            seen.add(source.name)
            yield source
    if wanted - seen or not seen:
        missing = f"no score {min(wanted - seen)!r}" if wanted - seen else f"no score ({NO_KIND})"
        raise UserError(f"{scores}: holds {missing}")


@contextlib.contextmanager
def _found(
    scores: str, step: int, split: str | None, warn: bool
) -> Iterator[Iterable[ScoreReader]]:
    """Yields the readers of all scores, by the kind of collection."""
    if scores == SAMPLE:
        yield list(_folder(SAMPLE_SCORES, step, warn=False))
        return
    path = Path(scores)
    try:
        path.stat()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UserError(f"{scores}: cannot be read ({reason})") from error
    with contextlib.ExitStack() as stack:
        if is_archive(path) and path.is_file():
            path = stack.enter_context(unpacked(path))
        if (path / schema.INFO_NAME).is_file():
            yield _records(path, step, split)
        elif path.is_dir() and any(path.glob("*/scores/*/mung")):
            yield list(_msmd(path, step))
        elif path.is_dir():
            yield list(_folder(path, step, warn))
        else:
            yield [_file(path, step)]


def cut_pages(
    name: str,
    pages: Sequence[np.ndarray],
    boxes: Sequence[Sequence[Box]],
    step: int,
    numbers: Sequence[int] | None = None,
    bars: Sequence[Sequence[Bars]] | None = None,
    notes: Sequence[str] = (),
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

    Raises:
        UserError: There is no system on any page, or there are too many.
    """
    numbers = range(1, len(pages) + 1) if numbers is None else numbers
    cuts, rows = [], []
    bars = bars or find_bars(pages, boxes)
    for index, (number, page, systems) in enumerate(zip(numbers, pages, boxes, strict=True)):
        images, found = cut_snippets(page, systems, step, number)
        cuts.append(images)
        for place in found:
            bar = bar_at(bars[index][place.system - 1], place.x)
            if number != index + 1:  # a page before is missing, and with it the count
                bar = None
            rows.append(dataclasses.replace(place, bar=bar).row())
        if len(rows) > MAX_SNIPPETS:
            raise UserError(f"{name}: more than {MAX_SNIPPETS:,} snippets; divide it into parts")
    if not rows:
        raise UserError(f"{name}: no system on any page")
    by_number = dict(zip(numbers, pages, strict=True))
    bare = [number for number, systems in zip(numbers, boxes, strict=True) if not systems]
    notes = [*notes, *(f"page {number}: no system on it" for number in bare)]
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


def cut_page(name: str, page: np.ndarray, step: int) -> SheetDocument:
    """Cuts snippets out of one page uint8 [rows, columns], whose systems are found in the picture.

    Raises:
        UserError: There is no system on it.
    """
    image, boxes = _find_boxes(page)
    return cut_pages(name, [image], [boxes], step)


def read_pages(name: str, paths: Sequence[Path], step: int) -> SheetDocument:
    """Reads PDF files or images as one score; its systems are found in the pictures.

    Pages are made straight and even, and scaled so that their staves are as large as those that
    the model was trained with; a page without staves is made 835 pixels wide. A page that cannot be
    read is left out, and a note says why; the others keep their numbers.

    Args:
        name: Name of the score.
        paths: Paths of the files, in reading order.
        step: Distance of neighbouring snippets in pixels of these pages.

    Raises:
        UserError: No page can be read, or there is no system on any page.
    """
    each = (partial(_find_boxes, page) for path in paths for page in _pages(path))
    return _cut_usable(name, each, step)


def _pages(path: Path) -> Iterator[pages.MaybePage]:
    """Reads the pages of a file; one that cannot be read counts as a page that cannot."""
    try:
        yield from pages.read(path)
    except UserError as error:
        yield error


_PageWithBoxes = tuple[np.ndarray, Sequence[Box]]
"""A page and the boxes of its systems."""


def _find_boxes(page: pages.MaybePage) -> _PageWithBoxes:
    if isinstance(page, UserError):
        raise page
    normal = normalise(page)
    return normal.image, normal.systems


def _cut_usable(
    name: str, each: Iterable[Callable[[], _PageWithBoxes]], step: int
) -> SheetDocument:
    """Cuts the pages that can be read, and notes the others; if none can, the first is named."""
    numbers, images, boxes, problems, notes = [], [], [], [], []
    for number, read in enumerate(each, 1):
        try:
            image, systems = read()
        except Exception as error:  # one bad page must not end the others
            reason = why_left_out(error)
            named = isinstance(error, UserError)
            problems.append(reason if named else f"{name}: page {number}: {reason}")
            notes.append(f"page {number}: left out ({reason})")
            continue
        numbers.append(number)
        images.append(image)
        boxes.append(systems)
    if not images:
        raise UserError(problems[0] if problems else f"{name}: holds no page")
    return cut_pages(name, images, boxes, step, numbers, notes=notes)


def _msmd(directory: Path, step: int) -> Iterator[ScoreReader]:
    for piece in msmd.list_pieces(directory):
        path = directory / piece
        read = partial(_read_piece, printable(piece), path, step)
        yield ScoreReader(printable(piece), read, msmd.score_files(path))


def _read_piece(name: str, path: Path, step: int) -> SheetDocument:
    score = msmd.read_score(path)
    each = (partial(_read_page, score, page) for page in score.pages)
    return _cut_usable(name, each, step)


def _read_page(score: msmd.Score, page: Page) -> _PageWithBoxes:
    boxes = [system.box for system in page.systems]
    return score.image(score.inks[0], page.number), boxes


def _file(path: Path, step: int) -> ScoreReader:
    kind = kind_of(path)
    if kind is None:
        raise UserError(f"{path}: is {NO_KIND}, nor an archive of them")
    return _reader(FoundScore(printable(path.stem), kind, (path,), path.parent), step)


def _folder(folder: Path, step: int, warn: bool) -> Iterator[ScoreReader]:
    listing = list_folder(folder)
    for line in listing.left_out_lines() if warn else ():
        logging.warning("left out: %s", line)
    for found in listing.scores:
        yield _reader(found, step)


def _reader(found: FoundScore, step: int) -> ScoreReader:
    """Returns the reader of a score that a folder holds: here kinds of files get theirs."""
    path = found.files[0]
    if found.kind in NOTATED:
        source = PieceSource(found.name, path, found.root)
        return ScoreReader(found.name, partial(_engrave, source, step), found.files)
    read = partial(read_pages, found.name, found.files, step)
    return ScoreReader(found.name, read, found.files)


def _engrave(source: PieceSource, step: int) -> SheetDocument:
    with engraved(source) as engraving:
        images = [drawing["bold"] for drawing in engraving.draw()]
    systems = [
        sorted(page.systems.items(), key=lambda item: item[1].top) for page in engraving.pages
    ]
    boxes = [[box for _, box in found] for found in systems]
    bars = [[engraving.bars[number] for number, _ in found] for found in systems]
    return cut_pages(source.piece, images, boxes, step, bars=bars, notes=engraving.notes)


def _records(directory: Path, step: int, split: str | None) -> Iterator[ScoreReader]:
    infos = schema.read_info(directory)
    seen = set()
    for name in [split] if split else [name for name in infos if infos[name].records]:
        shards = schema.shard_paths(directory, name)
        for stored in schema.read_stored(directory, name):
            record = stored.record
            if record.piece not in seen:
                seen.add(record.piece)
                read = partial(from_record, record, step)
                yield ScoreReader(record.piece, read, (shards[stored.shard],))


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
