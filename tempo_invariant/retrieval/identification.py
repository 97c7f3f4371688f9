"""Which score is being played and where it is; which recording plays a page."""

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant.audio.windows import SILENCE, WindowCutter, Windows, cut_windows
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import FRAMES_PER_SECOND, SAMPLE_RATE
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Candidate, Ranker
from tempo_invariant.retrieval.sequence import PathLimits, ScorePath, best_path
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.places import Place

LIVE_HISTORY = 240
"""Embeddings that are kept while listening: two minutes."""

SLOWEST_PIXELS_PER_SECOND = 25
FASTEST_PIXELS_PER_SECOND = 300
"""Bounds of the speed at which a score is read; 76 is the mean of MSMD's test pieces as notated."""

LEAP_SECONDS = 1.5
"""A leap in the score costs as much similarity as so many seconds could bring at most."""


@dataclasses.dataclass(frozen=True)
class Heard:
    """A recording as the model hears it; silent windows are left out.

    Attributes:
        seconds: Middles of the windows, float64 [windows].
        embedding: Embeddings of the windows, float32 [windows, size].
        attention: Attention to the frames of each window, float32 [windows, frames].
        duration_seconds: Duration of the recording.
    """

    seconds: np.ndarray
    embedding: np.ndarray
    attention: np.ndarray
    duration_seconds: float


@dataclasses.dataclass(frozen=True)
class Identification:
    """What a query found.

    Attributes:
        candidates: Ranking of the documents, best first.
        similarities: Similarities of the query with the best document, float32 [steps, positions].
        path: Path through the similarities.
        steps: Places of the query's steps: seconds of a recording, or `places.SHEET` rows.
        places: Places of the best document's positions, [positions].
    """

    candidates: list[Candidate]
    similarities: np.ndarray
    path: ScorePath
    steps: np.ndarray
    places: np.ndarray


@dataclasses.dataclass(frozen=True)
class LiveAnswer:
    """The answer so far.

    Attributes:
        seconds: How much was heard.
        candidates: Ranking of the scores, best first; empty as long as there was only silence.
        place: Place in the best score, half a window ago.
    """

    seconds: float
    candidates: list[Candidate]
    place: Place | None


def recording_limits(hop_frames: int, step_pixels: int) -> PathLimits:
    """Returns what the path of a recording through a score may do.

    Args:
        hop_frames: Distance of the recording's windows in spectrogram frames.
        step_pixels: Distance of the score's snippets in page pixels.
    """
    hop_seconds = hop_frames / FRAMES_PER_SECOND
    return PathLimits(
        slowest=math.ceil(step_pixels / SLOWEST_PIXELS_PER_SECOND / hop_seconds),
        fastest=math.ceil(FASTEST_PIXELS_PER_SECOND * hop_seconds / step_pixels),
        leap_cost=LEAP_SECONDS / hop_seconds,
    )


def page_limits(hop_frames: int, step_pixels: int) -> PathLimits:
    """Returns what the path of a score through a recording may do: the same from its side."""
    limits = recording_limits(hop_frames, step_pixels)
    return dataclasses.replace(limits, slowest=limits.fastest, fastest=limits.slowest)


def embed_windows(embedder: Embedder, windows: Windows) -> tuple[np.ndarray, ...]:
    """Embeds the windows that are not silent.

    Returns:
        Their frames int64, embeddings float32 and attention float32, each [windows, ...].
    """
    audible = ~windows.silent
    outputs = embedder.embed_audio(windows.pcm[audible])
    return windows.frames[audible], outputs.embedding, outputs.attention


def hear(
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    hop_frames: int,
    name: str = "the recording",
    on_onsets: bool = True,
) -> Heard:
    """Embeds a recording, some seconds at a time.

    Args:
        embedder: Model that embeds the windows.
        blocks: Blocks of the recording, float32 [samples] each, see `audio.reading.read_blocks`.
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        name: Name of the recording, for messages.
        on_onsets: Whether windows go to the nearest onsets; see `audio.windows.WindowCutter`.

    Raises:
        UserError: Nothing can be heard in it.
    """
    parts, samples = [], 0

    def counted() -> Iterator[np.ndarray]:
        nonlocal samples
        for block in blocks:
            samples += len(block)
            yield block

    for windows in cut_windows(counted(), embedder.frames, hop_frames, on_onsets):
        parts.append(embed_windows(embedder, windows))
    frames, embedding, attention = (np.concatenate(part) for part in zip(*parts, strict=True))
    if not len(frames):
        raise UserError(f"{name}: is silent (no sample above {SILENCE:g})")
    return Heard(frames / FRAMES_PER_SECOND, embedding, attention, samples / SAMPLE_RATE)


