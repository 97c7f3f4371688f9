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
        snippet: Grey values 0 (ink) to 255, `[rows, columns]`.
        spectrogram: Spectrogram of the excerpt, `[bands, frames]`.
        attention: Weights that sum to one, `[frames]`.
        title: Line above the drawing.

    Returns:
        A matplotlib figure; `rasterize` or `figure.savefig` makes a picture of it.

    Raises:
        ValueError: The number of frames differs between spectrogram and attention.
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
    draw_snippet(figure.add_subplot(grid[:, 0]), snippet)
    sound, weights = figure.add_subplot(grid[1, 1]), figure.add_subplot(grid[0, 1])
    seconds = excerpt_seconds(frames)
    draw_heard(weights, sound, spectrogram, attention * frames, seconds, "seconds from the centre")
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def excerpt_seconds(frames: int, centre_seconds: float = 0.0) -> tuple[float, float]:
    """Returns the times of the edges of an excerpt whose frame frames // 2 has its centre's time.

    Args:
        frames: Number of frames.
        centre_seconds: Time of the middle frame in seconds.
    """
    first = centre_seconds - (frames // 2 + 0.5) / geometry.FRAMES_PER_SECOND
    return first, first + frames / geometry.FRAMES_PER_SECOND


def draw_heard(
    weights: Axes,
    sound: Axes,
    spectrogram: np.ndarray,
    attention: np.ndarray,
    seconds: tuple[float, float],
    time_label: str,
    attention_label: str = "× uniform",
) -> None:
    """Draws a spectrogram, and above it how much every frame is attended to.

    Args:
        weights: Axes of the attention, which share their time with those of the spectrogram.
        sound: Axes of the spectrogram.
        spectrogram: `[bands, columns]`.
        attention: Attention as multiples of what is usual, `[columns]`.
        seconds: Times of the left edge and of the right edge, in seconds.
        time_label: Label of the time.
        attention_label: Label of the attention.
    """
    start, end = seconds
    sound.imshow(
        spectrogram,
        origin="lower",
        aspect="auto",
        cmap="magma",
        extent=(start, end, -0.5, len(spectrogram) - 0.5),
    )
    sound.set(xlabel=time_label, ylabel="band")
    middles = start + (np.arange(len(attention)) + 0.5) / len(attention) * (end - start)
    weights.sharex(sound)
    weights.fill_between(middles, attention, step="mid", color="tab:orange", alpha=0.7, lw=0)
    weights.axhline(1.0, color="grey", linewidth=0.8, linestyle=":")
    weights.set(ylim=(0, max(2.0, 1.05 * float(attention.max()))), ylabel=attention_label)
    weights.tick_params(labelbottom=False)


def draw_snippet(axes: Axes, snippet: np.ndarray) -> None:
    """Draws a snippet `[rows, columns]`, grey values 0 (ink) to 255, with its centre marked."""
    axes.imshow(snippet, cmap="gray", vmin=0, vmax=geometry.PAPER)
    axes.axvline((snippet.shape[1] - 1) / 2, color="tab:red", linewidth=0.8, alpha=0.6)
    axes.set_axis_off()


def rasterize(figure: Figure) -> np.ndarray:
    """Returns the pixels of a figure, uint8 `[rows, columns, 3]`."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def thumbnail(image: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Picks evenly spaced pixels.

    Args:
        image: Image, `[height, width]`.
        rows: Height of the result.
        columns: Width of the result.

    Returns:
        `[rows, columns]`, of the image's dtype.
    """
    height, width = image.shape
    row = (np.arange(rows) * height) // rows
    column = (np.arange(columns) * width) // columns
    return image[row[:, None], column]


def spectrogram_image(spectrogram: np.ndarray) -> np.ndarray:
    """Returns a spectrogram `[bands, frames]` as uint8 grey values, low bands down, loud dark."""
    loudest = max(float(spectrogram.max()), 1e-6)
    scaled = 255 * (1 - np.clip(spectrogram / loudest, 0, 1))
    return np.flipud(np.round(scaled)).astype(np.uint8)


def mosaic(images: np.ndarray) -> np.ndarray:
    """Tiles images row by row into a square, as TensorBoard's projector wants a sprite.

    Args:
        images: Images, `[count, rows, columns]`.

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
