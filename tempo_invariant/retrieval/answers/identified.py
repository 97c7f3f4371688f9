"""Questions to an index, answered as text, JSON and an HTML page."""

import dataclasses
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tempo_invariant.audio import reading, windows
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.retrieval import identification
from tempo_invariant.retrieval.answers import html
from tempo_invariant.retrieval.answers.visits import Visit, find_visits
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import Answer, Heard, LiveAnswer
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Candidate, Ranker
from tempo_invariant.scores import documents

_NAME_WIDTH = 60


@dataclasses.dataclass(frozen=True)
class Question:
    """How to answer.

    Attributes:
        ranking: "sequence" or "votes".
        top: how many documents to name.
        hop_frames: distance of windows in spectrogram frames.
        gain_db: by how much recordings are amplified.
        half_life_seconds: of the past, for live answers; 0 forgets nothing.
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
    question: Question,
    output: str | Path | None = None,
) -> str:
    """Names the score that a recording plays, and where it is in it.

    Args:
        index: of scores, made with the same model.
        embedder: the model.
        path: an audio file.
        question: how to answer.
        output: directory for answer.html and answer.json, if wanted.

    Returns:
        The ranking and the places as text.

    Raises:
        UserError: the recording cannot be read, or is silent.
    """
    heard, answer, timing = _hear_and_rank(index, embedder, path, question)
    places = identification.place_by_second(answer, heard.duration_seconds)
    title = f"{path}, {html.duration(heard.duration_seconds)}"
    lines = [f"{title}, among {len(index.documents):,d} scores; {timing}"]
    lines.append(ranking_text(answer.candidates))
    visits = find_visits(places)
    for visit in visits:
        where = f"page {visit.page}, system {visit.system}"
        lines.append(f"{visit.label}  {where}, x {visit.columns[0]:.0f}–{visit.columns[-1]:.0f}")
    if output:
        report = identification.report(answer, path, index) | {
            "seconds": round(heard.duration_seconds, 3),
            "place": [
                {"seconds": second} | identification.place_fields(place) for second, place in places
            ],
        }
        content = _recording_page(index, answer, heard, Path(path), visits, question)
        lines.append(f"{html.write(output, content, report)}")
    return "\n".join(lines)


def _hear_and_rank(
    index: SnippetIndex, embedder: Embedder, path: str | Path, question: Question
) -> tuple[Heard, Answer, str]:
    """Returns what was heard, the answer, and how long both took, in words."""
    started = time.perf_counter()
    blocks = reading.read_blocks(path, question.gain_db)
    heard = identification.hear(embedder, blocks, question.hop_frames, str(path))
    embedded = time.perf_counter()
    limits = identification.recording_limits(question.hop_frames, index.step_pixels)
    answer = identification.rank(
        index, heard.embedding, heard.seconds, question.ranking, limits, question.top
    )
    ranked = time.perf_counter()
    timing = f"embedded in {embedded - started:.1f} s, ranked in {ranked - embedded:.1f} s"
    return heard, answer, timing


def _recording_page(
    index: SnippetIndex,
    answer: Answer,
    heard: Heard,
    path: Path,
    visits: Sequence[Visit],
    question: Question,
) -> str:
    from tempo_invariant.retrieval.answers import pictures

    best = answer.candidates[0]
    blocks = reading.read_blocks(path, question.gain_db)
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
        f"{len(index.documents):,d} scores, ranked by {question.ranking}."
    )
    return html.document(best.name, introduction, sections)


def answer_sheet(
    index: SnippetIndex,
    embedder: Embedder,
    path: str | Path,
    question: Question,
    output: str | Path | None = None,
) -> str:
    """Names the recordings that play a page.

    Args:
        index: of recordings, made with the same model.
        embedder: the model.
        path: a page image or a PDF file.
        question: how to answer.
        output: directory for answer.html and answer.json, if wanted.

    Returns:
        The ranking, and when each system is played, as text.

    Raises:
        UserError: the page cannot be read, or has no systems.
    """
    document = documents.read_pages(Path(path).stem, [Path(path)], index.step_pixels)
    limits = identification.page_limits(index.hop_frames, index.step_pixels)
    answer = identification.identify_sheet(
        index, embedder, document, question.ranking, limits, question.top
    )
    seconds = answer.places["seconds"][answer.path.positions]
    systems = [(int(row["page"]), int(row["system"])) for row in document.places]
    played = []
    for page, system in dict.fromkeys(systems):
        own = seconds[[place == (page, system) for place in systems]]
        played.append(
            {"page": page, "system": system, "first": float(own.min()), "last": float(own.max())}
        )
    lines = [f"{path}: {len(index.documents)} recordings", ranking_text(answer.candidates)]
    lines += [
        f"page {row['page']}, system {row['system']}  {row['first']:.1f}–{row['last']:.1f} s"
        for row in played
    ]
    if output:
        report = identification.report(answer, path, index) | {"played": played}
        content = _sheet_page(answer, document, played, len(index.documents), question)
        lines.append(f"{html.write(output, content, report)}")
    return "\n".join(lines)


def _sheet_page(
    answer: Answer, document, played: Sequence[dict], count: int, question: Question
) -> str:
    from tempo_invariant.retrieval.answers import pictures

    best = answer.candidates[0]
    figures = []
    for number, image in document.pages.items():
        visits = []
        for row in played:
            if row["page"] == number:
                here = (document.places["page"] == number) & (
                    document.places["system"] == row["system"]
                )
                box = tuple(int(side) for side in document.places["box"][here][0])
                visits.append(
                    Visit(number, row["system"], box, int(row["first"]), int(row["last"]), ())
                )
        png = pictures.image_png(pictures.draw_page(image, visits))
        figures.append(html.figure(png, f"Page {number}: when its systems are played"))
    matrix = pictures.matrix_figure(answer, "snippet of the page", "seconds in the recording")
    caption = f"Similarity of the page with {best.name}, and the path through it"
    sections = [
        ("Ranking", html.ranking_table(answer.candidates)),
        ("The page", "".join(figures)),
        ("Alignment", html.figure(pictures.figure_png(matrix), caption)),
    ]
    introduction = f"{document.name} among {count:,d} recordings, ranked by {question.ranking}."
    return html.document(best.name, introduction, sections)


def answer_live(
    index: SnippetIndex,
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    question: Question,
) -> Iterator[str]:
    """Yields a line after every second of what is heard, and one at its end.

    Args:
        index: of scores, made with the same model.
        embedder: the model.
        blocks: float32 [samples], see `audio_stream.pcm_blocks`.
        question: how to answer.
    """
    memory = identification.step_memory(question.half_life_seconds, question.hop_frames)
    limits = identification.recording_limits(question.hop_frames, index.step_pixels)

    def make_ranker() -> Ranker:
        history = identification.LIVE_HISTORY
        return Ranker(index, question.ranking, limits, memory, history)

    for answer in identification.listen(
        index, embedder, blocks, question.hop_frames, make_ranker, question.top
    ):
        yield live_text(answer, embedder.frames)


def live_text(answer: LiveAnswer, frames: int) -> str:
    """A line: how much was heard, the best score, its page, system and x, and the others."""
    time = f"{answer.seconds:7.1f} s"
    if not answer.candidates:
        return f"{time}  (nothing heard yet)"
    best, *others = answer.candidates
    text = f"{time}  {_shorten(best.name)} {_number(best)}"
    if answer.place is not None:
        place = identification.place_fields(answer.place)
        delay = frames / 2 / FRAMES_PER_SECOND
        text += f"  page {place['page']}, system {place['system']}, x {place['x']:.0f}"
        text += f" ({delay:.1f} s ago)"
    if others:
        text += "  then " + ", ".join(_shorten(other.name) for other in others[:2])
    return text


def ranking_text(candidates: Sequence[Candidate]) -> str:
    """The ranking as a table: rank, score, votes, name."""
    lines = [f"{'#':>3}  {'score':>6}  {'votes':>6}  name"]
    lines += [
        f"{number:3d}  {_number(candidate):>6}  {candidate.votes:6.0f}  {candidate.name}"
        for number, candidate in enumerate(candidates, 1)
    ]
    return "\n".join(lines)


def _number(candidate: Candidate) -> str:
    return "-" if candidate.score is None else f"{candidate.score:.3f}"


def _shorten(name: str) -> str:
    return name if len(name) <= _NAME_WIDTH else name[: _NAME_WIDTH - 1] + "…"
