"""Which score is being played and where it is; which recording plays a page."""

import dataclasses
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tempo_invariant.audio import windows
from tempo_invariant.audio.recordings import Recording
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.retrieval import courses, page_courses
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.courses import TimedPlace
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.hearing import Heard, hear
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.page_courses import PlayedSystem
from tempo_invariant.retrieval.ranking import Candidate, Ranker
from tempo_invariant.retrieval.sequence import PathLimits, ScorePath
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.places import Place

SLOWEST_PIXELS_PER_SECOND = 8
FASTEST_PIXELS_PER_SECOND = 300
"""Bounds of the speed at which a score is read. Played at half of their tempo, the training pieces
of MSMD are read more slowly for 1 % of the time (and more slowly than 25 for a third of it)."""

USUAL_PIXELS_PER_SECOND = 76
"""The speed at which MSMD's test pieces are read in the mean, as notated."""

LEAP_SECONDS = 1.5
"""A leap in the score costs as much similarity as so many seconds could bring at most."""


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


@dataclasses.dataclass(frozen=True)
class Matching:
    """The ranking of the documents for a query, and the path through the best one.

    Attributes:
        candidates: Ranking of the documents, best first.
        judgement: How sure it is that the first one is right, see `certainty`.
        similarities: Similarities of the query with the best document, float32 [steps, positions];
            without the steps that the document is too short to hold, see `passages`.
        path: Path through the similarities.
        steps: Places of these steps: seconds of a recording, or `places.SHEET` rows.
        places: Places of the best document's positions, [positions].
    """

    candidates: list[Candidate]
    judgement: Judgement
    similarities: np.ndarray
    path: ScorePath
    steps: np.ndarray
    places: np.ndarray

    @property
    def level(self) -> float:
        """Mean similarity along the path."""
        return float(self.similarities[np.arange(len(self.steps)), self.path.positions].mean())


class Judged:
    """What an answer says of its first candidate.

    Attributes:
        matching: How the query matches the index.
    """

    matching: Matching

    @property
    def certainty(self) -> str:
        """How sure it is that the first is right: "sure", "likely", "unsure" or "absent"."""
        return self.matching.judgement.certainty

    @property
    def verdict(self) -> str:
        """Whether the index holds what is asked for: "known", "unsure" or "unknown"."""
        return self.matching.judgement.verdict

    @property
    def confidence(self) -> float | None:
        """Probability that the first is right, see `certainty`; None: the model cannot say."""
        return self.matching.judgement.confidence


@dataclasses.dataclass(frozen=True)
class IdentifiedScore(Judged):
    """The score that a recording plays, and where the recording is in it.

    Attributes:
        query: Path of the recording, or the name of its samples.
        index: Path of the index that was asked.
        documents: Number of scores in the index.
        duration_seconds: Duration of the recording.
        candidates: Scores that fit best, best first.
        places: Places in the best one at every full second, to the end of the sound.
        course: Places in the best one at every window, `courses.COURSE` [windows].
        heard: Windows of the recording with their embeddings and the attention.
        matching: Similarities with the best score, and the path through them.
    """

    query: str
    index: str
    documents: int
    duration_seconds: float
    candidates: tuple[Candidate, ...]
    places: tuple[TimedPlace, ...]
    course: np.ndarray = dataclasses.field(repr=False)
    heard: Heard = dataclasses.field(repr=False)
    matching: Matching = dataclasses.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns what answer.json holds: the ranking, and the places at full seconds.

        There are no places where the music is held to be in no score.
        """
        places = () if self.verdict == "unknown" else self.places
        return _ranking_fields(self) | {
            "leaps": int(self.course["leap"].sum()),
            "seconds": round(self.duration_seconds, 3),
            "place": [place.to_dict() for place in places],
        }


@dataclasses.dataclass(frozen=True)
class IdentifiedRecording(Judged):
    """The recording that plays a page or a score, and when it plays each system.

    Attributes:
        query: Path or name of the page or score.
        index: Path of the index that was asked.
        documents: Number of recordings in the index.
        candidates: Recordings that fit best, best first.
        played: Systems of the pages that the best one plays, in the order of time; one that it
            repeats is there once more.
        course: Course of the best one through the pages, `courses.COURSE` [moments].
        document: Pages of the score, cut into snippets.
        matching: Similarities with the best recording, and the path through them.
    """

    query: str
    index: str
    documents: int
    candidates: tuple[Candidate, ...]
    played: tuple[PlayedSystem, ...]
    course: np.ndarray = dataclasses.field(repr=False)
    document: SheetDocument = dataclasses.field(repr=False)
    matching: Matching = dataclasses.field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Returns what answer.json holds: the ranking, and when each system is played.

        None is where the pages are held to be played in no recording.
        """
        played = () if self.verdict == "unknown" else self.played
        return _ranking_fields(self) | {
            "leaps": int(self.course["leap"].sum()),
            "played": [system.to_dict() for system in played],
        }


