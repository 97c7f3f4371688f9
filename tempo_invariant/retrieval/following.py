"""Follows a recording through its score: at every moment page, system and place."""

import dataclasses
import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tempo_invariant.audio.recordings import Recording
from tempo_invariant.geometry import FRAMES_PER_SECOND, SAMPLE_RATE, frame_count
from tempo_invariant.retrieval import courses, doubt, hearing
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.courses import TimedPlace
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.one_score import STEP_PIXELS
from tempo_invariant.retrieval.score_alignment import Costs, Strip, align
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.places import Place

HOP_FRAMES = 2

ONSET_DELAY_FRAMES = 0.5
"""An onset is heard first in the frame that begins after it (`geometry.onset_frame`), so a window
around a frame is, on average, about the music half a frame before."""


@dataclasses.dataclass(frozen=True)
class Following:
    """Where a recording is in its score.

    Attributes:
        duration_seconds: Duration of the recording.
        systems: Left ends of the systems of the score, in reading order.
        strip: Systems of the score joined left to right, in page pixels.
        seconds: Times, ascending, float64 [moments].
        columns: Columns of the strip at these times, float64 [moments]; NaN before the first sound
            and after the last one.
        leaps: Moments at which the recording goes back or leaves something out, bool [moments].
        similarities: Similarities of sound and snippet, float32 [moments].
        bars: Numbers of the bars at the snippets of the strip, None where they are not known.
        judgement: How sure it is that the recording plays the score; None: the model cannot say.
    """

    duration_seconds: float
    systems: tuple[Place, ...]
    strip: Strip
    seconds: np.ndarray
    columns: np.ndarray
    leaps: np.ndarray
    similarities: np.ndarray
    bars: tuple[int | None, ...] = ()
    judgement: Judgement | None = None

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Returns columns of the strip at other times; between two systems the earlier is held."""
        place = np.interp(seconds, self.seconds, np.arange(len(self.seconds)))
        before = place.astype(int)
        after = np.minimum(before + 1, len(self.seconds) - 1)
        systems = self.strip.system(self.columns)
        jumps = (systems[before] != systems[after]) | self.leaps[after]
        share = np.where(jumps, 0.0, place - before)
        moved = self.columns[before] * (1 - share) + self.columns[after] * share
        return np.where(share > 0, moved, self.columns[before])

    @property
    def full_seconds(self) -> np.ndarray:
        """The full seconds of the recording, from 0."""
        return np.arange(int(self.duration_seconds) + 1)

    def places(self, seconds: np.ndarray) -> list[Place | None]:
        """Returns the places in the score at some times, to a tenth of a pixel.

        None stands for times at which the recording is nowhere: its column is not a number.
        """
        found: list[Place | None] = []
        for column in self.at(seconds):
            if np.isnan(column):
                found.append(None)
                continue
            number = int(self.strip.system(column))
            system = self.systems[number]
            x = round(float(system.x + column - self.strip.starts[number]), 1)
            found.append(dataclasses.replace(system, x=x, bar=self._bar(column)))
        return found

    def _bar(self, column: float) -> int | None:
        """Returns the number of the bar at a column: that of the nearest snippet of its system."""
        systems = self.strip.system(np.append(self.strip.columns, column))
        own = np.flatnonzero(systems[:-1] == systems[-1])
        if not self.bars or not len(own):
            return None
        return self.bars[own[np.abs(self.strip.columns[own] - column).argmin()]]


@dataclasses.dataclass(frozen=True)
class FollowingSettings:
    """Settings of an alignment.

    Attributes:
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        step_pixels: Distance of neighbouring snippets in page pixels.
        gain_db: Amplification of the recording in decibels.
        costs: Costs of what the alignment avoids.
    """

    hop_frames: int = HOP_FRAMES
    step_pixels: int = STEP_PIXELS
    gain_db: float = 0.0
    costs: Costs = Costs()


@dataclasses.dataclass(frozen=True)
class FollowedScore:
    """Where in its score a recording is at every time.

    Columns and rows are in pixels of `document.pages`: the pages of scans and PDF files have been
    made straight and brought to the size that the model knows.

    Attributes:
        audio: Path of the recording, or the name of its samples.
        model: Name of the model.
        duration_seconds: Duration of the recording.
        document: Score with its pages.
        systems: Left ends of the systems of the score, in reading order.
        places: Places at every full second at which the recording is in the score.
        course: Places at every window, `courses.COURSE` [windows].
        judgement: How sure it is that the recording plays the score; None: the model cannot say.
    """

    audio: str
    model: str
    duration_seconds: float
    document: SheetDocument = dataclasses.field(repr=False)
    systems: tuple[Place, ...]
    places: tuple[TimedPlace, ...]
    course: np.ndarray = dataclasses.field(repr=False)
    judgement: Judgement | None = None

    @property
    def verdict(self) -> str | None:
        """Whether it plays it: "known", "unsure" or "unknown"; None: the model cannot say."""
        return None if self.judgement is None else self.judgement.verdict

    @property
    def confidence(self) -> float | None:
        """Probability that it plays the score; None: the model cannot say."""
        return None if self.judgement is None else self.judgement.confidence

    def to_dict(self) -> dict[str, Any]:
        """Returns what follow.json holds.

        Returns:
            "verdict", "certainty" and "confidence": whether the recording plays the score, if the
            model can say; "places": one row for every full second; "course": lists for every
            window; "leaps": the times of leaps; "pages" and "systems" of the score.
        """
        return {
            "score": self.document.name,
            "audio": self.audio,
            "model": self.model,
            "duration_seconds": round(self.duration_seconds, 3),
            **({} if self.judgement is None else self.judgement.to_dict()),
            "pages": [
                {"page": number, "width": int(image.shape[1]), "height": int(image.shape[0])}
                for number, image in self.document.pages.items()
            ],
            "systems": [
                {"page": system.page, "system": system.system, "box": list(system.box)}
                for system in self.systems
            ],
            "leaps": courses.leap_seconds(self.course),
            "places": [place.to_dict() for place in self.places],
            "course": courses.course_lists(self.course),
        }


def lay_out(places: np.ndarray) -> tuple[tuple[Place, ...], Strip]:
    """Joins the systems of a score.

    Args:
        places: Places of the snippets in reading order, `places.SHEET` [snippets].

    Returns:
        The left ends of the systems, and the strip with the snippets on it.
    """
    systems: list[Place] = []
    starts, columns = [0.0], []
    for place in map(Place.from_row, places):
        left_end = dataclasses.replace(place, x=place.box.left, bar=None)
        if not systems or systems[-1] != left_end:
            systems.append(left_end)
            starts.append(starts[-1] + max(1, place.box.width))
        columns.append(starts[-2] + place.x - left_end.x)
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
        embedder: Model that embeds sound and snippets.
        document: Score, cut up finely.
        blocks: Blocks of the recording, float32 [samples] each, see `audio.reading.read_blocks`.
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        name: Name of the recording, for messages.
        costs: Costs of what the alignment avoids; see `score_alignment.Costs`.

    Raises:
        UserError: Nothing can be heard in the recording.
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
    """Aligns as `follow`, with snippets that are embedded already: `sheet` [snippets, size]."""
    heard = hearing.hear(embedder, blocks, hop_frames, name, on_onsets=False)
    audio = evenly(heard, hop_frames)
    systems, strip = lay_out(document.places)
    hop_seconds = hop_frames / FRAMES_PER_SECOND
    first = int(heard.sound_start_seconds / hop_seconds)
    last = min(math.ceil(heard.sound_end_seconds / hop_seconds), len(audio) - 1)
    course = align(audio[first : last + 1], sheet, strip, hop_seconds, costs)
    silent = (first, len(audio) - 1 - last)
    seconds = (np.arange(len(audio)) * hop_frames - ONSET_DELAY_FRAMES) / FRAMES_PER_SECOND
    return Following(
        heard.duration_seconds,
        systems,
        strip,
        np.maximum(seconds, 0.0),
        np.pad(course.columns, silent, constant_values=np.nan),
        np.pad(course.leaps, silent),
        np.pad(course.similarities, silent),
        tuple(Place.from_row(row).bar for row in document.places),
        doubt.judge_pair(embedder, audio, sheet, strip.columns, hop_frames),
    )


def evenly(heard: hearing.Heard, hop_frames: int) -> np.ndarray:
    """Returns embeddings of all windows, float32 [windows, size]; those of silence are 0."""
    frames = frame_count(round(heard.duration_seconds * SAMPLE_RATE))
    audio = np.zeros((-(-frames // hop_frames), heard.embedding.shape[1]), np.float32)
    audio[np.round(heard.seconds * FRAMES_PER_SECOND / hop_frames).astype(int)] = heard.embedding
    return audio


def follow_recording(
    embedder: Embedder,
    document: SheetDocument,
    recording: Recording,
    settings: FollowingSettings | None = None,
) -> FollowedScore:
    """Follows a recording through its score.

    Args:
        embedder: Model that embeds sound and snippets.
        document: Score, cut up as finely as the settings say; see `one_score`.
        recording: Recording.
        settings: Settings of the alignment.

    Raises:
        UserError: The recording cannot be read, or is silent.
    """
    settings = settings or FollowingSettings()
    blocks = recording.blocks(settings.gain_db)
    found = follow(embedder, document, blocks, settings.hop_frames, recording.name, settings.costs)
    whole = found.full_seconds
    nearest = np.searchsorted((found.seconds[1:] + found.seconds[:-1]) / 2, whole)
    at_seconds = zip(whole, found.places(whole), found.similarities[nearest], strict=True)
    places = tuple(
        courses.timed_place(int(second), place, float(similarity))
        for second, place, similarity in at_seconds
        if place is not None
    )
    return FollowedScore(
        recording.name,
        embedder.name,
        found.duration_seconds,
        document,
        found.systems,
        places,
        courses.make_course(
            found.seconds, found.places(found.seconds), found.similarities, found.leaps
        ),
        found.judgement,
    )
