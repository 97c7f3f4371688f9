"""From an MSMD directory to TFRecord shards with `dataset_info.json`."""

import collections
import functools
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tempo_invariant import progress
from tempo_invariant.beam_runner import Runner, run_calls
from tempo_invariant.data import schema
from tempo_invariant.errors import UserError, printable
from tempo_invariant.files import telling_failures, why_left_out
from tempo_invariant.geometry import FRAMES_PER_SECOND, PRINTED
from tempo_invariant.scores.msmd import list_pieces
from tfrecords_tools.msmd.layout import (
    parse_performance_name,
    performance_names,
    plain_soundfont,
)
from tfrecords_tools.records import splits
from tfrecords_tools.records.pairs import piece_records
from tfrecords_tools.running.leftovers import building_in
from tfrecords_tools.running.processes import worker_pool


@dataclass(frozen=True)
class Selection:
    """Choice of the performances of each split; expressive ones go with their soundfont.

    Attributes:
        train_soundfonts: Soundfonts that train and valid may hold; all, if there are none.
        test_soundfont: Soundfont that only test holds, and test holds alone; if it is empty, test
            holds any.
    """

    train_soundfonts: tuple[str, ...] = ()
    test_soundfont: str = ""

    def wants(self, split: str, performance: str) -> bool:
        """Whether a split takes a performance of this name."""
        soundfont = plain_soundfont(parse_performance_name(performance)[1])
        if split == "test":
            return not self.test_soundfont or soundfont == self.test_soundfont
        if self.train_soundfonts and soundfont not in self.train_soundfonts:
            return False
        return soundfont != self.test_soundfont or not self.test_soundfont


_Result = tuple[str, list[schema.Record], list[str]]
"""Split of a piece, its records, and a line for all that could not be converted."""


