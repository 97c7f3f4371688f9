"""Answers to what is asked of an index, as text, as JSON and as an HTML page."""

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant.audio import reading, windows
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.retrieval import identification
from tempo_invariant.retrieval.answers import html
from tempo_invariant.retrieval.answers.visits import Visit, find_visits
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import Heard, Identification, LiveAnswer
from tempo_invariant.retrieval.library import SnippetIndex, shorten_name
from tempo_invariant.retrieval.ranking import Candidate, Ranker
from tempo_invariant.scores import documents
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.places import Place

_NAME_WIDTH = 60


@dataclasses.dataclass(frozen=True)
class IdentificationSettings:
    """Settings of an answer.

    Attributes:
        ranking: Kind of ranking, "sequence" or "votes".
        top: Number of documents to name.
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        gain_db: Amplification of recordings in decibels.
        half_life_seconds: Half-life of the past for live answers; 0 forgets nothing.
    """

    ranking: str = "sequence"
    top: int = 5
    hop_frames: int = windows.HOP_FRAMES
    gain_db: float = 0.0
    half_life_seconds: float = 0.0


def answer_recording(
    index: SnippetIndex,
    embedder: Embedder,
    path: str | Path,
    settings: IdentificationSettings,
    output: str | Path | None = None,
) -> str:
    """Names the score that a recording plays, and where it is in it.

    Args:
        index: Index of scores, made with the same model.
        embedder: Model that embeds the recording.
        path: Path of an audio file.
        settings: Settings of the answer.
        output: Directory for answer.html and answer.json, if they are wanted.

    Returns:
        The ranking and the places as text.

    Raises:
        UserError: The recording cannot be read, or is silent.
    """
    heard, answer, timing = _hear_and_rank(index, embedder, path, settings)
    places = identification.place_by_second(answer, heard.duration_seconds)
    title = f"{path}, {html.duration(heard.duration_seconds)}"
    lines = [f"{title}, among {len(index.documents):,d} scores; {timing}"]
    visits = find_visits(places)
    lines += [ranking_text(answer.candidates), *(visit.line for visit in visits)]
    if output:
        report = identification.report(answer, path, index) | {
            "seconds": round(heard.duration_seconds, 3),
            "place": [
                {"seconds": second} | identification.place_fields(place) for second, place in places
            ],
        }
        content = _recording_page(index, answer, heard, Path(path), visits, settings)
        lines.append(f"{html.write(output, content, report)}")
    return "\n".join(lines)


def _hear_and_rank(
    index: SnippetIndex, embedder: Embedder, path: str | Path, settings: IdentificationSettings
) -> tuple[Heard, Identification, str]:
    """Returns what was heard, the answer, and how long both took, in words."""
    started = time.perf_counter()
    blocks = reading.read_blocks(path, settings.gain_db)
    heard = identification.hear(embedder, blocks, settings.hop_frames, str(path))
    embedded = time.perf_counter()
    limits = identification.recording_limits(settings.hop_frames, index.step_pixels)
    answer = identification.rank(
        index, heard.embedding, heard.seconds, settings.ranking, limits, settings.top
    )
    ranked = time.perf_counter()
    timing = f"embedded in {embedded - started:.1f} s, ranked in {ranked - embedded:.1f} s"
    return heard, answer, timing


def _recording_page(
    index: SnippetIndex,
    answer: Identification,
    heard: Heard,
    path: Path,
    visits: Sequence[Visit],
    settings: IdentificationSettings,
) -> str:
    from tempo_invariant.retrieval.answers import pictures

    best = answer.candidates[0]
    blocks = reading.read_blocks(path, settings.gain_db)
    spectrogram = pictures.whole_spectrogram(blocks)
    attention = pictures.attention_by_frame(heard.seconds, heard.attention, spectrogram.shape[1])
    sound = pictures.sound_figure(
        pictures.shorten(spectrogram), pictures.shorten(attention), heard.duration_seconds
    )
    matrix = pictures.matrix_figure(answer, "seconds in the recording", "snippet of the score")
    pages = {visit.page: index.page_path(best.document, visit.page) for visit in visits}
    caption = f"Similarity of the recording with {best.name}, and the path through it"
    sections = [
        ("Ranking", html.ranking_table(answer.candidates)),
        (
            "In the score",
            "".join([*html.page_figures(visits, pages), html.visit_table(visits)]),
        ),
        ("Alignment", html.figure(pictures.figure_png(matrix), caption)),
        (
            "Sound",
            html.figure(
                pictures.figure_png(sound), "Spectrogram, and how much was attended to each moment"
            ),
        ),
    ]
    introduction = (
        f"{path.name} ({html.duration(heard.duration_seconds)}) among "
        f"{len(index.documents):,d} scores, ranked by {settings.ranking}."
    )
    return html.document(best.name, introduction, sections)


