"""Follows a recording through its score: at every moment page, system and place."""

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import FRAMES_PER_SECOND, SAMPLE_RATE, frame_count
from tempo_invariant.retrieval import identification, library
from tempo_invariant.retrieval.course import Costs, Strip, align
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.scores import documents
from tempo_invariant.scores.documents import SheetDocument

HOP_FRAMES = 2
STEP_PIXELS = 10
"""Distance of snippets in page pixels; similarities between them are interpolated."""

ONSET_DELAY_FRAMES = 0.5
"""An onset is heard first in the frame that begins after it (`geometry.onset_frame`), so a window
around a frame is, on average, about the music half a frame before."""


@dataclasses.dataclass(frozen=True)
class System:
    """A system: page and number on it, from 1; box (top, left, bottom, right) in page pixels."""

    page: int
    number: int
    box: tuple[int, int, int, int]

    @property
    def row(self) -> float:
        """Vertical centre in page pixels."""
        return (self.box[0] + self.box[2]) / 2


@dataclasses.dataclass(frozen=True)
class Following:
    """Where a recording is in its score.

    Attributes:
        duration_seconds: of the recording.
        systems: of the score, in reading order.
        strip: the systems joined left to right, in page pixels.
        seconds: float64 [moments], ascending.
        columns: float64 [moments], where on the strip.
        leaps: bool [moments], where the recording goes back or leaves something out.
        similarities: float32 [moments], of sound and snippet.
    """

    duration_seconds: float
    systems: tuple[System, ...]
    strip: Strip
    seconds: np.ndarray
    columns: np.ndarray
    leaps: np.ndarray
    similarities: np.ndarray

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Columns of the strip at other times; between two systems the earlier is held."""
        place = np.interp(seconds, self.seconds, np.arange(len(self.seconds)))
        before = place.astype(int)
        after = np.minimum(before + 1, len(self.seconds) - 1)
        systems = self.strip.system(self.columns)
        jumps = (systems[before] != systems[after]) | self.leaps[after]
        share = np.where(jumps, 0.0, place - before)
        return self.columns[before] * (1 - share) + self.columns[after] * share


def read_score(
    score: str | Path, document: str | None = None, step: int = STEP_PIXELS
) -> SheetDocument:
    """Reads one score.

    Args:
        score: the directory of a piece of MSMD, an index of scores that has kept its pages, or
            what `sheet_sources.find_scores` takes.
        document: name of the score, where there are several.
        step: distance of snippets in page pixels.

    Raises:
        UserError: there is no score, or there are several and none is named.
    """
    path = Path(score)
    if (path / library.INFO_NAME).is_file():
        return _from_index(path, document, step)
    if (path / "scores").is_dir():
        path, document = path.parent, path.name
    sources = documents.find_scores(path, step, documents=[document] if document else ())
    found = None
    for source in sources:
        if found is not None:
            raise UserError(f"--score={score}: holds several scores: name one with --document")
        found = source.read()
        if document:
            break
    assert found is not None  # find_scores raises if there is none
    return found


def _from_index(path: Path, document: str | None, step: int) -> SheetDocument:
    index = library.load(path, "sheets")
    if document is None and len(index.documents) > 1:
        raise UserError(f"--score={path}: holds several scores: name one with --document")
    name = index.documents[0] if document is None else document
    if name not in index.documents:
        raise UserError(f"--score={path}: holds no score {name!r}")
    number = index.documents.index(name)
    rows = index.places[index.rows(number)]
    pages, boxes = [], []
    for page in range(1, int(rows["page"].max()) + 1):
        file = index.page_path(number, page)
        if not file.is_file():
            raise UserError(f"{file}: no such page image; make the index anew, with its pages")
        with Image.open(file) as image:
            pages.append(np.asarray(image.convert("L")))
        on_page = np.unique(rows[rows["page"] == page][["system", "box"]])
        boxes.append([_box(row["box"]) for row in on_page])
    return documents.cut_pages(name, pages, boxes, step)


def _box(corners: Iterable[float]):
    from tempo_invariant.scores.places import Box

    return Box(*(float(side) for side in corners))


def lay_out(places: np.ndarray) -> tuple[tuple[System, ...], Strip]:
    """Joins the systems of a score.

    Args:
        places: `places.SHEET` [snippets], in reading order.

    Returns:
        The systems, and the strip with the snippets on it.
    """
    systems: list[System] = []
    starts, columns = [0.0], []
    for place in places:
        page, number = int(place["page"]), int(place["system"])
        if not systems or (systems[-1].page, systems[-1].number) != (page, number):
            top, left, bottom, right = (int(side) for side in place["box"])
            systems.append(System(page, number, (top, left, bottom, right)))
            starts.append(starts[-1] + max(1, right - left))
        columns.append(starts[-2] + float(place["x"]) - systems[-1].box[1])
    return tuple(systems), Strip(np.array(columns), np.array(starts))


def follow(
    embedder: Embedder,
    document: SheetDocument,
    blocks: Iterable[np.ndarray],
    hop_frames: int = HOP_FRAMES,
    name: str = "the recording",
    costs: Costs | None = None,
) -> Following:
    """Aligns a recording with its score.

    Args:
        embedder: the model.
        document: the score, cut up finely.
        blocks: float32 [samples] each, see `audio_stream.read_blocks`.
        hop_frames: distance of windows in spectrogram frames.
        name: of the recording, for messages.
        costs: see `following_path.Costs`.

    Raises:
        UserError: nothing can be heard in the recording.
    """
    sheet = embedder.embed_sheet(document.snippets)
    return follow_embedded(embedder, document, sheet, blocks, hop_frames, name, costs)


def follow_embedded(
    embedder: Embedder,
    document: SheetDocument,
    sheet: np.ndarray,
    blocks: Iterable[np.ndarray],
    hop_frames: int = HOP_FRAMES,
    name: str = "the recording",
    costs: Costs | None = None,
) -> Following:
    """`follow`, where the score's snippets are embedded already: float32 [snippets, size]."""
    heard = identification.hear(embedder, blocks, hop_frames, name, on_onsets=False)
    audio = evenly(heard, hop_frames)
    systems, strip = lay_out(document.places)
    course = align(audio, sheet, strip, hop_frames / FRAMES_PER_SECOND, costs)
    seconds = (np.arange(len(audio)) * hop_frames - ONSET_DELAY_FRAMES) / FRAMES_PER_SECOND
    return Following(
        heard.duration_seconds,
        systems,
        strip,
        np.maximum(seconds, 0.0),
        course.columns,
        course.leaps,
        course.similarities,
    )


