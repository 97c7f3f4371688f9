"""The figure of the right score in the first place by the size of the library."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from tempo_invariant.files import atomic_write


def figure(reports: Sequence[dict[str, Any]]) -> Figure:
    """Draws the curves of `library_size.run`, solid as measured, dashed beyond it."""
    drawing = Figure(figsize=(6, 4), dpi=120, layout="constrained")
    axes = drawing.subplots()
    for report in reports:
        for way, rows in report["curves"].items():
            name = way if len(reports) == 1 else f"{report['condition']}, {way}"
            _draw_curve(axes, rows, name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_xlabel("scores in the library")
    axes.set_ylabel("right in the first place, %")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    return drawing


def _draw_curve(axes: Axes, rows: Sequence[dict[str, Any]], name: str) -> None:
    known = [row for row in rows if row["measured"]]
    beyond = [row for row in rows if row["scores"] >= known[-1]["scores"]]
    sizes = [row["scores"] for row in known]
    values, lows, highs = 100 * np.array([row["measured"] for row in known]).T
    (line,) = axes.plot(sizes, values, "o-", label=name)
    axes.fill_between(sizes, lows, highs, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.plot(
        [row["scores"] for row in beyond],
        [100 * row["fitted"][0] for row in beyond],
        "--",
        color=line.get_color(),
        label=f"{name}, extrapolated",
    )


def draw(reports: Sequence[dict[str, Any]], output: str | os.PathLike) -> None:
    """Writes the figure in the format that the path's suffix names."""
    with atomic_write(output) as temporary:
        figure(reports).savefig(temporary)