def answer_sheet(
    index: SnippetIndex,
    embedder: Embedder,
    path: str | Path,
    settings: IdentificationSettings,
    output: str | Path | None = None,
) -> str:
    """Names the recordings that play a page.

    Args:
        index: Index of recordings, made with the same model.
        embedder: Model that embeds the page.
        path: Path of a page image or a PDF file.
        settings: Settings of the answer.
        output: Directory for answer.html and answer.json, if they are wanted.

    Returns:
        The ranking, and when each system is played, as text.

    Raises:
        UserError: The page cannot be read, or has no systems.
    """
    document = documents.read_pages(Path(path).stem, [Path(path)], index.step_pixels)
    limits = identification.page_limits(index.hop_frames, index.step_pixels)
    answer = identification.identify_sheet(
        index, embedder, document, settings.ranking, limits, settings.top
    )
    played = _played_systems(answer)
    lines = [f"{path}: {len(index.documents)} recordings", ranking_text(answer.candidates)]
    lines += [
        f"page {row['page']}, system {row['system']}  {row['first']:.1f}–{row['last']:.1f} s"
        for row in played
    ]
    if output:
        report = identification.report(answer, path, index) | {"played": played}
        content = _sheet_page(answer, document, played, len(index.documents), settings)
        lines.append(f"{html.write(output, content, report)}")
    return "\n".join(lines)


def _played_systems(answer: Identification) -> list[dict[str, Any]]:
    """Returns for every system of the pages the first and the last second at which it is played."""
    seconds = answer.places["seconds"][answer.path.positions]
    systems = [(place.page, place.system) for place in map(Place.from_row, answer.steps)]
    played = []
    for page, system in dict.fromkeys(systems):
        own = seconds[[place == (page, system) for place in systems]]
        played.append(
            {"page": page, "system": system, "first": float(own.min()), "last": float(own.max())}
        )
    return played


def _sheet_page(
    answer: Identification,
    document: SheetDocument,
    played: Sequence[dict[str, Any]],
    count: int,
    settings: IdentificationSettings,
) -> str:
    from tempo_invariant.retrieval.answers import pictures

    best = answer.candidates[0]
    places = map(Place.from_row, document.places)
    boxes = {(place.page, place.system): place.box for place in places}
    figures = []
    for number, image in document.pages.items():
        visits = []
        for row in played:
            if row["page"] == number:
                where = (number, row["system"])
                span = (int(row["first"]), int(row["last"]))
                visits.append(Visit(*where, boxes[where], *span, columns=()))
        png = pictures.image_png(pictures.draw_page(image, visits))
        figures.append(html.figure(png, f"Page {number}: when its systems are played"))
    matrix = pictures.matrix_figure(answer, "snippet of the page", "seconds in the recording")
    caption = f"Similarity of the page with {best.name}, and the path through it"
    sections = [
        ("Ranking", html.ranking_table(answer.candidates)),
        ("The page", "".join(figures)),
        ("Alignment", html.figure(pictures.figure_png(matrix), caption)),
    ]
    introduction = f"{document.name} among {count:,d} recordings, ranked by {settings.ranking}."
    return html.document(best.name, introduction, sections)


def answer_live(
    index: SnippetIndex,
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    settings: IdentificationSettings,
) -> Iterator[str]:
    """Yields a line after every second of what is heard, and one at its end.

    Args:
        index: Index of scores, made with the same model.
        embedder: Model that embeds the sound.
        blocks: Blocks of sound, float32 [samples], see `audio.reading.pcm_blocks`.
        settings: Settings of the answer.
    """
    memory = identification.step_memory(settings.half_life_seconds, settings.hop_frames)
    limits = identification.recording_limits(settings.hop_frames, index.step_pixels)

    def make_ranker() -> Ranker:
        history = identification.LIVE_HISTORY
        return Ranker(index, settings.ranking, limits, memory, history)

    for answer in identification.listen(
        index, embedder, blocks, settings.hop_frames, make_ranker, settings.top
    ):
        yield live_text(answer, embedder.frames)


def live_text(answer: LiveAnswer, frames: int) -> str:
    """Returns a line: the time heard, the best score, its page, system and x, and the others."""
    time = f"{answer.seconds:7.1f} s"
    if not answer.candidates:
        return f"{time}  (nothing heard yet)"
    best, *others = answer.candidates
    text = f"{time}  {shorten_name(best.name, _NAME_WIDTH)} {_number(best)}"
    if answer.place is not None:
        place, delay = answer.place, frames / 2 / FRAMES_PER_SECOND
        text += f"  page {place.page}, system {place.system}, x {place.x:.0f} ({delay:.1f} s ago)"
    if others:
        text += "  then " + ", ".join(shorten_name(other.name, _NAME_WIDTH) for other in others[:2])
    return text


def ranking_text(candidates: Sequence[Candidate]) -> str:
    """Returns the ranking as a table: rank, score, votes, name."""
    lines = [f"{'#':>3}  {'score':>6}  {'votes':>6}  name"]
    lines += [
        f"{number:3d}  {_number(candidate):>6}  {candidate.votes:6.0f}  {candidate.name}"
        for number, candidate in enumerate(candidates, 1)
    ]
    return "\n".join(lines)


def _number(candidate: Candidate) -> str:
    return "-" if candidate.score is None else f"{candidate.score:.3f}"
