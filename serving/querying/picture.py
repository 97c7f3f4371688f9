"""Draws the answer to a query: what was heard, what was attended to, and the best snippets."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from serving.querying.search import Answer, Match, read_snippet
from tempo_invariant import geometry
from tempo_invariant.files import atomic_write

_COLUMNS = 3
_AUDIO_INCHES = (1.4, 2.8)
_SNIPPET_INCHES = 2.9


def draw(answer: Answer, matches: Sequence[Match], path: str | Path) -> None:
    """Writes a picture of the excerpt's spectrogram and attention above the best snippets.

    Args:
        answer: the answer to a query.
        matches: the matches to draw, best first.
        path: a file name with a suffix that matplotlib knows.
    """
    rows = -(-len(matches) // _COLUMNS)
    heights = [*_AUDIO_INCHES, *[_SNIPPET_INCHES] * rows]
    figure = Figure(figsize=(9, sum(heights)), dpi=100, layout="constrained")
    grid = figure.add_gridspec(len(heights), _COLUMNS, height_ratios=heights)
    weights = figure.add_subplot(grid[0, :])
    _draw_audio(weights, figure.add_subplot(grid[1, :], sharex=weights), answer)
    for index, match in enumerate(matches):
        cell = grid[2 + index // _COLUMNS, index % _COLUMNS]
        _draw_snippet(figure.add_subplot(cell), index + 1, match)
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary)


def _draw_audio(weights, sound, answer: Answer) -> None:
    spectrogram, attention = answer.audio.spectrogram[0], answer.audio.attention[0]
    frames = len(attention)
    rate = geometry.FRAMES_PER_SECOND
    offsets = np.arange(frames) - frames // 2
    seconds = answer.excerpt.centre_seconds + offsets / rate
    edges = (seconds[0] - 0.5 / rate, seconds[-1] + 0.5 / rate)
    weights.fill_between(seconds, attention * frames, step="mid", color="tab:orange", alpha=0.7)
    weights.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    weights.set_ylim(0, max(2.0, 1.05 * float(attention.max()) * frames))
    weights.set_title(f"query around {answer.excerpt.centre_seconds:.2f} s", fontsize=11)
    weights.tick_params(labelbottom=False)
    weights.set_ylabel("attention\n(1: uniform)")
    sound.imshow(
        spectrogram,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(*edges, -0.5, len(spectrogram) - 0.5),
    )
    sound.axvline(answer.excerpt.centre_seconds, color="white", linewidth=0.8, linestyle=":")
    sound.set_xlabel("seconds in the recording")
    sound.set_ylabel("band")


def _draw_snippet(axis, number: int, match: Match) -> None:
    piece, page, system, x = match.place
    where = "" if page == "-" else f"\npage {page}, system {system}, x {x}"
    image = read_snippet(match.path)
    axis.imshow(image, cmap="gray", vmin=0, vmax=geometry.PAPER)
    axis.axvline((image.shape[1] - 1) / 2, color="tab:red", linewidth=0.8, alpha=0.6)
    axis.set(xticks=[], yticks=[])
    axis.set_title(f"{number}. {_shorten(piece)} ({match.similarity:.3f}){where}", fontsize=8)


def _shorten(name: str, length: int = 36) -> str:
    return name if len(name) <= length else name[: length - 1] + "…"
