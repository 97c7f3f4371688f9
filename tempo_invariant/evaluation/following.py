"""How far from the truth recordings of an MSMD directory are followed, in seconds and pixels."""

import bisect
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import following
from tempo_invariant.retrieval.course import Costs, Strip
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.following import Following, System
from tempo_invariant.scores import documents

SHARES = (0.5, 0.9)
"""The quantiles of the errors that are reported."""

RESAMPLES = 1000


@dataclasses.dataclass(frozen=True)
class Condition:
    """How a piece is played.

    Attributes:
        soundfont: an .sf2 file; None: TimGM6mb.
        tempo: speed relative to the notated one.
        expression: seed of expressive playing; 0 plays as notated.
        gain_db: by how much it is amplified.
    """

    soundfont: str | None = None
    tempo: float = 1.0
    expression: int = 0
    gain_db: float = 0.0

    def __post_init__(self):
        if not 0.05 <= self.tempo <= 20:
            raise UserError(f"--tempo={self.tempo:g}: must be from 0.05 to 20")
        if self.expression < 0:
            raise UserError(f"--expression={self.expression}: must not be negative")

    @property
    def text(self) -> str:
        """One line."""
        sound = Path(self.soundfont).stem if self.soundfont else "TimGM6mb"
        playing = f"expression {self.expression}" if self.expression else "as notated"
        return f"tempo {self.tempo:g}, {playing}, {sound}, {self.gain_db:+g} dB"


@dataclasses.dataclass(frozen=True)
class Truth:
    """When each place of a strip sounds; between the moments linearly.

    Attributes:
        seconds: float64 [moments], ascending.
        columns: float64 [moments], ascending.
    """

    seconds: np.ndarray
    columns: np.ndarray

    def errors(self, found: Following) -> tuple[np.ndarray, np.ndarray]:
        """Errors at every moment of an alignment from the first onset to the last.

        Returns:
            By how many seconds the place that is shown is played later than it is shown, and how
            many pixels along the strip it is beyond what is played: float64 [moments] each.
        """
        inside = (found.seconds >= self.seconds[0]) & (found.seconds <= self.seconds[-1])
        seconds, columns = found.seconds[inside], found.columns[inside]
        late = np.interp(columns, self.columns, self.seconds) - seconds
        return late, columns - np.interp(seconds, self.seconds, self.columns)


def run(
    embedder: Embedder,
    msmd_dir: str | Path,
    pieces: Sequence[str],
    conditions: Sequence[Condition],
    hop_frames: int = following.HOP_FRAMES,
    step_pixels: int = following.STEP_PIXELS,
    costs: Costs | None = None,
) -> list[dict[str, Any]]:
    """Plays pieces and follows them through their scores.

    Args:
        embedder: the model.
        msmd_dir: directory with the pieces, built here (they are played from PIECE.midi).
        pieces: their names.
        conditions: how they are played.
        hop_frames: distance of windows in spectrogram frames.
        step_pixels: distance of snippets in page pixels.
        costs: what the alignment avoids.

    Returns:
        For every condition its fields, and what `summary` gives.

    Raises:
        UserError: a piece is missing or cannot be played.
    """
    root = Path(msmd_dir)
    errors: list[dict[str, tuple[np.ndarray, np.ndarray]]] = [{} for _ in conditions]
    leaps = [0 for _ in conditions]
    for piece in tqdm(pieces, desc="pieces", unit="", disable=None):
        (source,) = documents.find_scores(root, step_pixels, documents=[piece])
        document = source.read()
        sheet = embedder.embed_sheet(document.snippets)
        for number, condition in enumerate(conditions):
            pcm = _play(root / piece, condition)
            found = following.follow_embedded(
                embedder, document, sheet, [pcm], hop_frames, f"{piece}, {condition.text}", costs
            )
            truth = find_truth(root / piece, condition, found.systems, found.strip)
            errors[number][piece] = truth.errors(found)
            leaps[number] += int(found.leaps.sum())
    return [
        dataclasses.asdict(condition) | {"text": condition.text, "leaps": count} | summary(found)
        for condition, count, found in zip(conditions, leaps, errors, strict=True)
    ]


def _seed(piece: str, condition: Condition) -> str:
    """The seed under which build_msmd would have this performance."""
    from tfrecords_tools.msmd.layout import performance_name
    from tfrecords_tools.music.performing import default_soundfont, soundfont_name

    if not condition.expression:
        return ""
    font = condition.soundfont or default_soundfont()
    sound = soundfont_name(font, expression=condition.expression)
    return performance_name(piece, condition.tempo, sound)


def _notated(piece_dir: Path):
    from tfrecords_tools.music.notes import notes_of_midi

    path = piece_dir / f"{piece_dir.name}.midi"
    if not path.is_file():
        raise UserError(f"{path}: no such file; only pieces that build_msmd built can be played")
    return notes_of_midi(path.read_bytes())


def _play(piece_dir: Path, condition: Condition) -> np.ndarray:
    from tfrecords_tools.music.performing import render_audio

    seed = _seed(piece_dir.name, condition)
    pcm = render_audio(_notated(piece_dir), condition.soundfont, tempo=condition.tempo, seed=seed)
    return pcm * np.float32(10 ** (condition.gain_db / 20))


