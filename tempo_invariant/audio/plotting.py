"""Drawings of excerpts, attention and embeddings; takes and gives NumPy arrays."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tempo_invariant import geometry


def attention_figure(
    snippet: np.ndarray, spectrogram: np.ndarray, attention: np.ndarray, title: str = ""
) -> Figure:
    """Draws attention over a spectrogram, next to the sheet snippet that belongs to it.

    Left the snippet with its centre marked; right the spectrogram, above it the attention weights
    as multiples of uniform attention, with time in seconds from the excerpt's centre.

    Args:
        snippet: grey values 0 (ink) to 255, `[rows, columns]`.
        spectrogram: `[bands, frames]`.
        attention: weights that sum to one, `[frames]`.
        title: a line above the drawing.

    Returns:
        A matplotlib figure; `rasterize` or `figure.savefig` makes a picture of it.

    Raises:
        ValueError: the number of frames differs between spectrogram and attention.
    """
    frames = spectrogram.shape[1]
    if attention.shape != (frames,):
        raise ValueError(f"attention must be [{frames}] as the spectrogram, got {attention.shape}")
    figure = Figure(figsize=(8, 3.2), dpi=100)
    grid = figure.add_gridspec(
        2,
        2,
        width_ratios=(1, 1.6),
        height_ratios=(1, 2.4),
        left=0.01,
        right=0.99,
        bottom=0.15,
        top=0.92,
        wspace=0.16,
        hspace=0.1,
    )
    sheet = figure.add_subplot(grid[:, 0])
    sheet.imshow(snippet, cmap="gray", vmin=0, vmax=255)
    sheet.axvline((snippet.shape[1] - 1) / 2, color="tab:red", linewidth=0.8, alpha=0.6)
    sheet.set_axis_off()

    sound = figure.add_subplot(grid[1, 1])
    draw_spectrogram(sound, spectrogram)
    sound.set_xlabel("seconds from the centre")
    sound.set_ylabel("band")

    weights = figure.add_subplot(grid[0, 1], sharex=sound)
    draw_attention(weights, attention)
    weights.set_ylim(0, max(2.0, 1.05 * float(attention.max()) * frames))
    weights.set_ylabel("× uniform")
    weights.tick_params(labelbottom=False)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def frame_seconds(frames: int) -> np.ndarray:
    """Times of the frames of an excerpt in seconds from the onset, frame frames // 2."""
    return (np.arange(frames) - frames // 2) / geometry.FRAMES_PER_SECOND


def draw_spectrogram(axes: Axes, spectrogram: np.ndarray) -> None:
    """Draws a spectrogram `[bands, frames]` over seconds from the onset in its centre."""
    half = 0.5 / geometry.FRAMES_PER_SECOND
    seconds = frame_seconds(spectrogram.shape[1])
    axes.imshow(
        spectrogram,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(seconds[0] - half, seconds[-1] + half, -0.5, len(spectrogram) - 0.5),
    )


def draw_attention(axes: Axes, attention: np.ndarray) -> None:
    """Draws attention weights `[frames]` over the same seconds, as multiples of uniform ones."""
    frames = len(attention)
    seconds = frame_seconds(frames)
    axes.fill_between(seconds, attention * frames, step="mid", color="tab:orange", alpha=0.7)
    axes.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")


def rasterize(figure: Figure) -> np.ndarray:
    """Pixels of a figure, uint8 `[rows, columns, 3]`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def thumbnail(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Picks evenly spaced pixels.

    Args:
        image: `[height, width]`.
        rows: height of the result.
        columns: width of the result.

    Returns:
        `[rows, columns]`, of the image's dtype.
    """
    height, width = image.shape
    row = (np.arange(rows) * height) // rows
    column = (np.arange(columns) * width) // columns
    return image[row[:, None], column]


def spectrogram_image(spectrogram: np.ndarray) -> np.ndarray:
    """A spectrogram `[bands, frames]` as uint8 grey values, low bands at the bottom, loud dark."""
    loudest = max(float(spectrogram.max()), 1e-6)
    scaled = 255 * (1 - np.clip(spectrogram / loudest, 0, 1))
    return np.flipud(np.round(scaled)).astype(np.uint8)


def mosaic(images: np.ndarray) -> np.ndarray:
    """Tiles images row by row into a square, as TensorBoard's projector wants a sprite.

    Args:
        images: `[count, rows, columns]`.

    Returns:
        `[side * rows, side * columns]` with side = ceil(sqrt(count)); empty tiles are white.
    """
    count, rows, columns = images.shape
    side = int(np.ceil(np.sqrt(count)))
    tiles = np.full((side * side, rows, columns), 255, images.dtype)
    tiles[:count] = images
    return (
        tiles.reshape(side, side, rows, columns).swapaxes(1, 2).reshape(side * rows, side * columns)
    )
