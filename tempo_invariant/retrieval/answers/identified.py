"""Writes answer.html and answer.json: which score a recording plays, or which recording a page."""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.audio.recordings import Recording, open_recording
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write, write_json
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import index_files, library
from tempo_invariant.retrieval.answers import page, text
from tempo_invariant.retrieval.answers.sound import sound_url
from tempo_invariant.retrieval.answers.visits import (
    Visit,
    find_visits,
    played_visits,
)
from tempo_invariant.retrieval.catalogue import MENDED, Document
from tempo_invariant.retrieval.identification import IdentifiedRecording, IdentifiedScore
from tempo_invariant.retrieval.index_update import content_of
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Candidate
from tempo_invariant.scores.places import Place
from tempo_invariant.wording import counted

MAX_PAGES = 40
"""Pages of the score that are shown, those with the most time on them first."""


def write_score(
    answer: IdentifiedScore, index: SnippetIndex, recording: Recording, output: str | Path
) -> Path:
    """Writes the answer to a recording.

    Args:
        answer: Answer.
        index: Index of scores that was asked, which holds the pages.
        recording: Recording.
        output: Directory for answer.html and answer.json.

    Returns:
        Path of the page.

    Raises:
        UserError: The recording cannot be read.
    """
    path = Path(output) / "answer.html"
    known = answer.verdict != "unknown"
    pages = _read_pages(answer, index) if known else {}
    sound = sound_url(recording, path) if known else ""
    content = render_score(answer, pages, recording, sound)
    write_json(path.with_suffix(".json"), answer.to_dict())
    return _write(path, content)


def write_recording(answer: IdentifiedRecording, index: SnippetIndex, output: str | Path) -> Path:
    """Writes the answer to a page; it plays the recording, if that is where it was indexed.

    Args:
        answer: Answer.
        index: Index of recordings that was asked.
        output: Directory for answer.html and answer.json.

    Returns:
        Path of the page.
    """
    path = Path(output) / "answer.html"
    playing = None
    if answer.verdict != "unknown":
        entry = index.entries[answer.candidates[0].document]
        try:
            playing = _play(entry, answer.course, path)
        except UserError as error:
            logging.warning("the page plays no sound: %s", error)
    write_json(path.with_suffix(".json"), answer.to_dict())
    return _write(path, render_recording(answer, playing))


def _play(entry: Document, course: np.ndarray, path: Path) -> page.Playing | None:
    """Returns what the player of a page needs; None: the index does not know the file."""
    if not entry.file:
        return None
    recording = open_recording(entry.file)
    is_newer = index_files.utc(os.path.getmtime(entry.file)) > entry.added
    if is_newer and content_of([Path(entry.file)], entry.settings) != entry.content:
        raise UserError(f"{entry.file}: has changed since it was indexed")
    seconds = sum(map(len, recording.blocks())) / SAMPLE_RATE
    start = course["seconds"][course["page"] > 0][0]
    return page.Playing(sound_url(recording, path), seconds, course, float(start))


def _write(path: Path, content: str) -> Path:
    with atomic_write(path) as temporary:
        temporary.write_text(content, encoding="utf-8")
    return path


def _read_pages(answer: IdentifiedScore, index: SnippetIndex) -> dict[int, np.ndarray]:
    """Reads the pages that a recording comes to, as far as the index has kept them.

    One that is missing or damaged is left out, and a warning names it.
    """
    seconds: dict[int, int] = {}
    for place in answer.places:
        seconds[place.page] = seconds.get(place.page, 0) + 1
    pages = {}
    for number in sorted(sorted(seconds, key=lambda number: -seconds[number])[:MAX_PAGES]):
        document = answer.candidates[0].document
        if index.keeps_page(document, number):
            try:
                pages[number] = library.read_page(index.page_path(document, number))
            except UserError as error:
                logging.warning("page %d is not shown: %s; %s", number, error, MENDED)
    return pages