def find_truth(
    piece_dir: Path, condition: Condition, systems: Sequence[System], strip: Strip
) -> Truth:
    """When the note heads of a piece sound.

    Heads that are struck together in the score are one moment: at the mean of their times and the
    median of their columns. Moments that stand left of earlier ones (grace notes, heads that were
    aligned with another note) are left out, as few as possible.

    Raises:
        UserError: not even two moments are known.
    """
    from tempo_invariant.scores import msmd
    from tfrecords_tools.music.performing import played_music

    notated = _notated(piece_dir)
    played = played_music(notated, condition.tempo, _seed(piece_dir.name, condition))
    seconds = played.seconds([note.tick for note in played.notes])
    lefts = {
        (system.page, system.number): start - system.box[1]
        for system, start in zip(systems, strip.starts[:-1], strict=True)
    }
    moments: dict[int, list[tuple[float, float]]] = {}
    for page in msmd.read_score(piece_dir).pages:
        order = {system.id: number for number, system in enumerate(page.systems, 1)}
        for head in page.note_heads:
            left = lefts.get((page.number, order.get(head.system, 0)))
            if left is not None and head.onsets:
                event = head.onsets[min(head.onsets)].event
                moment = moments.setdefault(notated.notes[event].tick, [])
                moment.append((seconds[event], head.column + left))
    rows = [np.array(moments[tick]) for tick in sorted(moments)]
    times = np.array([row[:, 0].mean() for row in rows])
    columns = np.array([np.median(row[:, 1]) for row in rows])
    kept = longest_ascent(columns)
    kept = kept[np.diff(times[kept], prepend=-1) > 0]
    if len(kept) < 2:
        raise UserError(f"{piece_dir}: too few note heads are aligned with a performance")
    return Truth(times[kept], columns[kept])


def longest_ascent(values: np.ndarray) -> np.ndarray:
    """Indices of a longest strictly ascending part of some values: int64, ascending."""
    tails: list[float] = []
    ends: list[int] = []
    before = np.full(len(values), -1)
    for index, value in enumerate(values.tolist()):
        place = bisect.bisect_left(tails, value)
        tails[place:] = [value, *tails[place + 1 :]]
        ends[place:] = [index, *ends[place + 1 :]]
        before[index] = ends[place - 1] if place else -1
    chain = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(index)
        index = int(before[index])
    return np.array(chain[::-1], np.int64)


def summary(errors: dict[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, Any]:
    """What the errors of pieces amount to.

    Args:
        errors: by piece, of every moment, in seconds and pixels.

    Returns:
        "seconds" and "pixels": median and 90 % quantile of the absolute errors over all moments,
        [value, low, high] with 95 % intervals from drawing pieces with replacement; "bias" in
        seconds: the median, above 0 where the place shown is ahead of the sound; "by_piece": the
        same for every piece alone.
    """
    names = list(errors)
    owners = np.repeat(np.arange(len(names)), [len(errors[name][0]) for name in names])
    result: dict[str, Any] = {"pieces": len(names), "moments": len(owners)}
    for unit, kind in enumerate(("seconds", "pixels")):
        values = np.abs(np.concatenate([errors[name][unit] for name in names]))
        result[kind] = dict(zip(("median", "90%"), _quantiles(values, owners), strict=True))
    result["bias"] = float(np.median(np.concatenate([errors[name][0] for name in names])))
    result["by_piece"] = {
        name: {
            kind: [float(value) for value in np.quantile(np.abs(errors[name][unit]), SHARES)]
            for unit, kind in enumerate(("seconds", "pixels"))
        }
        for name in names
        if len(errors[name][0])
    }
    return result


def _quantiles(values: np.ndarray, owners: np.ndarray) -> list[list[float]]:
    """Quantiles of values with their intervals over owners, [value, low, high] each."""
    count = int(owners.max(initial=-1)) + 1
    order = np.argsort(values, kind="stable")
    values, owners = values[order], owners[order]
    generator = np.random.default_rng(0)
    draws = generator.multinomial(count, np.full(count, 1 / count), RESAMPLES)
    found = np.empty((RESAMPLES, len(SHARES)))
    for number, draw in enumerate(draws):
        weights = np.cumsum(draw[owners])
        found[number] = values[np.searchsorted(weights, np.array(SHARES) * weights[-1])]
    low, high = np.quantile(found, [0.025, 0.975], axis=0)
    exact = np.quantile(values, SHARES)
    return [[float(v) for v in row] for row in zip(exact, low, high, strict=True)]


def table(reports: Sequence[dict[str, Any]]) -> str:
    """The results for the screen, 95 % intervals over pieces in brackets."""
    lines = []
    for report in reports:
        lines.append(f"{report['text']}: {report['pieces']} pieces, {report['leaps']} leaps")
        for kind, digits in (("seconds", 3), ("pixels", 1)):
            cells = [
                f"{name} {value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
                for name, (value, low, high) in report[kind].items()
            ]
            lines.append(f"  {kind:8}{'  '.join(cells)}")
    return "\n".join(lines)
