"""Builds pieces in parallel processes, or on Apache Beam, and reports what came out."""

import functools
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import DISK_FULL, is_disk_full, write_json
from tempo_invariant.scores.sources import LilyPondSource
from tfrecords_tools.msmd.pieces import BuildOptions, PieceRecord, build_piece
from tfrecords_tools.running.beam import Runner, run_calls
from tfrecords_tools.running.leftovers import building_in, exit_with_parent

REPORT = "build_report.json"
LOW_SHARE = 0.95


@dataclass(frozen=True)
class BuildReport:
    """What a build made: numbers of the built pieces, and why the others failed."""

    built: tuple[PieceRecord, ...]
    failed: dict[str, str]
    seconds: float

    def totals(self) -> dict[str, float]:
        """Returns sums over the pieces, and shares over all heads and notes."""

        def total(key: str) -> int:
            return sum(getattr(record, key) for record in self.built)

        keys = ("pages", "systems", "heads", "tied", "heads_aligned", "notes", "notes_aligned")
        sums: dict[str, float] = {key: total(key) for key in (*keys, "pairs")}
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
    sources: Sequence[LilyPondSource],
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
        built: dict[str, PieceRecord] = {}
        failed: dict[str, str] = {}
        if runner:
            _run_on_beam(sources, output, options, runner, built, failed)
        else:
            _run_in_processes(sources, output, options, jobs, built, failed)
        order = [source.piece for source in sources]
        report = BuildReport(
            tuple(built[piece] for piece in order if piece in built),
            {piece: failed[piece] for piece in order if piece in failed},
            time.monotonic() - started,
        )
        report.write(output / REPORT)
        return report


def _run_on_beam(
    sources: Sequence[LilyPondSource],
    output: Path,
    options: BuildOptions,
    runner: Runner,
    built: dict[str, PieceRecord],
    failed: dict[str, str],
) -> None:
    """Builds pieces on a Beam runner into `built` and `failed`."""
    calls = [functools.partial(_attempt, s, output.absolute(), options) for s in sources]
    for source, result in zip(sources, run_calls(calls, output, runner, "piece"), strict=True):
        if isinstance(result, PieceRecord):
            built[source.piece] = result
        else:
            _fail(source, result, failed)


def _attempt(source: LilyPondSource, output: Path, options: BuildOptions) -> PieceRecord | str:
    """Builds a piece, or returns why it can't be built."""
    try:
        return build_piece(source, output, options)
    except Exception as error:  # one broken piece must not end the others
        if is_disk_full(error):  # so it will be for all others
            raise UserError(f"{output}: {DISK_FULL}") from error
        return _reason(error)


def _run_in_processes(
    sources: Sequence[LilyPondSource],
    output: Path,
    options: BuildOptions,
    jobs: int | None,
    built: dict[str, PieceRecord],
    failed: dict[str, str],
) -> None:
    """Builds pieces in processes into `built` and `failed`."""
    jobs = max(1, min(jobs or os.cpu_count() or 1, len(sources)))
    with tqdm(total=len(sources), unit="piece", desc="build", file=sys.stderr) as progress:
        died = _run(sources, output, options, jobs, built, failed, progress)
        for source in died:  # one of them took the others with it: each in a process of its own
            for again in _run([source], output, options, 1, built, failed, progress):
                failed[again.piece] = "its process died"
                progress.update()


def _run(
    sources: Sequence[LilyPondSource],
    output: Path,
    options: BuildOptions,
    jobs: int,
    built: dict[str, PieceRecord],
    failed: dict[str, str],
    progress: tqdm,
) -> list[LilyPondSource]:
    """Builds pieces into `built` and `failed`; returns those lost with a process that died."""
    died = []
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    with ProcessPoolExecutor(jobs, mp_context=context, initializer=_start_worker) as pool:
        futures = {pool.submit(build_piece, s, output, options): s for s in sources}
        try:
            for future in as_completed(futures):
                source = futures[future]
                if isinstance(future.exception(), BrokenProcessPool):
                    died.append(source)
                    continue
                if is_disk_full(future.exception()):  # so it will be for all others
                    raise UserError(f"{output}: {DISK_FULL}") from future.exception()
                _collect(source, future, built, failed)
                progress.update()
        except (KeyboardInterrupt, UserError):
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    return died


def _collect(
    source: LilyPondSource,
    future: Future,
    built: dict[str, PieceRecord],
    failed: dict[str, str],
) -> None:
    error = future.exception()
    if error is None:
        built[source.piece] = future.result()
        return
    _fail(source, _reason(error), failed)


def _fail(source: LilyPondSource, reason: str, failed: dict[str, str]) -> None:
    failed[source.piece] = reason
    tqdm.write(f"{source.piece}: {reason}", file=sys.stderr)


def _reason(error: BaseException) -> str:
    """Returns an error in one line."""
    reason = one_line(error)
    return reason if isinstance(error, UserError) else f"{type(error).__name__}: {reason}"


def _start_worker() -> None:
    """Leaves interruptions to the parent, and a core and no GPU to each process."""
    exit_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(
        CUDA_VISIBLE_DEVICES="-1",
        TF_CPP_MIN_LOG_LEVEL="3",
        TF_NUM_INTRAOP_THREADS="1",
        TF_NUM_INTEROP_THREADS="1",
        OMP_NUM_THREADS="1",
    )