def evenly(heard: identification.Heard, hop_frames: int) -> np.ndarray:
    """Embeddings of all windows, float32 [windows, size]; those of silence are 0."""
    frames = frame_count(round(heard.duration_seconds * SAMPLE_RATE))
    audio = np.zeros((-(-frames // hop_frames), heard.embedding.shape[1]), np.float32)
    audio[np.round(heard.seconds * FRAMES_PER_SECOND / hop_frames).astype(int)] = heard.embedding
    return audio


def place_fields(following: Following, seconds: np.ndarray) -> dict[str, list]:
    """Places at some times as lists of numbers that JSON can hold: page, system, x and y."""
    columns = following.at(seconds)
    numbers = following.strip.system(columns)
    systems = [following.systems[number] for number in numbers]
    lefts = np.array([system.box[1] for system in systems])
    x = columns - following.strip.starts[numbers] + lefts
    return {
        "seconds": [round(float(second), 3) for second in seconds],
        "page": [system.page for system in systems],
        "system": [system.number for system in systems],
        "x": [round(float(column), 1) for column in x],
        "y": [system.row for system in systems],
    }


def report(following: Following, document: SheetDocument, audio: str | Path) -> dict[str, Any]:
    """The alignment as JSON can hold it.

    Returns:
        "places": one row for every full second; "course": lists for every window, with the
        similarity of sound and page; "leaps": the times of leaps; "pages" and "systems" of the
        score. All in pixels of the pages that the player shows: those of scans and PDF files
        have been made straight and brought to the size that the model knows.
    """
    whole = place_fields(following, np.arange(int(following.duration_seconds) + 1))
    rows = zip(*whole.values(), strict=True)
    course = place_fields(following, following.seconds)
    return {
        "score": document.name,
        "audio": str(audio),
        "duration_seconds": round(following.duration_seconds, 3),
        "pages": [
            {"page": number, "width": int(image.shape[1]), "height": int(image.shape[0])}
            for number, image in document.pages.items()
        ],
        "systems": [
            {"page": system.page, "system": system.number, "box": list(system.box)}
            for system in following.systems
        ],
        "leaps": [round(float(second), 3) for second in following.seconds[following.leaps]],
        "places": [dict(zip(whole, row, strict=True)) for row in rows],
        "course": course
        | {"similarity": [round(float(value), 3) for value in following.similarities]},
    }
