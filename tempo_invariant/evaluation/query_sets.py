"""Query sets: what benchmarks play, as a folder of recordings with their truth.

`python -m tfrecords_tools.query_set` plays one from the pieces of an MSMD directory, and anybody
can write one for real recordings. The folder holds audio files of any format, a JSON file with the
truth of each, and `queries.json`:

    {"format": 1,
     "conditions": [{"name": "concert"}, {"name": "10 s", "seconds": 10, "gain_db": -6}],
     "queries": [
      {"piece": "waltz", "condition": "concert", "audio": "waltz.mp3", "truth": "waltz.json"},
      {"piece": "waltz", "condition": "10 s", "audio": "waltz.mp3", "truth": "waltz.json",
       "start_seconds": 31.5, "seconds": 10}]}

Queries that differ in their condition's degradation and gain or in their excerpt alone share one
audio file: all of that is applied when a query is read. `piece` is the name of the score, and
`seed` (numbers) that of what is random in the degradation. The other fields of a condition are
those of `conditions.Condition`, its degradation those of `RecordingDegradation`. The truth lists
when the note heads are struck in the audio file, in any order:

    [{"seconds": 0.48, "page": 1, "system": 1, "x": 132.5},
     {"seconds": 0.97, "page": 1, "system": 1, "x": 161.0}]

Pages and systems on a page count from 1 (0: in no system), `x` is the column of the head in pixels
of the page. What is known besides is `moment`, the notated time in quarter notes, by which heads
belong together that are struck together; `head`, its id on the page; and whether it is `tied`.
"""

import contextlib
import dataclasses
import functools
import hashlib
import io
import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tempo_invariant import files, json_objects
from tempo_invariant.audio import reading
from tempo_invariant.audio.degradation import AS_PLAYED, amplify, degrade_recording
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation.conditions import Condition
from tempo_invariant.geometry import SAMPLE_RATE

FORMAT = 1
INFO_NAME = "queries.json"
LONGEST_SECONDS = 1_000_000

Made = TypeVar("Made")
Item = TypeVar("Item")


@dataclass(frozen=True)
class Strike:
    """A note head and when it is struck; see the module for the fields."""

    seconds: float
    page: int
    system: int
    x: float
    moment: float | None = None
    head: int = -1
    tied: bool = False


TRUTH = np.dtype(
    [("seconds", float), ("page", int), ("system", int), ("x", float)]
    + [("moment", float), ("head", int), ("tied", bool)]
)
"""A `Strike` as a row; where the moment is not known, it is not a number."""


@dataclass(frozen=True)
class Entry:
    """A query as it is written; see the module for the fields."""

    piece: str
    condition: str
    audio: str
    truth: str
    start_seconds: float = 0.0
    seconds: float = 0.0
    seed: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if min(self.start_seconds, self.seconds, *self.seed) < 0:
            raise UserError("start_seconds, seconds and seed must not be negative")
        if max(self.start_seconds, self.seconds) > LONGEST_SECONDS:
            raise UserError(f"start_seconds and seconds must be at most {LONGEST_SECONDS:,d}")


@dataclass(frozen=True)
class QuerySet:
    """The content of `queries.json`."""

    format: int
    conditions: list[Condition]
    queries: list[Entry]


@dataclass(frozen=True)
class Query:
    """A recording, or an excerpt of one, whose score and places in it are known.

    Attributes:
        entry: How it is written.
        condition: What is heard.
        audio: Audio file.
        truth_path: JSON file with the truth of the audio file.
        strikes: What it says, rows of `TRUTH` in its order.
    """

    entry: Entry
    condition: Condition
    audio: Path
    truth_path: Path
    strikes: np.ndarray

    @property
    def piece(self) -> str:
        """Name of the score."""
        return self.entry.piece

    def pcm(self) -> np.ndarray:
        """Returns what is heard, degraded, amplified and cut: float32 [samples] at 22,050 Hz.

        Raises:
            UserError: The recording cannot be read, or ends before the excerpt begins.
        """
        pcm = np.concatenate(list(reading.read_blocks(self.audio)))
        if self.condition.degradation != AS_PLAYED:
            pcm = degrade_recording(pcm, self.condition.degradation, self.entry.seed)
        pcm = amplify(pcm, self.condition.gain_db)
        first = round(self.entry.start_seconds * SAMPLE_RATE)
        if first >= len(pcm):
            raise UserError(
                f"{self.audio}: lasts {len(pcm) / SAMPLE_RATE:.1f} s, and the query of "
                f"{self.piece} begins at {self.entry.start_seconds:g} s"
            )
        count = round(self.entry.seconds * SAMPLE_RATE) or len(pcm)
        return pcm[first : first + count]

    def truth(self) -> np.ndarray:
        """Returns `TRUTH` rows, whose seconds count from the start of the whole recording.

        An excerpt begins at `entry.start_seconds`. An instrument out of tune is faster.
        """
        rows = self.strikes.copy()
        rows["seconds"] *= self.condition.degradation.time_factor
        return rows

    def key(self) -> str:
        """Returns a name for what is heard and its truth, the same wherever the files are."""
        facts: list[Any] = [json_objects.plain(self.condition.degradation), self.condition.gain_db]
        facts += [self.entry.start_seconds, self.entry.seconds, self.entry.seed]
        facts += [_sha256(p, p.stat().st_mtime_ns) for p in (self.audio, self.truth_path)]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def check(directory: str | Path) -> None:
    """Raises `UserError` if a folder is no query set, before the recordings are looked at."""
    if not (Path(directory) / INFO_NAME).is_file():
        raise UserError(
            f"{directory}: no query set: it holds no {INFO_NAME} (tempo-invariant query-set makes "
            "one)"
        )


