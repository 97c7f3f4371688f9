"""Which score is being played, while it is being played."""

import dataclasses
from collections.abc import Iterable, Iterator

import numpy as np

from tempo_invariant.audio.windows import HOP_FRAMES, WindowCutter, Windows
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


class LiveRanking:
    """Ranks the scores of an index for sound that is heard now.

    Half of what comes after the middle of a window is waited for, and the rest of it is silent:
    that costs models next to nothing.

    Args:
        index: Index of scores, made with the same model.
        embedder: Model that embeds the windows.
        half_life_seconds: After so long the past counts half, see `step_memory`.
        history: Number of the last embeddings that are kept.
        hop_frames: Distance of the windows in spectrogram frames.
        ranking: Kind of ranking, see `ranking.RANKINGS`.

    Attributes:
        windows: Number of windows that were ranked.
        last_frame: Middle of the last window that was heard.
    """

    def __init__(
        self,
        index: SnippetIndex,
        embedder: Embedder,
        half_life_seconds: float,
        history: int,
        hop_frames: int = HOP_FRAMES,
        ranking: str = "sequence",
    ):
        self.windows = self.last_frame = 0
        self._embedder = embedder
        self._cutter = WindowCutter(embedder.frames, hop_frames, ahead_frames=embedder.frames // 4)
        limits = recording_limits(hop_frames, index.step_pixels)
        memory = step_memory(half_life_seconds, hop_frames)
        self._ranker = Ranker(index, ranking, limits, memory, history)

    @property
    def seconds(self) -> float:
        """How much was heard."""
        return self._cutter.samples_seen / SAMPLE_RATE

    def hear(self, block: np.ndarray) -> np.ndarray:
        """Adds samples [samples]; returns the embeddings of the windows that they complete."""
        return self._embed(self._cutter.push(block))

    def finish(self) -> np.ndarray:
        """Returns the embeddings of the windows that reach past the end."""
        return self._embed(self._cutter.finish())

    def _embed(self, windows: Windows) -> np.ndarray:
        frames, embeddings, _ = embed_windows(self._embedder, windows)
        self.last_frame = int(frames[-1]) if len(frames) else self.last_frame
        return embeddings

    def update(self, embeddings: np.ndarray) -> None:
        """Ranks the scores for some of these embeddings, too, float32 [windows, size]."""
        self._ranker.update(embeddings)
        self.windows += len(embeddings)

    def answer(self, top: int) -> tuple[list[Candidate], Judgement]:
        """Returns the best scores, and how sure it is that the first one is right."""
        if not self.windows:
            return [], Judgement("unsure")
        candidates = self._ranker.candidates(top)
        return candidates, self._ranker.judge(candidates[0].document)


def listen(
    index: SnippetIndex,
    embedder: Embedder,
    blocks: Iterable[np.ndarray],
    settings: IdentificationSettings | None = None,
) -> Iterator[LiveAnswer]:
    """Answers after every second of what is heard, and at its end.

    The answer is about the music a quarter of a window ago, see `LiveRanking`.

    Args:
        index: Index of scores, made with the same model.
        embedder: Model that embeds the windows.
        blocks: Blocks of sound, float32 [samples], no longer than a second each; see
            `audio.reading.pcm_blocks`, which amplifies them.
        settings: Settings of the answers.
    """
    settings = settings or IdentificationSettings()
    how = settings.hop_frames, settings.ranking
    live = LiveRanking(index, embedder, settings.half_life_seconds, LIVE_HISTORY, *how)
    answered = 0

    def answer() -> LiveAnswer:
        candidates, judgement = live.answer(settings.top)
        position = candidates[0].position if candidates else None
        place = None if position is None else Place.from_row(index.places[position])
        delay = max(0.0, live.seconds - live.last_frame / FRAMES_PER_SECOND)
        return LiveAnswer(live.seconds, len(index.documents), candidates, judgement, place, delay)

    for block in blocks:
        live.update(live.hear(block))
        if int(live.seconds) > answered:
            answered = int(live.seconds)
            yield answer()
    live.update(live.finish())
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
