"""Pictures of an answer: pages with the matched systems, similarities, sound with attention."""

import io
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from tempo_invariant import geometry
from tempo_invariant.audio.plotting import draw_heard
from tempo_invariant.retrieval import library
from tempo_invariant.retrieval.answers.visits import Visit
from tempo_invariant.retrieval.identification import Identification
from tempo_invariant.scores.places import Box

MARK = (214, 90, 0)
_TINT = (255, 236, 214)
_COLUMNS = 1600
"""Columns to which long spectrograms are averaged."""

_CHUNK_SECONDS = 60


def draw_page(image: np.ndarray, visits: Sequence[Visit]) -> Image.Image:
    """Marks systems on a page, with their times, and with a dot for every second.

    Args:
        image: Grey page uint8 [rows, columns].
        visits: Visits on this page.
    """
    grey = Image.fromarray(image).convert("RGB")
    tinted = np.asarray(grey).copy()
    for visit in visits:
        top, left, bottom, right = _frame(visit.box, image.shape)
        part = tinted[top:bottom, left:right]
        np.minimum(part, np.array(_TINT, np.uint8), out=part)
    page = Image.fromarray(tinted)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(16)
    labels: dict[tuple[int, ...], list[str]] = {}
    for visit in visits:
        top, left, bottom, right = _frame(visit.box, image.shape)
        draw.rectangle((left, top, right - 1, bottom - 1), outline=MARK, width=3)
        for column in visit.columns:
            draw.ellipse((column - 4, bottom - 4, column + 4, bottom + 4), fill=MARK)
        labels.setdefault((top, left), []).append(visit.label)
    for (top, left), times in labels.items():
        # Pillow's own font has neither dashes nor an ellipsis.
        text = (", ".join(times[:4]) + (" ..." if len(times) > 4 else "")).replace("–", "-")
        box = draw.textbbox((left + 6, max(0, top - 21)), text, font=font)
        draw.rectangle((box[0] - 5, box[1] - 3, box[2] + 5, box[3] + 3), fill=MARK)
        draw.text((left + 6, max(0, top - 21)), text, fill="white", font=font)
    return page


def _frame(box: Box, shape: tuple[int, ...], margin: int = 14) -> tuple[int, ...]:
    """Returns the whole rows and columns of a box with a margin, as far as the page reaches."""
    top, left, bottom, right = map(round, box)
    return (
        max(0, top - margin),
        max(0, left - margin),
        min(shape[0], bottom + margin),
        min(shape[1], right + margin),
    )


def matrix_figure(answer: Identification, step_label: str, position_label: str) -> Figure:
    """Draws the similarities of the query with the best document, and the path through them.

    Args:
        answer: Identification of the query.
        step_label: Name of the query's steps.
        position_label: Name of the document's positions.
    """
    figure = Figure(figsize=(10, 4.2), dpi=100, layout="constrained")
    axis = figure.add_subplot()
    seconds = answer.steps if answer.steps.dtype.names is None else np.arange(len(answer.steps))
    half = np.diff(seconds).mean() / 2 if len(seconds) > 1 else 0.5
    heights = answer.places["seconds"] if "seconds" in (answer.places.dtype.names or ()) else None
    rows = np.arange(answer.similarities.shape[1]) if heights is None else heights
    rise = np.diff(rows[:2]).mean() / 2 if len(rows) > 1 else 0.5
    drawn = axis.imshow(
        answer.similarities.T,
        origin="lower",
        aspect="auto",
        cmap="viridis",
        extent=(seconds[0] - half, seconds[-1] + half, rows[0] - rise, rows[-1] + rise),
    )
    for first, last in _runs(answer.path.leaps):
        axis.plot(
            seconds[first:last], rows[answer.path.positions[first:last]], color="tab:red", lw=1.5
        )
    figure.colorbar(drawn, ax=axis, label="similarity")
    axis.set_xlabel(step_label)
    axis.set_ylabel(position_label)
    return figure


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


def image_png(image: Image.Image) -> bytes:
    """Returns the picture as a PNG file in few colours."""
    stream = io.BytesIO()
    image.quantize(32).save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def page_png(path: Path, visits: Sequence[Visit]) -> bytes:
    """Returns the page image at `path` with marked systems, as a PNG file."""
    return image_png(draw_page(library.read_page(path), visits))
