"""Counts that tell how well an MSMD directory is aligned: notes, heads, onsets and pages."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

from tempo_invariant import progress
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import why_left_out, write_json
from tempo_invariant.geometry import FRAMES_PER_SECOND
from tempo_invariant.scores.msmd import choose_pieces, read_score
from tempo_invariant.scores.strips import Placement, aligned_placements, strip
from tfrecords_tools.inspection.onsets import OnsetCounts, check_onsets
from tfrecords_tools.inspection.pages import check_pages
from tfrecords_tools.inspection.unaligned import reasons, shown_events
from tfrecords_tools.msmd.layout import (
    Performance,
    parse_performance_name,
    performance_names,
    read_performance,
)
from tfrecords_tools.running.processes import worker_pool


@dataclass(frozen=True)
class PieceCounts:
    """Counts of one piece; its alignment is judged by the performance nearest to its own tempo.

    Attributes:
        pages: Number of pages.
        systems: Number of systems.
        heads: Number of note heads.
        playable_heads: Number of heads that have a system and don't continue a tie.
        played_heads: Number of playable heads that have a note.
        notes: Number of notes that sound.
        shown_notes: Number of notes that have a head.
        pairs: Number of onset frames with a head.
        seconds: Duration of that performance.
        performed_seconds: Duration of all performances.
        onsets: Answers of the spectral flux by performance.
        violations: Number of violations of order and geometry by kind.
        reasons: Likely reasons for notes without a head and heads without a note, counted.
        build_notes: Problems that the build recorded, such as LilyPond's errors.
    """

    pages: int
    systems: int
    heads: int
    playable_heads: int
    played_heads: int
    notes: int
    shown_notes: int
    pairs: int
    seconds: float
    performed_seconds: float
    onsets: dict[str, OnsetCounts]
    violations: dict[str, int]
    reasons: dict[str, int]
    build_notes: tuple[str, ...] = ()

    @property
    def shown(self) -> float:
        """Share of the notes that a note head shows."""
        return self.shown_notes / max(self.notes, 1)

    @property
    def played(self) -> float:
        """Share of the playable note heads that a note plays."""
        return self.played_heads / max(self.playable_heads, 1)

    @property
    def heard(self) -> OnsetCounts:
        """Answers of the spectral flux over all performances."""
        return sum(self.onsets.values(), OnsetCounts())


@dataclass(frozen=True)
class Inspection:
    """Counts by piece, and a line for each piece or performance that can't be read."""

    pieces: dict[str, PieceCounts]
    problems: Sequence[str] = ()

    def totals(self, names: Sequence[str] | None = None) -> dict[str, float]:
        """Returns sums and shares over pieces; over all, if none are named."""
        pieces = [self.pieces[name] for name in (self.pieces if names is None else names)]
        keys = "pages systems heads playable_heads played_heads notes shown_notes pairs".split()
        sums = {key: sum(getattr(piece, key) for piece in pieces) for key in keys}
        heard = sum((piece.heard for piece in pieces), OnsetCounts())
        return {
            "pieces": len(pieces),
            **sums,
            "played_share": sums["played_heads"] / max(sums["playable_heads"], 1),
            "shown_share": sums["shown_notes"] / max(sums["notes"], 1),
            "hours": round(sum(piece.seconds for piece in pieces) / 3600, 4),
            "performances": sum(len(piece.onsets) for piece in pieces),
            "performed_hours": round(sum(piece.performed_seconds for piece in pieces) / 3600, 4),
            "onsets": heard.onsets,
            "heard_share": heard.share,
            "shifted_share": heard.shifted_share,
            "quiet_share": heard.quiet_share,
            "violations": sum(sum(piece.violations.values()) for piece in pieces),
        }

    def sounds(self) -> dict[tuple[str, float], OnsetCounts]:
        """Returns the answers of the spectral flux by soundfont and tempo."""
        result: dict[tuple[str, float], OnsetCounts] = {}
        for piece in self.pieces.values():
            for name, counts in piece.onsets.items():
                tempo, soundfont = parse_performance_name(name)
                key = (soundfont, tempo)
                result[key] = result.get(key, OnsetCounts()) + counts
        return dict(sorted(result.items()))

    def violations(self) -> Counter[str]:
        """Returns the violations of order and geometry by kind."""
        return sum((Counter(piece.violations) for piece in self.pieces.values()), Counter())

    def write(self, path: str | Path) -> None:
        """Writes everything as JSON."""
        content = {
            "totals": self.totals(),
            "sounds": [
                {"soundfont": soundfont, "tempo": tempo, "share": counts.share, **asdict(counts)}
                for (soundfont, tempo), counts in self.sounds().items()
            ],
            "violations": self.violations(),
            "problems": self.problems,
            "pieces": {name: asdict(piece) for name, piece in self.pieces.items()},
        }
        write_json(path, content)


