"""How often the right piece is found, and the right system, on the pieces of an MSMD directory."""

import dataclasses
import tempfile
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tqdm import tqdm

from tempo_invariant.audio import windows
from tempo_invariant.audio.degradation import AS_PLAYED, PHONE, degrade_recording
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import metrics
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import identification, indexing, library
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import RANKINGS, Ranker
from tempo_invariant.retrieval.sequence import PathLimits
from tempo_invariant.scores.documents import STEP_PIXELS

if TYPE_CHECKING:
    from tfrecords_tools.music.notes import Music


@dataclasses.dataclass(frozen=True)
class Condition:
    """What is played to the index.

    Attributes:
        soundfont: an .sf2 file; None: TimGM6mb.
        tempo: speed relative to the notated one.
        seconds: length of the excerpt, from a random place; 0: the whole recording.
        gain_db: by how much it is amplified.
        hop_frames: distance of windows in spectrogram frames.
        seed: of the places of excerpts, and of rooms and noise.
        expression: seed of expressive playing; 0: as notated.
        degraded: whether it is recorded as `recording_degradation.PHONE` does.
    """

    soundfont: str | None = None
    tempo: float = 1.0
    seconds: float = 0.0
    gain_db: float = 0.0
    hop_frames: int = windows.HOP_FRAMES
    seed: int = 0
    expression: int = 0
    degraded: bool = False

    @property
    def sound(self) -> str:
        """Name of the soundfont."""
        return Path(self.soundfont).stem if self.soundfont else "TimGM6mb"

    @property
    def text(self) -> str:
        """One line."""
        length = f"{self.seconds:g} s" if self.seconds else "whole recordings"
        parts = [length, self.sound, f"tempo {self.tempo:g}", f"{self.gain_db:+g} dB"]
        parts += [f"expression {self.expression}"] if self.expression else []
        return ", ".join(parts + ["as a phone records it"] * self.degraded)

    @property
    def file_name(self) -> str:
        """What an index of recordings made under this condition is called."""
        name = f"{self.sound}-{self.seconds:g}s-{self.tempo:g}-{self.gain_db:g}dB-{self.seed}"
        name += f"-e{self.expression}" if self.expression else ""
        return name + "-phone" * self.degraded


def run(
    embedder: Embedder,
    msmd_dir: str | Path,
    pieces: Sequence[str],
    conditions: Sequence[Condition],
    distractors: Sequence[str] = (),
    keep: str | Path | None = None,
) -> list[dict[str, Any]]:
    """Identifies recordings of pieces among scores, and scores among recordings.

    Args:
        embedder: the model.
        msmd_dir: directory with the pieces, built here (they are played from PIECE.midi).
        pieces: those to identify; they are in the index of scores and in that of recordings.
        conditions: how they are played.
        distractors: further pieces in the index of scores.
        keep: directory for the indices, which are used again if they are there.

    Returns:
        For every condition what was asked, and results by direction and ranking.

    Raises:
        UserError: a piece is missing or cannot be played.
    """
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(keep or scratch)
        scores = _once(
            root / "scores",
            embedder,
            lambda path: indexing.index_scores(
                embedder, msmd_dir, path, documents=[*pieces, *distractors], keep_pages=False
            )[0],
        )
        reports = []
        for condition in conditions:
            recordings = _once(
                root / condition.file_name,
                embedder,
                partial(record, embedder, Path(msmd_dir), pieces, condition),
            )
            reports.append(_measure(scores, recordings, Path(msmd_dir), condition))
        return reports


def _once(path: Path, embedder: Embedder, make: Callable[[Path], SnippetIndex]) -> SnippetIndex:
    if not path.exists():
        return make(path)
    index = library.load(path)
    index.check_model(embedder)
    return index


