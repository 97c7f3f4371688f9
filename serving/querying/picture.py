"""Draws the answer to a query: what was heard, what was attended to, and the best snippets."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from serving.querying.search import Match, QueryAnswer, read_snippet
from tempo_invariant.audio.plotting import draw_heard, draw_snippet, excerpt_seconds
from tempo_invariant.files import atomic_write
from tempo_invariant.retrieval.library import shorten_name

_COLUMNS = 3
_AUDIO_INCHES = (1.4, 2.8)
_SNIPPET_INCHES = 2.9
_NAME_WIDTH = 36


def draw(answer: QueryAnswer, matches: Sequence[Match], path: str | Path) -> None:
    """Writes a picture of the excerpt's spectrogram and attention above the best snippets.

    Args:
        answer: The answer to a query.
        matches: The matches to draw, best first.
        path: A file name with a suffix that matplotlib knows.
    """
    rows = -(-len(matches) // _COLUMNS)
    heights = [*_AUDIO_INCHES, *[_SNIPPET_INCHES] * rows]
    figure = Figure(figsize=(9, sum(heights)), dpi=100, layout="constrained")
    grid = figure.add_gridspec(len(heights), _COLUMNS, height_ratios=heights)
    weights, sound = figure.add_subplot(grid[0, :]), figure.add_subplot(grid[1, :])
    centre, frames = answer.excerpt.centre_seconds, len(answer.attention)
    seconds = excerpt_seconds(frames, centre)
    labels = "seconds in the recording", "attention\n(1: uniform)"
    draw_heard(weights, sound, answer.spectrogram, answer.attention * frames, seconds, *labels)
    weights.set_title(f"query around {centre:.2f} s", fontsize=11)
    sound.axvline(centre, color="white", linewidth=0.8, linestyle=":")
    for index, match in enumerate(matches):
        cell = grid[2 + index // _COLUMNS, index % _COLUMNS]
        _draw_match(figure.add_subplot(cell), index + 1, match)
    with atomic_write(path) as temporary:
        FigureCanvasAgg(figure).print_figure(temporary)


def _draw_match(axes: Axes, number: int, match: Match) -> None:
    piece, page, system, x = match.place
    where = "" if page == "-" else f"\npage {page}, system {system}, x {x}"
    draw_snippet(axes, read_snippet(match.path))
    name = shorten_name(piece, _NAME_WIDTH)
    axes.set_title(f"{number}. {name} ({match.similarity:.3f}){where}", fontsize=8)
