"""The figure of the error of a live cursor over the time after the start."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from tempo_invariant.evaluation.live_sessions import NEAR_SECONDS
from tempo_invariant.files import atomic_write

LONGEST_SECONDS = 60
"""Later, few pieces still go on."""


def figure(reports: Sequence[dict[str, Any]]) -> Figure:
    """Draws the curves of `live.run`: errors of the onsets of every second, and how many are near.

    Where no cursor is shown the median or the 90 % quantile has a gap.
    """
    drawing = Figure(figsize=(6, 6), dpi=120, layout="constrained")
    above, below = drawing.subplots(2, sharex=True)
    for report in reports:
        _draw_curve(above, below, report["curve"][:LONGEST_SECONDS], report["text"])
    above.set_yscale("log")
    above.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    above.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    above.yaxis.set_minor_formatter(NullFormatter())
    above.set_ylabel("error, s (median; dotted: 90 %)")
    below.set_ylabel(f"within {NEAR_SECONDS:g} s, %")
    below.set_xlabel("seconds after the start")
    below.legend(fontsize=7, loc="lower right")
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return drawing


def _draw_curve(above: Axes, below: Axes, rows: Sequence[dict[str, Any]], name: str) -> None:
    def column(key: str) -> np.ndarray:
        return np.array([row[key] for row in rows], float)  # None becomes NaN

    seconds = column("seconds")
    (line,) = above.plot(seconds, column("median"), label=name)
    above.plot(seconds, column("90%"), ":", color=line.get_color())
    below.plot(seconds, 100 * column("near"), color=line.get_color(), label=name)


def draw(reports: Sequence[dict[str, Any]], output: str | os.PathLike) -> None:
    """Writes the figure in the format that the path's suffix names."""
    with atomic_write(output) as temporary:
        figure(reports).savefig(temporary)