def record(
    embedder: Embedder, msmd_dir: Path, pieces: Sequence[str], condition: Condition, output: Path
) -> SnippetIndex:
    """Makes an index of recordings of pieces; a place's seconds count from the piece's start."""
    generator = np.random.default_rng(condition.seed)
    step = STEP_PIXELS
    hop_frames = condition.hop_frames
    with library.IndexWriter(output, "recordings", embedder, hop_frames, step) as writer:
        for piece in tqdm(pieces, desc=condition.text, unit="piece", disable=None):
            pcm, offset = _play(msmd_dir / piece, condition, float(generator.random()))
            heard = identification.hear(embedder, [pcm], hop_frames, piece)
            rows = np.zeros(len(heard.seconds), library.AUDIO)
            rows["seconds"] = heard.seconds + offset
            writer.add(piece, heard.embedding, rows)
        return writer.finish()


def _play(piece_dir: Path, condition: Condition, where: float) -> tuple[np.ndarray, float]:
    """Renders a piece; returns the excerpt that is wanted and where it starts, in seconds."""
    from tfrecords_tools.music.performing import render_audio

    music, expression = _music(piece_dir, condition)
    pcm = render_audio(music, condition.soundfont, tempo=condition.tempo, seed=expression)
    if condition.degraded:
        pcm = degrade_recording(pcm, PHONE, [condition.seed, zlib.crc32(piece_dir.name.encode())])
    pcm = pcm * np.float32(10 ** (condition.gain_db / 20))
    if not condition.seconds:
        return pcm, 0.0
    wanted = round(condition.seconds * SAMPLE_RATE)
    first = int(where * max(0, len(pcm) - wanted))
    return pcm[first : first + wanted], first / SAMPLE_RATE


def _music(piece_dir: Path, condition: Condition) -> tuple["Music", str]:
    """Returns a piece as notated, and the seed of its performance as `build_msmd` plays it."""
    from tfrecords_tools.msmd.layout import performance_name
    from tfrecords_tools.music.notes import notes_of_midi
    from tfrecords_tools.music.performing import default_soundfont, soundfont_name

    path = piece_dir / f"{piece_dir.name}.midi"
    if not path.is_file():
        raise UserError(f"{path}: no such file; only pieces that build_msmd built can be played")
    music = notes_of_midi(path.read_bytes())
    if not condition.expression:
        return music, ""
    soundfont = condition.soundfont or default_soundfont()
    sound = soundfont_name(soundfont, expression=condition.expression)
    return music, performance_name(piece_dir.name, condition.tempo, sound)


def _measure(
    scores: SnippetIndex,
    recordings: SnippetIndex,
    msmd_dir: Path,
    condition: Condition,
) -> dict[str, Any]:
    numbers = {name: number for number, name in enumerate(scores.documents)}
    report: dict[str, Any] = dataclasses.asdict(condition) | {
        "text": condition.text,
        "pieces": len(recordings.documents),
        "scores": len(scores.documents),
        "results": {},
    }
    own = [numbers[name] for name in recordings.documents]
    settings = recordings.hop_frames, scores.step_pixels
    forwards = identification.recording_limits(*settings)
    backwards = identification.page_limits(*settings)
    for ranking in RANKINGS:
        directions = {
            "audio to sheet": _rank(scores, recordings, range(len(own)), own, ranking, forwards),
            "sheet to audio": _rank(recordings, scores, own, range(len(own)), ranking, backwards),
        }
        for direction, (ranks, seconds) in directions.items():
            intervals = metrics.bootstrap_intervals(ranks, recordings.documents)
            report["results"][f"{direction}, {ranking}"] = {
                name: [value, *intervals[name]] for name, value in metrics.summary(ranks).items()
            } | {"seconds": float(np.median(seconds))}
    report["place"] = _places(scores, recordings, own, msmd_dir, condition, forwards)
    return report


