"""Builds pieces in parallel processes, or on Apache Beam, and reports on them."""

import functools
import logging
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

from tempo_invariant import progress
from tempo_invariant.beam_runner import Runner, run_calls
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import telling_failures, why_left_out, write_json
from tempo_invariant.scores.sources import PieceSource
from tfrecords_tools.msmd.pieces import BuildOptions, PieceRecord, build_piece
from tfrecords_tools.running.leftovers import building_in
from tfrecords_tools.running.processes import worker_pool

REPORT = "build_report.json"
LOW_SHARE = 0.95


@dataclass(frozen=True)
class BuildReport:
    """Result of a build: the numbers of the pieces, and why some failed."""

    built: tuple[PieceRecord, ...]
    failed: dict[str, str]
    seconds: float

    def totals(self) -> dict[str, float]:
        """Returns sums over the pieces, and shares over all heads and notes."""
        keys = "pages systems heads tied heads_aligned notes notes_aligned pairs".split()
        sums = {key: sum(getattr(record, key) for record in self.built) for key in keys}
        return {
            "pieces": len(self.built),
            "failed": len(self.failed),
            **sums,
            "head_share": sums["heads_aligned"] / max(1, sums["heads"] - sums["tied"]),
            "note_share": sums["notes_aligned"] / max(1, sums["notes"]),
            "music_seconds": round(sum(record.seconds for record in self.built), 1),
            "performances": sum(len(record.performances) for record in self.built),
            "seconds": round(self.seconds, 1),
        }

    def table(self) -> str:
        """Returns the report as text: totals, pieces aligned badly, pieces that failed."""
        totals = self.totals()
        rows = [
            ("pieces built", f"{totals['pieces']:,}"),
            ("pieces failed", f"{totals['failed']:,}"),
            ("pages", f"{totals['pages']:,}"),
            ("systems", f"{totals['systems']:,}"),
            ("note heads", f"{totals['heads']:,} ({totals['tied']:,} continue a tie)"),
            ("  of the others, with a note", f"{totals['head_share']:.2%}"),
            ("notes played", f"{totals['notes']:,}"),
            ("  with a note head", f"{totals['note_share']:.2%}"),
            ("pairs", f"{totals['pairs']:,}"),
            ("music at the notated tempo", f"{totals['music_seconds'] / 3600:.2f} h"),
            ("performances", f"{totals['performances']:,}"),
            ("time taken", f"{totals['seconds']:,.0f} s"),
        ]
        lines = [f"{name:<30}{value}" for name, value in rows]
        low = [r for r in self.built if min(r.head_share, r.note_share) < LOW_SHARE]
        if low:
            lines += ["", f"aligned below {LOW_SHARE:.0%} (heads, notes):"]
            lines += [f"  {r.piece}: {r.head_share:.1%}, {r.note_share:.1%}" for r in low]
        if self.failed:
            lines += ["", "failed:"]
            lines += [f"  {piece}: {reason}" for piece, reason in sorted(self.failed.items())]
        return "\n".join(lines)

    def write(self, path: Path) -> None:
        """Writes the report as JSON."""
        content = {
            "totals": self.totals(),
            "failed": self.failed,
            "pieces": [asdict(record) for record in self.built],
        }
        write_json(path, content)


def build(
    sources: Sequence[PieceSource],
    output: str | Path,
    options: BuildOptions,
    jobs: int | None = None,
    runner: Runner | None = None,
) -> BuildReport:
    """Builds pieces in parallel; one that fails is reported and the rest goes on.

    Args:
        sources: Pieces to build.
        output: MSMD directory, made if need be; the report is written into it as JSON.
        options: Sounds, tempi and inks to build of each piece.
        jobs: Number of processes; by default one per core.
        runner: Apache Beam runner that builds the pieces instead.

    Raises:
        UserError: The output directory cannot be written, its disk is full, or the runner failed.
    """
    output = Path(output)
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{output}: cannot be made ({error.strerror})") from error
    with building_in(output):
        started = time.monotonic()
        found: dict[str, PieceRecord | str] = {}
        for piece, result in _results(sources, output, options, jobs, runner):
            found[piece] = result
            if isinstance(result, str):
                logging.warning("%s", printable(f"{piece}: {result}"))
        ordered = [(source.piece, found[source.piece]) for source in sources]
        built = tuple(result for _, result in ordered if isinstance(result, PieceRecord))
        failed = {piece: result for piece, result in ordered if isinstance(result, str)}
        report = BuildReport(built, failed, time.monotonic() - started)
        report.write(output / REPORT)
        return report


def _results(
    sources: Sequence[PieceSource],
    output: Path,
    options: BuildOptions,
    jobs: int | None,
    runner: Runner | None,
) -> Iterator[tuple[str, PieceRecord | str]]:
    """Yields every piece with its numbers, or why it can't be built."""
    if not runner:
        yield from _build_in_processes(sources, output, options, jobs)
        return
    calls = [functools.partial(_attempt, s, output.absolute(), options) for s in sources]
    results = run_calls(calls, output, runner, "piece")
    yield from zip((source.piece for source in sources), results, strict=True)


def _attempt(source: PieceSource, output: Path, options: BuildOptions) -> PieceRecord | str:
    try:
        return build_piece(source, output, options)
    except Exception as error:
        return _reason(error, output)


def _build_in_processes(
    sources: Sequence[PieceSource], output: Path, options: BuildOptions, jobs: int | None
) -> Iterator[tuple[str, PieceRecord | str]]:
    """Yields the pieces, as they are finished, with their numbers or why they can't be built."""
    jobs = max(1, min(jobs or os.cpu_count() or 1, len(sources)))
    died = []
    with progress.track(text="pieces", total=len(sources)) as bar:
        for source, result in _run(sources, output, options, jobs):
            if result is None:
                died.append(source)
                continue
            bar.update()
            yield source.piece, result
        for source in died:  # one of them took the others with it: each in a process of its own
            [(_, result)] = _run([source], output, options, 1)
            bar.update()
            yield source.piece, result or "its process died"


def _run(
    sources: Sequence[PieceSource], output: Path, options: BuildOptions, jobs: int
) -> Iterator[tuple[PieceSource, PieceRecord | str | None]]:
    """Yields the pieces as they are finished; None stands for a process that died."""
    with worker_pool(jobs) as pool:
        futures = {pool.submit(build_piece, s, output, options): s for s in sources}
        for future in as_completed(futures):
            error = future.exception()
            if isinstance(error, BrokenProcessPool):
                yield futures[future], None
            else:
                yield futures[future], _reason(error, output) if error else future.result()


def _reason(error: BaseException, output: Path) -> str:
    """Returns in one line why a piece failed: one that is broken must not end the others.

    Raises:
        UserError: The disk is full, as it will be for all others.
    """
    if not isinstance(error, Exception):  # an interruption
        raise error
    with telling_failures(output):
        return why_left_out(error)
