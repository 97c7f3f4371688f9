"""Which score is being played, while it is being played."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from tempo_invariant.audio.windows import WindowCutter, Windows
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import FRAMES_PER_SECOND, SAMPLE_RATE
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.hearing import embed_windows
from tempo_invariant.retrieval.identification import IdentificationSettings, recording_limits
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Candidate, Ranker
from tempo_invariant.scores.places import Place

LIVE_HISTORY = 240
"""Embeddings that are kept while listening: two minutes."""


@dataclasses.dataclass(frozen=True)
class LiveAnswer:
    """The answer so far.

    Attributes:
        seconds: How much was heard.
        documents: Number of scores in the index.
        candidates: Ranking of the scores, best first; empty as long as there was only silence.
        judgement: How sure it is that the best one is right.
        place: Place in the best score, where the music was `delay_seconds` ago.
        delay_seconds: Time since the middle of the last window: a quarter of a window, less at the
            end.
    """

    seconds: float
    documents: int
    candidates: list[Candidate]
    judgement: Judgement
    place: Place | None
    delay_seconds: float = 0.0


def listen(
    index: SnippetIndex,
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    settings: IdentificationSettings | None = None,
) -> Iterator[LiveAnswer]:
    """Answers after every second of what is heard, and at its end.

    The answer is about the music a quarter of a window ago, see `live_cutter`.

    Args:
        index: Index of scores, made with the same model.
        embedder: Model that embeds the windows.
        blocks: Blocks of sound, float32 [samples], no longer than a second each; see
            `audio.reading.pcm_blocks`, which amplifies them.
        settings: Settings of the answers.
    """
    settings = settings or IdentificationSettings()
    cutter = live_cutter(embedder, settings.hop_frames)
    limits = recording_limits(settings.hop_frames, index.step_pixels)
    memory = step_memory(settings.half_life_seconds, settings.hop_frames)
    ranker = Ranker(index, settings.ranking, limits, memory, LIVE_HISTORY)
    heard = answered = last = 0

    def answer() -> LiveAnswer:
        candidates = ranker.candidates(settings.top) if heard else []
        judgement = ranker.judge(candidates[0].document) if heard else Judgement("unsure")
        position = candidates[0].position if candidates else None
        place = None if position is None else Place.from_row(index.places[position])
        seconds = cutter.samples_seen / SAMPLE_RATE
        delay = max(0.0, seconds - last / FRAMES_PER_SECOND)
        return LiveAnswer(seconds, len(index.documents), candidates, judgement, place, delay)

    def take(windows: Windows) -> None:
        nonlocal heard, last
        frames, embeddings, _ = embed_windows(embedder, windows)
        ranker.update(embeddings)
        heard += len(embeddings)
        last = int(frames[-1]) if len(frames) else last

    for block in blocks:
        take(cutter.push(block))
        if cutter.samples_seen // SAMPLE_RATE > answered:
            answered = cutter.samples_seen // SAMPLE_RATE
            yield answer()
    take(cutter.finish())
    yield answer()


def live_cutter(embedder: Embedder, hop_frames: int) -> WindowCutter:
    """Returns what cuts windows out of sound that is heard now.

    Half of what comes after the middle of a window is waited for, and the rest of it is silent:
    that costs models next to nothing.
    """
    return WindowCutter(embedder.frames, hop_frames, ahead_frames=embedder.frames // 4)


def step_memory(half_life_seconds: float, hop_frames: int) -> float:
    """Returns the factor of each step by which the past counts half after `half_life_seconds`.

    For a half-life of 0 it is 1, which forgets nothing.
    """
    if half_life_seconds < 0:
        raise UserError(f"half_life_seconds must not be negative, received {half_life_seconds:g}")
    if not half_life_seconds:
        return 1.0
    return float(0.5 ** (hop_frames / FRAMES_PER_SECOND / half_life_seconds))
