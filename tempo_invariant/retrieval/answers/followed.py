"""Follows a recording file through a score and writes follow.html and follow.json."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tempo_invariant.audio import reading
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.retrieval import following
from tempo_invariant.retrieval.answers import player
from tempo_invariant.retrieval.answers.html import duration
from tempo_invariant.retrieval.answers.visits import find_visits
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.score_alignment import Costs
from tempo_invariant.scores.documents import SheetDocument


@dataclasses.dataclass(frozen=True)
class FollowingSettings:
    """Settings of an alignment and of the page that shows it.

    Attributes:
        hop_frames: Distance of neighbouring windows in spectrogram frames.
        step_pixels: Distance of neighbouring snippets in page pixels.
        gain_db: Amplification of the recording in decibels.
        embed_audio: Whether the page holds the recording; else a copy is put beside it.
        costs: Costs of what the alignment avoids.
    """

    hop_frames: int = following.HOP_FRAMES
    step_pixels: int = following.STEP_PIXELS
    gain_db: float = 0.0
    embed_audio: bool = True
    costs: Costs = Costs()


def answer(
    open_model: Callable[[], Embedder],
    score: str | Path,
    document: str | None,
    audio: str | Path,
    output: str | Path,
    settings: FollowingSettings | None = None,
) -> str:
    """Aligns a recording with its score.

    Args:
        open_model: Function that opens the model, which takes long: what else can be wrong is
            seen before.
        score: Path of the score, see `following.read_score`.
        document: Name of the score, where there are several.
        audio: Path of the recording.
        output: Directory for the files.
        settings: Settings of the alignment and of the page.

    Returns:
        When which system is played, and where the files are, as text.

    Raises:
        UserError: Score or recording cannot be read, or the recording is silent.
    """
    settings = settings or FollowingSettings()
    audio, output = Path(audio), Path(output)
    if not audio.is_file():
        raise UserError(f"{audio}: no such file")
    sheet = following.read_score(score, document, settings.step_pixels)
    embedder = open_model()
    started = time.perf_counter()
    blocks = reading.read_blocks(audio, settings.gain_db)
    found = following.follow(
        embedder, sheet, blocks, settings.hop_frames, str(audio), settings.costs
    )
    title = f"{audio}, {duration(found.duration_seconds)}, through {sheet.name}"
    lines = [f"{title}; {time.perf_counter() - started:.1f} s"]
    places = zip(found.full_seconds.tolist(), found.places(found.full_seconds), strict=True)
    lines += [visit.line for visit in find_visits(places)]
    report = following.report(found, sheet, audio) | {"model": embedder.name}
    _write(output, report, sheet, audio, settings.embed_audio)
    return "\n".join([*lines, f"{output / 'follow.html'}"])


def _write(
    output: Path, report: dict[str, Any], sheet: SheetDocument, audio: Path, embed_audio: bool
) -> None:
    """Writes the page and its numbers, and the recording beside them unless the page holds it."""
    if embed_audio:
        sound = player.sound_url(audio, reading.read_blocks(audio))
    else:
        sound = quote(_copy(audio, output).name)
    with atomic_write(output / "follow.json") as path:
        path.write_text(json.dumps(report) + "\n")
    with atomic_write(output / "follow.html") as path:
        path.write_text(player.page(report, sheet.pages, sound), encoding="utf-8")


def _copy(audio: Path, output: Path) -> Path:
    target = output / audio.name
    if not (target.exists() and target.samefile(audio)):
        with atomic_write(target) as path:
            shutil.copyfile(audio, path)
    return target
