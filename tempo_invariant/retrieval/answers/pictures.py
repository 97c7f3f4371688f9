"""Pictures of an answer: pages, similarities, sound with attention."""

import io
from collections.abc import Iterable

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tempo_invariant import geometry
from tempo_invariant.audio.plotting import draw_heard
from tempo_invariant.retrieval.identification import Matching

_COLUMNS = 1600
"""Columns to which long spectrograms are averaged."""

_CHUNK_SECONDS = 60


def matrix_figure(answer: Matching, step_label: str, position_label: str) -> Figure:
    """Draws the similarities of the query with the best document, and the path through them.

    Args:
        answer: Similarities of the query with its best document.
        step_label: Name of the query's steps.
        position_label: Name of the document's positions.
    """
    figure = Figure(figsize=(10, 4.2), dpi=100, layout="constrained")
    axis = figure.add_subplot()
    seconds = answer.steps if answer.steps.dtype.names is None else np.arange(len(answer.steps))
    heights = answer.places["seconds"] if "seconds" in (answer.places.dtype.names or ()) else None
    rows = np.arange(answer.similarities.shape[1]) if heights is None else heights
    (columns, x_edges), (lines, y_edges) = _cells(seconds), _cells(rows)
    shown = np.append(answer.similarities, np.full((1, len(rows)), np.nan), axis=0)[columns].T
    shown = np.append(shown, np.full((1, len(columns)), np.nan), axis=0)[lines]
    drawn = axis.pcolorfast(x_edges, y_edges, shown, cmap="viridis")
    for first, last in _runs(answer.path.leaps):
        axis.plot(
            seconds[first:last], rows[answer.path.positions[first:last]], color="tab:red", lw=1.5
        )
    figure.colorbar(drawn, ax=axis, label="similarity")
    axis.set_xlabel(step_label)
    axis.set_ylabel(position_label)
    return figure


def _cells(centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Divides an axis into cells around values, and empty ones where values are far apart.

    Args:
        centres: Values, ascending [values]: times of windows, of which silent ones are missing.

    Returns:
        Number of the value of each cell, -1 for an empty one, int64 [cells], and the edges of the
        cells, float64 [cells + 1].
    """
    gaps = np.diff(centres.astype(float))
    half = float(np.median(gaps)) / 2 if len(gaps) else 0.5
    far = np.flatnonzero(gaps > 4 * half)
    edges = np.r_[centres[0] - half, (centres[1:] + centres[:-1]) / 2, centres[-1] + half]
    edges[far + 1] = centres[far] + half
    edges = np.insert(edges, far + 2, centres[far + 1] - half)
    return np.insert(np.arange(len(centres)), far + 1, -1), edges


def _runs(leaps: np.ndarray) -> list[tuple[int, int]]:
    """Returns the stretches of a path between leaps."""
    edges = [0, *(int(step) for step in np.flatnonzero(leaps) if step), len(leaps)]
    return list(zip(edges[:-1], edges[1:], strict=True))


def sound_figure(spectrogram: np.ndarray, attention: np.ndarray, duration_seconds: float) -> Figure:
    """Draws a spectrogram, above it how much every frame was attended to.

    Args:
        spectrogram: Spectrogram [92, frames], see `whole_spectrogram`.
        attention: Attention to each frame [frames], see `attention_by_frame`.
        duration_seconds: Duration of the recording.
    """
    figure = Figure(figsize=(10, 3.6), dpi=100, layout="constrained")
    grid = figure.add_gridspec(2, 1, height_ratios=(1, 3))
    weights, sound = figure.add_subplot(grid[0]), figure.add_subplot(grid[1])
    seconds = (0.0, duration_seconds)
    labels = "seconds in the recording", "attention\n(1: usual)"
    draw_heard(weights, sound, spectrogram, attention, seconds, *labels)
    return figure


def whole_spectrogram(blocks: Iterable[np.ndarray]) -> np.ndarray:
    """Computes the spectrogram of a recording that comes in blocks, a minute at a time.

    Args:
        blocks: Blocks of the recording, float32 [samples] each, mono at 22,050 Hz.

    Returns:
        float32 [92, frames].
    """
    from tempo_invariant.audio.spectrogram import whole_spectrogram as of_pcm

    chunk, parts = _CHUNK_SECONDS * geometry.SAMPLE_RATE, []
    kept = np.zeros(0, np.float32)
    for block in blocks:
        kept = np.concatenate([kept, block])
        while len(kept) >= chunk + geometry.FRAME_SIZE:
            part = of_pcm(kept[: chunk + geometry.FRAME_SIZE])
            parts.append(part[:, : geometry.frame_count(chunk)])
            kept = kept[chunk:]
    if len(kept):
        parts.append(of_pcm(kept))
    return np.concatenate(parts, axis=1)


def attention_by_frame(seconds: np.ndarray, attention: np.ndarray, frame_count: int) -> np.ndarray:
    """Adds up the attention that all windows give to each frame of a recording.

    It is compared with what a frame gets on average in the same parts of windows: attention
    depends on that, and would else show the distance of the windows.

    Args:
        seconds: Middles of the windows [windows].
        attention: Attention of each window to its frames, which sums to one [windows, frames].
        frame_count: Number of frames of the recording.

    Returns:
        float [frame_count], 1 where it is as usual; 0 outside of windows.
    """
    length = attention.shape[1]
    total, usual = np.zeros((2, frame_count + 2 * length))
    profile = attention.mean(axis=0)
    for second, weights in zip(seconds, attention, strict=True):
        first = round(second * geometry.FRAMES_PER_SECOND) - length // 2 + length
        total[first : first + length] += weights
        usual[first : first + length] += profile
    inside = slice(length, length + frame_count)
    return total[inside] / np.maximum(usual[inside], np.finfo(np.float32).tiny)


def shorten(values: np.ndarray, columns: int = _COLUMNS) -> np.ndarray:
    """Averages the last axis down to at most `columns`."""
    count = values.shape[-1]
    if count <= columns:
        return values
    edges = np.arange(columns) * count // columns
    widths = np.diff([*edges, count])
    return np.add.reduceat(values, edges, axis=-1) / widths


def figure_png(figure: Figure) -> bytes:
    """Returns the figure as a PNG file."""
    stream = io.BytesIO()
    FigureCanvasAgg(figure).print_figure(stream, format="png")
    return stream.getvalue()