def inspect_msmd(
    msmd_dir: str | Path, pieces: Sequence[str] = (), jobs: int | None = 1
) -> Inspection:
    """Inspects the pieces of an MSMD directory, built here or downloaded.

    Args:
        msmd_dir: Directory in the published layout.
        pieces: Names of the only pieces to inspect; all, if there are none.
        jobs: Number of processes; one per core, if None.

    Raises:
        UserError: The directory or one of `pieces` isn't there, or no piece can be read.
    """
    names = sorted(choose_pieces(msmd_dir, pieces))
    paths = [Path(msmd_dir) / name for name in names]
    found: dict[str, PieceCounts] = {}
    unusable: list[str] = []
    results = _run(paths, min(jobs or os.cpu_count() or 1, len(paths)))
    for name, counts, problems in progress.track(results, "pieces", len(paths)):
        unusable += problems
        if counts is not None:
            found[name] = counts
    unusable.sort()
    if not found:
        raise UserError(unusable[0])
    return Inspection({name: found[name] for name in names if name in found}, unusable)


_Result = tuple[str, PieceCounts | None, list[str]]


def _run(paths: Sequence[Path], jobs: int) -> Iterator[_Result]:
    """Yields the results of pieces as they come."""
    if jobs <= 1:
        yield from map(_try_piece, paths)
        return
    with worker_pool(jobs) as pool:
        futures = [pool.submit(_try_piece, path) for path in paths]
        yield from (future.result() for future in as_completed(futures))


def _try_piece(piece_dir: Path) -> _Result:
    try:
        return (piece_dir.name, *inspect_piece(piece_dir))
    except UserError as error:
        return piece_dir.name, None, [str(error)]
    except Exception as error:  # one broken piece must not end the inspection
        reason = why_left_out(error)
        return piece_dir.name, None, [f"{printable(str(piece_dir))}: {reason}"]


def inspect_piece(piece_dir: str | Path) -> tuple[PieceCounts, list[str]]:
    """Inspects one piece.

    Returns:
        Its counts, and a line for each performance that is broken.

    Raises:
        UserError: The score can't be read, or no performance.
    """
    piece_dir = Path(piece_dir)
    score = read_score(piece_dir)
    _, placements = strip(score, score.inks[0])
    performances, problems = _read_performances(piece_dir)
    main = min(performances, key=lambda p: (abs(p.tempo - 1), p.name))
    playable = [placement for placement in placements if not placement.head.tied]
    counts = PieceCounts(
        pages=len(score.pages),
        systems=sum(len(page.systems) for page in score.pages),
        heads=sum(len(page.note_heads) for page in score.pages),
        playable_heads=len(playable),
        played_heads=sum(main.name in placement.head.onsets for placement in playable),
        notes=len(main.notes),
        shown_notes=len(shown_events(main, placements)),
        pairs=len(aligned_placements(placements, main.name, main.spectrogram.shape[1])),
        seconds=_seconds(main),
        performed_seconds=sum(map(_seconds, performances)),
        onsets={p.name: _check_onsets(p, placements) for p in performances},
        violations=dict(check_pages(score, placements, main.name)),
        reasons=dict(reasons(main, placements).most_common()),
        build_notes=_build_notes(piece_dir),
    )
    return counts, problems


def _read_performances(piece_dir: Path) -> tuple[list[Performance], list[str]]:
    """Returns the performances, and a line for each one that is broken."""
    performances, problems = [], []
    for name in performance_names(piece_dir):
        try:
            performances.append(read_performance(piece_dir, name))
        except UserError as error:
            problems.append(str(error))
    if not performances:
        raise UserError(problems[0] if problems else f"{piece_dir}: has no performance")
    return performances, problems


def _seconds(performance: Performance) -> float:
    return performance.spectrogram.shape[1] / FRAMES_PER_SECOND


def _check_onsets(performance: Performance, placements: list[Placement]) -> OnsetCounts:
    aligned = aligned_placements(placements, performance.name, performance.spectrogram.shape[1])
    struck = {frame: {p.head.pitch for p in heads} for frame, heads in aligned.items()}
    return check_onsets(performance.spectrogram, struck, performance.onsets.tolist())


def _build_notes(piece_dir: Path) -> tuple[str, ...]:
    """Returns the problems in build.json; none for a piece that was not built here."""
    try:
        record = json.loads((piece_dir / "build.json").read_text())
        from_heads = record["scores"] - record["scores_from_midi"]
        warnings = [str(warning) for warning in record["warnings"]]
    except (OSError, ValueError, TypeError, KeyError):
        return ()
    if from_heads:
        warnings.insert(0, f"{from_heads} of {record['scores']} scores are played from their heads")
    return tuple(warnings)
