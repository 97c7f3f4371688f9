"""Follows a recording file through a score and writes follow.html and follow.json."""

import dataclasses
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

from tempo_invariant.audio import reading
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.retrieval import following
from tempo_invariant.retrieval.answers import player
from tempo_invariant.retrieval.answers.html import duration
from tempo_invariant.retrieval.answers.visits import find_visits
from tempo_invariant.retrieval.course import Costs
from tempo_invariant.retrieval.embedders import Embedder


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to follow.

    Attributes:
        hop_frames: distance of windows in spectrogram frames.
        step_pixels: distance of snippets in page pixels.
        gain_db: by how much the recording is amplified.
        embed_audio: whether the page holds the recording; else a copy is put beside it.
        costs: what the alignment avoids.
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
    settings: Settings | None = None,
) -> str:
    """Aligns a recording with its score.

    Args:
        open_model: opens the model, which takes long: what can be wrong otherwise is seen first.
        score: see `following.read_score`, and for `document`.
        audio: the recording.
        output: directory for the files.
        settings: how to follow.

    Returns:
        When which system is played, and where the files are, as text.

    Raises:
        UserError: score or recording cannot be read, or the recording is silent.
    """
    settings = settings or Settings()
    audio, output = Path(audio), Path(output)
    if not audio.is_file():
        raise UserError(f"--audio={audio}: no such file")
    sheet = following.read_score(score, document, settings.step_pixels)
    embedder = open_model()
    started = time.perf_counter()
    blocks = reading.read_blocks(audio, settings.gain_db)
    found = following.follow(
        embedder, sheet, blocks, settings.hop_frames, str(audio), settings.costs
    )
    seconds = time.perf_counter() - started
    report = following.report(found, sheet, audio) | {"model": embedder.name}
    if settings.embed_audio:
        sound = player.sound_url(audio, reading.read_blocks(audio))
    else:
        sound = quote(_copy(audio, output).name)
    with atomic_write(output / "follow.json") as path:
        path.write_text(json.dumps(report) + "\n")
    with atomic_write(output / "follow.html") as path:
        path.write_text(player.page(report, sheet.pages, sound), encoding="utf-8")
    title = f"{audio}, {duration(found.duration_seconds)}, through {sheet.name}"
    lines = [f"{title}; {seconds:.1f} s"]
    boxes = {(row["page"], row["system"]): row["box"] for row in report["systems"]}
    places = [
        (int(row["seconds"]), row | {"box": boxes[row["page"], row["system"]]})
        for row in report["places"]
    ]
    for visit in find_visits(places):
        where = f"page {visit.page}, system {visit.system}"
        lines.append(f"{visit.label}  {where}, x {visit.columns[0]:.0f}–{visit.columns[-1]:.0f}")
    return "\n".join([*lines, f"{output / 'follow.html'}"])


def _copy(audio: Path, output: Path) -> Path:
    target = output / audio.name
    if not (target.exists() and target.samefile(audio)):
        with atomic_write(target) as path:
            shutil.copyfile(audio, path)
    return target