def render_score(
    answer: IdentifiedScore, pages: dict[int, np.ndarray], recording: Recording, sound: str
) -> str:
    """Returns the page that answers a recording; without a score, where it plays none of them.

    Args:
        answer: Answer.
        pages: Page images uint8 [rows, columns] of the score, by number.
        recording: Recording.
        sound: URL of the recording, see `sound.sound_url`.
    """
    query = f"{Path(answer.query).name} ({text.duration(answer.duration_seconds)})"
    headline, introduction = _headline(answer, "score"), _introduction(answer, query, "score")
    if answer.verdict == "unknown":
        details = _score_details(answer, recording, [])
        return page.document(headline, introduction, page.NO_SCORE, details=details, loud=True)
    visits = find_visits(answer.places)
    boxes = {(place.page, place.system): place.box for place in _places(answer.matching.places)}
    return page.document(
        headline,
        introduction,
        page.ShownScore(pages, boxes, visits),
        page.Playing(sound, answer.duration_seconds, answer.course),
        _score_details(answer, recording, visits),
    )


def _headline(answer: IdentifiedScore | IdentifiedRecording, kind: str) -> str:
    if answer.verdict == "unknown":
        return text.absence(answer.documents, kind).capitalize()
    return answer.candidates[0].name + "?" * (answer.verdict == "unsure")


def _introduction(
    answer: IdentifiedScore | IdentifiedRecording, query: str, kind: str
) -> list[str]:
    best, *others = answer.candidates[:4]
    query += f" among {counted(answer.documents, kind)}"
    verdict = text.verdict_text(answer.matching.judgement, answer.documents, kind)
    lines = [f"{query}: {verdict} ({text.score_text(best)})."]
    if answer.verdict == "unknown":
        lines = [f"{query}. Nearest: {best.name} ({text.score_text(best)})."]
    if best.also:
        lines.append(f"The same music: {', '.join(best.also)}.")
    if others:
        names = (f"{other.name} ({text.score_text(other)})" for other in others)
        lines.append(f"Then {', '.join(names)}.")
    return lines


def _score_details(answer: IdentifiedScore, recording: Recording, visits: Sequence[Visit]) -> str:
    from tempo_invariant.retrieval.answers import pictures

    heard, best = answer.heard, answer.candidates[0]
    spectrogram = pictures.whole_spectrogram(recording.blocks())
    attention = pictures.attention_by_frame(heard.seconds, heard.attention, spectrogram.shape[1])
    sound = pictures.sound_figure(
        pictures.shorten(spectrogram), pictures.shorten(attention), heard.duration_seconds
    )
    matrix = pictures.matrix_figure(
        answer.matching, "seconds in the recording", "snippet of the score"
    )
    return "".join(
        [
            page.section("Ranking", _ranking_table(answer.candidates)),
            page.stretches(visits) if visits else "",
            page.section(
                "Alignment",
                page.figure(
                    pictures.figure_png(matrix),
                    f"Similarity of the recording with {best.name}, and the path through it",
                ),
            ),
            page.section(
                "Sound",
                page.figure(
                    pictures.figure_png(sound),
                    "Spectrogram, and how much was attended to each moment",
                ),
            ),
        ]
    )


def render_recording(answer: IdentifiedRecording, playing: page.Playing | None = None) -> str:
    """Returns the page that answers a page of a score.

    Args:
        answer: Answer.
        playing: What the player needs; without it the page has none.
    """
    from tempo_invariant.retrieval.answers import pictures

    best = answer.candidates[0]
    boxes = {(place.page, place.system): place.box for place in _places(answer.document.places)}
    matrix = pictures.matrix_figure(
        answer.matching, "snippet of the page", "seconds in the recording"
    )
    visits = [] if answer.verdict == "unknown" else played_visits(answer)
    details = [
        page.section("Ranking", _ranking_table(answer.candidates)),
        page.stretches(visits) if visits else "",
        page.section(
            "Alignment",
            page.figure(
                pictures.figure_png(matrix),
                f"Similarity of the page with {best.name}, and the path through it",
            ),
        ),
    ]
    return page.document(
        _headline(answer, "recording"),
        _introduction(answer, Path(answer.query).name, "recording"),
        page.ShownScore(answer.document.pages, boxes, visits),
        playing,
        details="".join(details),
        loud=answer.verdict == "unknown",
    )


def _places(rows: np.ndarray) -> Sequence[Place]:
    """Returns the places of an index's or a document's rows."""
    return [Place.from_row(row) for row in rows]


def _ranking_table(candidates: Sequence[Candidate]) -> str:
    rows = [
        [f"{one.rank}", text.score_text(one, 3), f"{one.votes:.0f}", one.name] for one in candidates
    ]
    return page.table(["#", "score", "votes", "name"], rows)
