"""Figures of excerpts with their attention, and of its entropy over onsets."""

import os
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, MaxNLocator

from tempo_invariant.audio.plotting import draw_heard, draw_snippet, excerpt_seconds
from tempo_invariant.files import atomic_write

COLUMN_INCHES = 2.7
DPI = 120
ROWS = (1.0, 1.8, 0.5, 1.8)
"""Heights of attention, spectrogram, a gap for its axis, and snippet."""


def excerpts_figure(
    sheets: np.ndarray,
    spectrograms: np.ndarray,
    attention: np.ndarray,
    onsets: np.ndarray,
    entropy: np.ndarray,
) -> Figure:
    """Draws excerpts side by side: attention above the spectrogram, the sheet snippet below.

    As Figure 2 of the paper. The attention has one scale for all, multiples of uniform attention.

    Args:
        sheets: Grey values from 0 (ink) to 255, `[excerpts, rows, columns]`.
        spectrograms: Spectrograms of the excerpts, `[excerpts, bands, frames]`.
        attention: Attention weights that sum to one, `[excerpts, frames]`.
        onsets: Number of distinct onsets in each window, `[excerpts]`.
        entropy: Entropy of the attention in nats, `[excerpts]`.
    """
    count, frames = attention.shape
    width = COLUMN_INCHES * count + 0.7
    figure = Figure(figsize=(width, 6.2), dpi=DPI)
    grid = figure.add_gridspec(len(ROWS), count, height_ratios=ROWS, wspace=0.08, hspace=0.05)
    grid.update(left=0.62 / width, right=1 - 0.12 / width, bottom=0.02, top=0.92)
    multiples, seconds = frames * attention, excerpt_seconds(frames)
    highest = max(2.0, 1.08 * float(multiples.max()))
    for column in range(count):
        weights, sound, sheet = (figure.add_subplot(grid[row, column]) for row in (0, 1, 3))
        heard = spectrograms[column], multiples[column], seconds
        draw_heard(weights, sound, *heard, "seconds from the centre")
        draw_snippet(sheet, sheets[column])
        sound.xaxis.label.set_fontsize(9)
        sound.xaxis.set_major_locator(MaxNLocator(5))
        weights.set_ylim(0, highest)
        title = f"{onsets[column]} onsets\nentropy {entropy[column]:.2f} nats"
        weights.set_title(title, fontsize=10)
        if column:
            for axes in (weights, sound):
                axes.set_ylabel("")
                axes.tick_params(labelleft=False)
    return figure


def entropy_figure(onsets: np.ndarray, entropy: np.ndarray, found: dict[str, Any]) -> Figure:
    """Draws entropy against onsets as a density, with the medians of ranges of onsets.

    Args:
        onsets: Number of distinct onsets in each window, `[windows]`.
        entropy: Entropy of the attention in nats, `[windows]`.
        found: Report of the same windows, see `tempo_invariant.evaluation.attention.report`.
    """
    figure = Figure(figsize=(6.4, 4.6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    # From a third of a window, so that a single one is not as good as white.
    norm = LogNorm(vmin=1 / 3)
    cells = axes.hexbin(onsets, entropy, gridsize=(32, 22), mincnt=1, norm=norm, cmap="Purples")
    bar = figure.colorbar(cells, ax=axes, label="windows", format=LogFormatter())
    bar.ax.set_ylim(bottom=1)
    places = [part["onsets"] for part in found["by_onsets"]]
    low, middle, high = np.array([part["entropy"] for part in found["by_onsets"]]).T
    ends, label = (middle - low, high - middle), "median and quartiles"
    axes.errorbar(places, middle, ends, fmt="o-", color="tab:orange", ms=4, capsize=2, label=label)
    uniform = found["uniform_nats"]
    axes.axhline(uniform, color="grey", linewidth=0.8, linestyle=":", label="uniform attention")
    axes.set_ylim(top=1.03 * uniform)
    axes.set_xlabel(f"distinct onsets in the window of {found['seconds']:g} s")
    axes.set_ylabel("entropy of the attention, nats")
    lines = [
        f"{name.capitalize()} {value:.2f} [{low:.2f}, {high:.2f}]"
        for name, (value, low, high) in found["correlation"].items()
    ]
    title = f"{found['pairs']:,d} windows of {found['pieces']} pieces\n{', '.join(lines)}"
    axes.set_title(title.replace("-", "\N{MINUS SIGN}"), fontsize=9)
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    return figure


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Writes a picture in the format that the path's suffix names."""
    with atomic_write(path) as temporary:
        figure.savefig(temporary)
