"""Runs calls on Apache Beam, for collections that are too large for one machine.

The runner's workers must see the same files as this process, under the same names: inputs, the
output directory (results pass through a folder in it), soundfonts. They run as the same user and
have this package installed. Apache Beam is an extra of its own: `pip install
"tempo-invariant[beam]"`.
"""

import contextlib
import pickle
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tempo_invariant import extras, progress
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import atomic_write

_POLL_SECONDS = 1.0

RUNNER_HELP = (
    "Apache Beam runner instead of processes here, such as DirectRunner, FlinkRunner, SparkRunner "
    "or DataflowRunner. Its workers must have this package and see inputs and output under the "
    "same absolute paths (a shared or mounted file system; gs:// and the like are not read)."
)
RUNNER_OPTION_HELP = (
    "Option of the Beam pipeline, such as --flink_master=host:8081 (may be repeated)."
)


@dataclass(frozen=True)
class Runner:
    """A Beam runner by name, and options of the pipeline such as `--flink_master=host:8081`."""

    name: str
    options: tuple[str, ...] = ()


def run_calls(
    calls: Sequence[Callable[[], Any]], directory: str | Path, runner: Runner, unit: str
) -> Iterator[Any]:
    """Runs calls on Beam and then yields what they returned, in the order of the calls.

    Args:
        calls: Functions without arguments that can be pickled, as can what they return; an
            exception ends everything.
        directory: Directory in which workers write results into a temporary folder.
        runner: Beam runner to run them on.
        unit: Name of the unit of work, for the progress on stderr.

    Raises:
        UserError: Beam is not installed, there is no such runner, or it failed.
    """
    folder = Path(tempfile.mkdtemp(prefix=".partial-", dir=Path(directory).absolute()))
    try:
        _run_pipeline([pickle.dumps(call) for call in calls], folder, runner, unit)
        for index in range(len(calls)):
            path = _result_path(folder, index)
            yield pickle.loads(path.read_bytes())
            path.unlink()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _run_pipeline(calls: list[bytes], folder: Path, runner: Runner, unit: str) -> None:
    extras.require("apache_beam", f"runner {runner.name}")
    import apache_beam as beam
    from apache_beam.options.pipeline_options import PipelineOptions

    options = PipelineOptions([f"--runner={runner.name}", *runner.options])
    try:
        with _progress(folder, len(calls), unit):
            pipeline = beam.Pipeline(options=options)
            _ = (
                pipeline
                | "Calls" >> beam.Create(list(enumerate(calls)))
                | "Spread" >> beam.Reshuffle()
                | "Run" >> beam.Map(run_call, str(folder))
            )
            state = pipeline.run().wait_until_finish()
    except Exception as error:  # of any kind: every runner has its own
        raise UserError(f"runner {runner.name}: {one_line(error)}") from error
    if state != "DONE":
        raise UserError(f"runner {runner.name}: the pipeline ended as {state}")


def run_call(call: tuple[int, bytes], folder: str) -> None:
    """Runs a call (number, pickle) on a worker and writes what it returns into a folder."""
    index, pickled = call
    with atomic_write(_result_path(Path(folder), index)) as path:
        path.write_bytes(pickle.dumps(pickle.loads(pickled)()))


def _result_path(folder: Path, index: int) -> Path:
    return folder / f"{index:07d}.result"


@contextlib.contextmanager
def _progress(folder: Path, total: int, unit: str) -> Iterator[None]:
    """Shows on stderr how many results there are."""
    done = threading.Event()

    def watch() -> None:
        with progress.track(text=f"{unit}s", total=total) as bar:
            finished = False
            while not finished:
                finished = done.wait(_POLL_SECONDS)
                bar.update(len(list(folder.glob("[0-9]*.result"))) - bar.n)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