def _rank(
    index: SnippetIndex,
    queries: SnippetIndex,
    documents: Iterable[int],
    wanted: Iterable[int],
    ranking: str,
    limits: PathLimits,
) -> tuple[np.ndarray, np.ndarray]:
    """Ranks of the wanted documents of an index for documents of another, and seconds taken."""
    ranks, seconds = [], []
    for document, right in zip(documents, wanted, strict=True):
        started = time.perf_counter()
        ranker = Ranker(index, ranking, limits)
        ranker.update(np.asarray(queries.vectors[queries.rows(document)]))
        order = [candidate.document for candidate in ranker.candidates()]
        seconds.append(time.perf_counter() - started)
        ranks.append(1 + order.index(right))
    return np.array(ranks), np.array(seconds)


def _places(
    scores: SnippetIndex,
    recordings: SnippetIndex,
    own: Sequence[int],
    msmd_dir: Path,
    condition: Condition,
    limits: PathLimits,
) -> dict[str, float]:
    """How well the path through the right score keeps to it, over all windows of all pieces.

    Returns:
        Share of windows in the right system, and of those the median distance in page pixels.
    """
    right, distances = [], []
    for number, document in enumerate(own):
        name = recordings.documents[number]
        rows = recordings.rows(number)
        seconds = recordings.places["seconds"][rows]
        vectors = np.asarray(scores.vectors[scores.rows(document)])
        similarities = np.asarray(recordings.vectors[rows]) @ vectors.T
        path = identification.best_path(similarities, limits)
        found = scores.places[scores.rows(document)][path.positions]
        true = _sounding(msmd_dir / name, seconds, condition)
        same = (found["page"] == true[:, 0]) & (found["system"] == true[:, 1])
        right.append(same)
        distances.append(np.abs(found["x"] - true[:, 2])[same])
    return {
        "right_system": float(np.mean(np.concatenate(right))),
        "median_pixels": float(np.median(np.concatenate(distances))),
    }


def _sounding(piece_dir: Path, seconds: np.ndarray, condition: Condition) -> np.ndarray:
    """Page, system (both from 1) and column of the note that was struck last: [times, 3]."""
    from tempo_invariant.scores import msmd
    from tfrecords_tools.music.performing import played_music

    music, expression = _music(piece_dir, condition)
    played = played_music(music, condition.tempo, expression)
    heard = played.seconds(np.array([note.tick for note in played.notes]))
    heard = heard * (PHONE if condition.degraded else AS_PLAYED).time_factor
    struck = []
    for page in msmd.read_score(piece_dir).pages:
        order = {system.id: number for number, system in enumerate(page.systems, 1)}
        for head in page.note_heads:
            for onset in list(head.onsets.values())[:1]:
                place = page.number, order.get(head.system, 0), head.column
                struck.append((heard[onset.event], *place))
    if not struck:
        raise UserError(f"{piece_dir}: no note head is aligned with a performance")
    table = np.array(sorted(struck))
    last = np.searchsorted(table[:, 0], seconds + 1e-6, side="right") - 1
    return table[np.maximum(last, 0), 1:]


def table(reports: Sequence[dict[str, Any]]) -> str:
    """The results for the screen: R@k in per cent, 95 % intervals over pieces in brackets."""
    lines = []
    for report in reports:
        lines.append(f"{report['text']}: {report['pieces']} pieces, {report['scores']} scores")
        for name, values in report["results"].items():
            cells = [f"R@1 {_percent(values['r@1'])}", f"R@5 {_percent(values['r@5'])}"]
            cells += [f"MRR {values['mrr'][0]:.3f}", f"{1000 * values['seconds']:.0f} ms"]
            lines.append(f"  {name:26}{'  '.join(cells)}")
        place = report["place"]
        lines.append(
            f"  place in the right score  right system {100 * place['right_system']:.1f} % of the "
            f"time, there {place['median_pixels']:.0f} pixels off (median)"
        )
    return "\n".join(lines)


def _percent(values: Sequence[float]) -> str:
    value, low, high = (f"{100 * number:.1f}" for number in values)
    return f"{value} [{low}, {high}]"
