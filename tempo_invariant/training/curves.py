"""Training curves of runs, from their histories."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.model.runs import RunDirectory, read_history

PANELS = (
    ("val_mrr", "validation MRR", 1.0),
    ("val_r@1", "validation R@1, %", 100.0),
    ("loss", "training loss", 1.0),
)
"""Key in the history, name on the panel, and factor of the values."""

History = list[dict[str, Any]]


def read(runs: Sequence[str | os.PathLike], names: Sequence[str] = ()) -> dict[str, History]:
    """Reads the histories of runs.

    Args:
        runs: Run directories.
        names: Names of the runs; empty: those of the directories.

    Returns:
        A line per epoch, by the name of the run, in the order of `runs`.

    Raises:
        UserError: A run has no epoch yet or is none, two have the same name, or there are more or
            fewer names than runs.
    """
    if names and len(names) != len(runs):
        raise UserError(f"names must be one for each of {len(runs)} runs, received {len(names)}")
    histories: dict[str, History] = {}
    for index, path in enumerate(map(Path, runs)):
        name = names[index] if names else path.resolve().name
        file = RunDirectory(path).history
        history = read_history(file, ["epoch", "pairs", "seconds", *(key for key, *_ in PANELS)])
        if not history:
            raise UserError(f"{path}: no epoch in {file.name}, or not a run")
        if name in histories:
            raise UserError(f"two runs are called {name!r}: tell them apart by names")
        histories[name] = history
    return histories


def best(history: History) -> dict[str, Any]:
    """Returns the line of the first epoch with the highest validation MRR, the one kept."""
    return max(history, key=lambda line: line["val_mrr"])


def figure(histories: Mapping[str, History]) -> Figure:
    """Draws a panel for each of `PANELS`, over pairs; the loss on a logarithmic axis."""
    drawing = Figure(figsize=(11, 3.6), dpi=120, layout="constrained")
    panels = drawing.subplots(1, len(PANELS))
    for axes, (key, label, factor) in zip(panels, PANELS, strict=True):
        for name, history in histories.items():
            pairs = [line["pairs"] for line in history]
            values = [factor * line[key] for line in history]
            (curve,) = axes.plot(pairs, values, linewidth=1.3, label=name)
            peak = best(history)
            axes.plot(peak["pairs"], factor * peak[key], "o", color=curve.get_color(), markersize=5)
        axes.set_xlabel("pairs")
        axes.set_title(label, fontsize=10)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(FuncFormatter(thousands))
        axes.grid(alpha=0.3)
        if key == "loss":
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.yaxis.set_minor_formatter(NullFormatter())
        else:
            axes.set_ylim(0, factor)
    panels[0].legend(loc="lower right", fontsize=9)
    return drawing


def thousands(pairs: float, _position: int | None = None) -> str:
    """Returns a number of pairs as the label of an axis: 0, 500k, 1.5M."""
    if pairs >= 1e6:
        return f"{pairs / 1e6:g}M"
    return f"{pairs / 1e3:g}k" if pairs else "0"


def draw(histories: Mapping[str, History], output: str | os.PathLike) -> None:
    """Writes the figure in the format that the path's suffix names."""
    with atomic_write(output) as temporary:
        figure(histories).savefig(temporary)


def summary(histories: Mapping[str, History]) -> str:
    """Returns a line per run: its best epoch and how long it was trained."""
    lines = []
    for name, history in histories.items():
        peak, last = best(history), history[-1]
        lines.append(
            f"{name}: best MRR {peak['val_mrr']:.3f}, R@1 {100 * peak['val_r@1']:.1f} after "
            f"{peak['pairs']:,d} pairs; {last['pairs']:,d} pairs in {last['epoch']} epochs, "
            f"{sum(line['seconds'] for line in history) / 3600:.2f} h"
        )
    return "\n".join(lines)