def read(directory: str | Path, pieces: Sequence[str] = ()) -> list[Query]:
    """Reads a query set.

    Args:
        directory: Folder with `queries.json`.
        pieces: Names of the only pieces to take, if any.

    Returns:
        The queries in the order of the file.

    Raises:
        UserError: A file is missing or malformed, a condition is unknown, or there is no query, or
            none of a piece.
    """
    check(directory)
    path = Path(directory) / INFO_NAME
    content: QuerySet = json_objects.load(QuerySet, path)
    if content.format != FORMAT:
        raise UserError(f"{path}: not a query set of format {FORMAT}")
    conditions = {condition.name: condition for condition in content.conditions}
    if len(conditions) < len(content.conditions):
        raise UserError(f"{path}: two conditions have one name")
    missing = sorted(set(pieces) - {entry.piece for entry in content.queries})
    if missing or not content.queries:
        raise UserError(f"{path}: holds no query" + (f" of {missing[0]!r}" if missing else ""))
    read_truth = functools.cache(_read_truth)
    queries = []
    for entry in content.queries:
        if entry.condition not in conditions:
            raise UserError(f"{path}: {entry.piece}: unknown condition {entry.condition!r}")
        audio, truth = path.parent / entry.audio, path.parent / entry.truth
        if not audio.is_file():
            raise UserError(f"{audio}: no such audio file")
        if not pieces or entry.piece in pieces:
            condition = conditions[entry.condition]
            queries.append(Query(entry, condition, audio, truth, read_truth(truth)))
    return queries


def _read_truth(path: Path) -> np.ndarray:
    strikes = json_objects.load(list[Strike], path)
    if not strikes:
        raise UserError(f"{path}: no note head is aligned with the recording")
    return np.array([dataclasses.astuple(strike) for strike in strikes], TRUTH)


def by_condition(queries: Iterable[Query]) -> dict[Condition, list[Query]]:
    """Returns the queries of each condition, in their order."""
    found: dict[Condition, list[Query]] = {}
    for query in queries:
        found.setdefault(query.condition, []).append(query)
    return found


def write(directory: str | Path, conditions: Sequence[Condition], queries: Sequence[Entry]) -> None:
    """Writes `queries.json`; the audio files and their truth, lists of strikes, are there."""
    content = QuerySet(FORMAT, list(conditions), list(queries))
    json_objects.save(Path(directory) / INFO_NAME, content)


@contextlib.contextmanager
def opened(
    directory: str | Path | None,
    pieces: Sequence[str] = (),
    arguments: Sequence[str] = (),
    keep: str | Path | None = None,
) -> Iterator[list[Query]]:
    """Yields the queries of a set, which is played first if none is given.

    Args:
        directory: Query set; None to make one.
        pieces: Names of the only pieces to take, if any.
        arguments: Flags of `python -m tfrecords_tools.query_set` that say what is played.
        keep: Folder for the set that is made, from where it goes on and is used again; None for a
            temporary one.

    Raises:
        UserError: The set cannot be read or made.
    """
    with tempfile.TemporaryDirectory(prefix="queries-") as scratch:
        if not directory:
            directory = keep or scratch
            _play([*arguments, f"--output={directory}"])
        yield read(directory, pieces)


def ahead(function: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """Yields `function` of every item, in order, while threads work on the next ones.

    There are as many threads as processor cores, and no more results wait than that.
    """
    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers)
    rest = iter(items)
    try:
        pending = deque(pool.submit(function, item) for item in itertools.islice(rest, workers))
        while pending:
            result = pending.popleft().result()
            pending.extend(pool.submit(function, item) for item in itertools.islice(rest, 1))
            yield result
    finally:
        pool.shutdown(cancel_futures=True)


def _play(arguments: Sequence[str]) -> None:
    """Runs the command that plays a query set; it shows its progress here, and so does its error.

    It is another process because the package that plays builds on this one.
    """
    command = [sys.executable, "-m", "tfrecords_tools.query_set", *arguments]
    environment = os.environ | {"TQDM_DISABLE": "" if sys.stderr.isatty() else "1"}
    error = ""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment
    ) as process:
        assert process.stderr is not None
        # The lines of a progress bar end where it is drawn again.
        for line in io.TextIOWrapper(process.stderr, errors="replace", newline=""):
            if line.startswith("error: "):
                error = line.removeprefix("error: ").strip()
            else:
                sys.stderr.write(line)
                sys.stderr.flush()
    if process.returncode:
        raise UserError(error or f"tfrecords_tools.query_set ended with {process.returncode}")


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, modified: int) -> str:
    """Returns the hash of a file, which many queries share, as it was modified at a time."""
    return files.sha256(path)