def _ranking_fields(answer: IdentifiedScore | IdentifiedRecording) -> dict[str, Any]:
    return {
        "query": answer.query,
        "index": answer.index,
        "documents": answer.documents,
        **answer.matching.judgement.to_dict(),
        "ranking": [candidate.to_dict() for candidate in answer.candidates],
    }


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
    """Returns what the path of a score through a recording may do: the same from its side.

    A recording that is shorter than the score usually takes is held to play a part of it.
    """
    hop_seconds = hop_frames / FRAMES_PER_SECOND
    pace = step_pixels / USUAL_PIXELS_PER_SECOND / hop_seconds
    limits = recording_limits(hop_frames, step_pixels).converse
    return dataclasses.replace(limits, pace=pace)


def rank(
    index: SnippetIndex,
    embeddings: np.ndarray,
    steps: np.ndarray,
    ranking: str = "sequence",
    limits: PathLimits | None = None,
    top: int | None = 5,
) -> Matching:
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
    first = candidates[0].document
    followed = ranker.follow(first)
    judgement = ranker.judge(first, followed)
    places = index.places[index.rows(first)]
    steps = steps[followed.steps]
    return Matching(candidates, judgement, followed.similarities, followed.path, steps, places)


def identify_recording(
    index: SnippetIndex,
    embedder: Embedder,
    recording: Recording,
    settings: IdentificationSettings | None = None,
) -> IdentifiedScore:
    """Finds the score that a recording plays, and where it is in it.

    Args:
        index: Index of scores, made with the same model.
        embedder: Model that embeds the recording.
        recording: Recording.
        settings: Settings of the answer.

    Raises:
        UserError: The recording cannot be read, or is silent.
    """
    settings = settings or IdentificationSettings()
    blocks = recording.blocks(settings.gain_db)
    heard = hear(embedder, blocks, settings.hop_frames, recording.name)
    limits = recording_limits(settings.hop_frames, index.step_pixels)
    found = rank(index, heard.embedding, heard.seconds, settings.ranking, limits, settings.top)
    places = [Place.from_row(found.places[position]) for position in found.path.positions]
    similarities = found.similarities[np.arange(len(places)), found.path.positions]
    return IdentifiedScore(
        recording.name,
        str(index.path),
        len(index.documents),
        heard.duration_seconds,
        tuple(found.candidates),
        tuple(_by_second(places, similarities, heard)),
        courses.make_course(heard.seconds, places, similarities, found.path.leaps),
        heard,
        found,
    )


def _by_second(
    places: Sequence[Place], similarities: np.ndarray, heard: Heard
) -> Iterator[TimedPlace]:
    """Yields for every full second, as long as anything sounds, the place of the nearest window."""
    middles = (heard.seconds[1:] + heard.seconds[:-1]) / 2
    first = math.ceil(heard.sound_start_seconds - 0.5)  # the full second that is nearest
    for second in range(first, int(heard.sound_end_seconds) + 1):
        nearest = int(np.searchsorted(middles, second))
        yield courses.timed_place(second, places[nearest], float(similarities[nearest]))


def identify_sheet(
    index: SnippetIndex,
    embedder: Embedder,
    document: SheetDocument,
    settings: IdentificationSettings | None = None,
    query: str | None = None,
) -> IdentifiedRecording:
    """Finds the recording that plays the pages of a score, and when it plays which system.

    Args:
        index: Index of recordings, made with the same model.
        embedder: Model that embeds the pages.
        document: Pages, cut into snippets as far from each other as `index.step_pixels`.
        settings: Settings of the answer.
        query: Path of the pages; without it, their name is given.
    """
    settings = settings or IdentificationSettings()
    embeddings = embedder.embed_sheet(document.snippets)
    limits = page_limits(index.hop_frames, index.step_pixels)
    found = rank(index, embeddings, document.places, settings.ranking, limits, settings.top)
    windows = index.rows(found.candidates[0].document)
    similarities = index.vectors[windows] @ embeddings.T
    seconds = index.places["seconds"][windows]
    limits = recording_limits(index.hop_frames, index.step_pixels)
    course = page_courses.follow(
        seconds, similarities, document.places, limits, found.path.positions, found.level
    )
    return IdentifiedRecording(
        document.name if query is None else query,
        str(index.path),
        len(index.documents),
        tuple(found.candidates),
        tuple(page_courses.played_systems(course, document.places)),
        course,
        document,
        found,
    )