@dataclass
class ConversionReport:
    """Report of a conversion.

    Attributes:
        split: Name of the split file, or how pieces are split without one.
        missing: Pieces that the split file lists and that are not there.
        unlisted: Pieces that are there and that the split file does not list.
        splits: Counts by split.
        problems: A line for each piece or performance that could not be converted.
    """

    split: str
    missing: list[str]
    unlisted: list[str]
    splits: dict[str, schema.SplitInfo] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Returns the report for the screen."""
        lines = [f"{'split':8}{'pieces':>8}{'records':>9}{'pairs':>10}{'hours':>8}{'shards':>8}"]
        for split, info in self.splits.items():
            lines.append(
                f"{split:8}{info.pieces:8}{info.records:9}{info.pairs:10}{info.hours:8.2f}"
                f"{len(info.shards):8}"
            )
        lines += [f"skipped: {problem}" for problem in self.problems]
        if self.missing:
            lines.append(f"in the split file but not here: {_enumerate(self.missing)}")
        if self.unlisted:
            lines.append(f"here but not in the split file: {_enumerate(self.unlisted)}")
        return "\n".join(lines)


def _enumerate(names: Sequence[str]) -> str:
    shown = printable(", ".join(names[:3]))
    noun = "piece" if len(names) == 1 else "pieces"
    return f"{len(names)} {noun} ({shown}{', ...' if len(names) > 3 else ''})"


def _records(piece_dir: Path, split: str, selection: Selection, staves: str) -> _Result:
    try:
        wanted = functools.partial(selection.wants, split)
        return split, *piece_records(piece_dir, wanted, staves)
    except UserError as error:
        return split, [], [str(error)]
    except Exception as error:  # one broken piece must not end the whole conversion
        return split, [], [f"{printable(str(piece_dir))}: {why_left_out(error)}"]


def convert(
    msmd_dir: str | Path,
    output: str | Path,
    split_paths: Sequence[str | Path] = (),
    selection: Selection | None = None,
    shard_megabytes: float = 64,
    workers: int | None = None,
    runner: Runner | None = None,
    staves: str = PRINTED,
) -> ConversionReport:
    """Converts an MSMD directory to shards; the same input gives the same bytes.

    The files appear in `output` when everything has been converted, `dataset_info.json` last.

    Args:
        msmd_dir: Directory with a directory for each piece, rebuilt or downloaded.
        output: Directory for the shards; shards that it holds already are replaced.
        split_paths: Paths of split files, see `splits.read_split`; by default `hash_split` is used.
        selection: Performances that go into each split.
        shard_megabytes: Size in megabytes at which a shard is closed.
        workers: Number of processes; by default one per processor core.
        runner: Apache Beam runner that reads the pieces instead; the shards are the same.
        staves: Distance of a piano's staves, see `geometry.STAVES`.

    Raises:
        UserError: The directory or the split file cannot be used, no piece is played by a soundfont
            that was chosen, `output` holds records with other staves, or nothing was converted.
    """
    present = list_pieces(msmd_dir)
    split, report = _read_splits(split_paths, present)
    selection = selection or Selection()
    _check_sounds(Path(msmd_dir), present, selection)
    _check_kind(Path(output), staves)
    calls = [
        functools.partial(_records, Path(msmd_dir) / piece, name, selection, staves)
        for name in schema.SPLITS
        for piece in sorted(split[name])
        if piece in present
    ]
    output = Path(output)
    output.mkdir(parents=True, exist_ok=True)
    with building_in(output), telling_failures(output):
        results = progress.track(_run(calls, output, workers, runner), "pieces", len(calls))
        _write_shards(msmd_dir, results, output, shard_megabytes * 1e6, report, staves)
    return report


def _check_sounds(msmd_dir: Path, pieces: Sequence[str], selection: Selection) -> None:
    """Raises `UserError` if no piece is played by a soundfont that was chosen."""
    chosen: dict[str, tuple[str, ...]] = {
        "test_soundfont": (selection.test_soundfont,) if selection.test_soundfont else (),
        "train_soundfonts": selection.train_soundfonts,
    }
    if not any(chosen.values()):
        return
    names = (name for piece in pieces for name in performance_names(msmd_dir / piece))
    there = {plain_soundfont(parse_performance_name(name)[1]) for name in names}
    for field_name, sounds in chosen.items():
        for unheard in (sound for sound in sounds if sound not in there):
            raise UserError(
                f"{field_name} must be among {printable(', '.join(sorted(there)))}, which play the "
                f"pieces, received {unheard!r}"
            )


def _check_kind(output: Path, staves: str) -> None:
    """Raises `UserError` if a directory holds records with other staves, as other models need."""
    try:
        there = schema.read_staves(output)
    except UserError:  # there are none, or none that can be used
        return
    if there != staves:
        raise UserError(f"output must be another directory: {output} has records of staves {there}")


def _read_splits(
    paths: Sequence[str | Path], present: Sequence[str]
) -> tuple[dict[str, list[str]], ConversionReport]:
    """Returns the split, and a report that compares it with the pieces that are there."""
    split = splits.read_splits(paths) if paths else splits.hash_split(present)
    listed = {piece for pieces in split.values() for piece in pieces}
    report = ConversionReport(
        split=", ".join(Path(path).name for path in paths) or "hash of the piece name",
        missing=sorted(listed - set(present)),
        unlisted=sorted(set(present) - listed),
    )
    return split, report


def _run(
    calls: Sequence[Callable[[], _Result]], output: Path, workers: int | None, runner: Runner | None
) -> Iterator[_Result]:
    """Yields the results of calls in their order, a bounded number of them ahead."""
    workers = workers or os.cpu_count() or 1
    if runner:
        yield from run_calls(calls, output, runner, "piece")
    elif workers <= 1 or len(calls) <= 1:
        yield from (call() for call in calls)
    else:
        with worker_pool(workers) as pool:
            pending: collections.deque[Future[_Result]] = collections.deque()
            for call in calls:
                pending.append(pool.submit(call))
                if len(pending) > 2 * workers:
                    yield pending.popleft().result()
            yield from (future.result() for future in pending)


def _write_shards(
    msmd_dir: str | Path,
    results: Iterable[_Result],
    output: Path,
    shard_bytes: float,
    report: ConversionReport,
    staves: str,
) -> None:
    """Writes the records of all pieces, and publishes the shards when they are whole."""
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=output) as directory:
        temporary = Path(directory)
        writers = {name: _ShardWriter(temporary, name, shard_bytes) for name in schema.SPLITS}
        for split, records, problems in results:
            report.problems += problems
            writers[split].add(records)
        report.splits = {name: writer.close() for name, writer in writers.items()}
        if not any(info.records for info in report.splits.values()):
            reason = report.problems[0] if report.problems else "no piece is in the split file"
            raise UserError(f"{msmd_dir}: nothing to convert ({reason})")
        _publish(temporary, output)
    more = {"split": report.split, "missing": report.missing, "problems": report.problems}
    schema.write_info(output, report.splits, staves, **more)


def _publish(temporary: Path, output: Path) -> None:
    (output / schema.INFO_NAME).unlink(missing_ok=True)
    for name in schema.SPLITS:
        for old in output.glob(f"{name}-?????-of-?????.tfrecord"):
            old.unlink()
    for path in sorted(temporary.iterdir()):
        os.replace(path, output / path.name)


class _ShardWriter:
    """Writes the records of a split, beginning a new file when one has reached its size."""

    def __init__(self, directory: Path, split: str, shard_bytes: float):
        self.directory, self.split, self.shard_bytes = directory, split, shard_bytes
        self.info = schema.SplitInfo()
        self.counts: list[int] = []
        self.written = 0
        self.writer: Any = None

    def _path(self, index: int) -> Path:
        return self.directory / f"{self.split}-{index}"

    def add(self, records: list[schema.Record]) -> None:
        """Appends the records of one piece."""
        import tensorflow as tf

        for record in records:
            if self.writer is None:
                self.writer = tf.io.TFRecordWriter(str(self._path(len(self.counts))))
                self.counts.append(0)
                self.written = 0
            serialized = schema.serialize(record)
            self.writer.write(serialized)
            self.counts[-1] += 1
            self.written += len(serialized)
            if self.written >= self.shard_bytes:
                self.writer.close()
                self.writer = None
            self.info.records += 1
            self.info.pairs += len(record.onset_frames)
            self.info.frames += len(record.spectrogram)
        self.info.pieces += bool(records)

    def close(self) -> schema.SplitInfo:
        """Gives the files their names and returns their contents in numbers."""
        if self.writer is not None:
            self.writer.close()
        for index, count in enumerate(self.counts):
            name = schema.shard_name(self.split, index, len(self.counts))
            path = self._path(index).rename(self.directory / name)
            self.info.shards.append(schema.Shard(name, path.stat().st_size, count))
        self.info.hours = round(self.info.frames / FRAMES_PER_SECOND / 3600, 4)
        return self.info