def rank(
    index: SnippetIndex,
    embeddings: np.ndarray,
    steps: np.ndarray,
    ranking: str = "sequence",
    limits: PathLimits | None = None,
    top: int | None = 5,
) -> Identification:
    """Ranks the documents of an index and follows the query through the best one.

    Args:
        index: Index of scores for a recording, of recordings for a page.
        embeddings: Embeddings of the query, float32 [steps, size], at least one.
        steps: Places that they come from, [steps].
        ranking: Kind of ranking, "sequence" or "votes".
        limits: Limits of the path.
        top: Number of documents to rank; None ranks all.
    """
    ranker = Ranker(index, ranking, limits)
    ranker.update(embeddings)
    candidates = ranker.candidates(top)
    rows = index.rows(candidates[0].document)
    similarities = embeddings @ index.vectors[rows].T
    path = best_path(similarities, limits)
    return Identification(candidates, similarities, path, steps, index.places[rows])


def place_by_second(answer: Identification, duration_seconds: float) -> list[tuple[int, Place]]:
    """Tells where in the score the recording is at every full second.

    Args:
        answer: Identification of a recording.
        duration_seconds: Duration of the recording.

    Returns:
        Seconds, each with the place of the window that is nearest to them.
    """
    whole = np.arange(int(duration_seconds) + 1)
    middles = (answer.steps[1:] + answer.steps[:-1]) / 2
    nearest = np.searchsorted(middles, whole)
    positions = answer.path.positions[nearest]
    return [
        (int(second), Place.from_row(answer.places[position]))
        for second, position in zip(whole, positions, strict=True)
    ]


def identify_sheet(
    index: SnippetIndex,
    embedder: Embedder,
    document: SheetDocument,
    ranking: str = "sequence",
    limits: PathLimits | None = None,
    top: int | None = 5,
) -> Identification:
    """Ranks the recordings of an index for the pages of a score; see `rank`."""
    embeddings = embedder.embed_sheet(document.snippets)
    return rank(index, embeddings, document.places, ranking, limits, top)


def listen(
    index: SnippetIndex,
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    hop_frames: int,
    make_ranker: Callable[[], Ranker],
    top: int = 5,
) -> Iterator[LiveAnswer]:
    """Answers after every second of what is heard, and at its end.

    The answer is about the music half a window ago: only then the window around it is complete.

    Args:
        index: Index of scores.
        embedder: Model that embeds the windows.
        blocks: Blocks of sound, float32 [samples], no longer than a second each.
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        make_ranker: Function that makes what collects and ranks.
        top: Number of scores to name.
    """
    cutter, ranker = WindowCutter(embedder.frames, hop_frames), make_ranker()
    heard = answered = 0

    def answer() -> LiveAnswer:
        candidates = ranker.candidates(top) if heard else []
        position = candidates[0].position if candidates else None
        place = None if position is None else Place.from_row(index.places[position])
        return LiveAnswer(cutter.samples_seen / SAMPLE_RATE, candidates, place)

    for block in blocks:
        _, embeddings, _ = embed_windows(embedder, cutter.push(block))
        ranker.update(embeddings)
        heard += len(embeddings)
        if cutter.samples_seen // SAMPLE_RATE > answered:
            answered = cutter.samples_seen // SAMPLE_RATE
            yield answer()
    _, embeddings, _ = embed_windows(embedder, cutter.finish())
    ranker.update(embeddings)
    heard += len(embeddings)
    yield answer()


def step_memory(half_life_seconds: float, hop_frames: int) -> float:
    """Returns the factor of each step by which the past counts half after `half_life_seconds`.

    For a half-life of 0 it is 1, which forgets nothing.
    """
    if half_life_seconds < 0:
        raise UserError(f"half_life_seconds must not be negative, received {half_life_seconds:g}")
    if not half_life_seconds:
        return 1.0
    return float(0.5 ** (hop_frames / FRAMES_PER_SECOND / half_life_seconds))


def report(answer: Identification, query: str | Path, index: SnippetIndex) -> dict[str, Any]:
    """Returns the ranking as JSON can hold it."""
    return {
        "query": str(query),
        "index": str(index.path),
        "documents": len(index.documents),
        "ranking": [
            {
                "rank": number,
                "name": candidate.name,
                "score": candidate.score,
                "votes": round(candidate.votes, 3),
            }
            for number, candidate in enumerate(answer.candidates, 1)
        ],
        "leaps": int(answer.path.leaps.sum()),
    }


def place_fields(place: Place) -> dict[str, Any]:
    """Returns a place as JSON can hold it."""
    return dataclasses.asdict(place) | {"x": round(place.x, 1)}
