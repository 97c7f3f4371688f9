"""The image of a score page: its ink, its skew, its staff space, and its form for the model.

The staff space is the distance between two lines of a staff. All is measured with the light
evened out, and in sums over many pixels, so that blur, noise and pale ink matter little.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from tempo_invariant.geometry import PAGE_WIDTH, PAPER

MAX_SKEW_DEGREES = 4.0

SPACES = (5.3, 7.2)
USUAL_SPACE = 7.0
"""Staff spaces of the training pages in pixels: the range, and that of three quarters of them."""

BLOCK = 8
"""Pixel columns that are averaged before lines are sought."""

_LEAST_SKEW_DEGREES = 0.06
"""Over the width of a page less than a pixel: left as it is."""

_ANALYSIS_WIDTH = 1670
"""Wider pages are measured at this width, in pixels."""

_BACKGROUND_REDUCTION = 8
_BACKGROUND_WINDOW = 15
"""The paper's brightness is the maximum over so many reduced pixels in both directions."""


def ink(page: np.ndarray) -> np.ndarray:
    """Returns how much ink is where: 0 paper, 1 black, whatever the light.

    The paper's brightness is taken from the brightest surroundings of every pixel; the noise of
    the paper counts as paper. On a clean page the result is `1 - page / 255`.

    Args:
        page: grey uint8 [rows, columns].

    Returns:
        float32 [rows, columns] between 0 and 1.
    """
    reduced = Image.fromarray(page).reduce(_BACKGROUND_REDUCTION)
    paper = ndimage.maximum_filter(np.asarray(reduced, np.float32), _BACKGROUND_WINDOW)
    smooth = Image.fromarray(ndimage.gaussian_filter(paper, _BACKGROUND_WINDOW / 2))
    size = (page.shape[1], page.shape[0])
    paper = np.asarray(smooth.resize(size, Image.Resampling.BILINEAR))
    dark = 1 - page / np.maximum(paper, 32.0)
    sample = dark[::3, ::3]
    low, middle, high = np.percentile(sample, [20, 50, 99])
    floor = max(0.0, middle + 2.0 * (middle - low))
    full = max(high, floor + 0.3)
    return np.clip((dark - floor) / (full - floor), 0, 1).astype(np.float32)


def skew_degrees(dark: np.ndarray) -> float:
    """Measures how far the lines of a page fall to the right, in degrees (negative: they rise).

    The rows' sums have the sharpest changes when they are taken along the staff lines.

    Args:
        dark: ink as from `ink`, [rows, columns].
    """
    width = 2 * BLOCK
    spectrum = np.fft.rfft(blocks(dark, width), axis=0)
    frequency = np.fft.rfftfreq(dark.shape[0])
    used = (frequency > 0.02) & (frequency < 0.35)
    spectrum, frequency = spectrum[used] * frequency[used, None], frequency[used]
    columns = (np.arange(spectrum.shape[1]) + 0.5) * width - dark.shape[1] / 2

    def sharpest(start: float, stop: float, count: int) -> float:
        """Returns the best of `count` slopes."""
        phase = 2j * np.pi * frequency[:, None] * columns
        turned, step = (
            spectrum * np.exp(phase * start),
            np.exp(phase * (stop - start) / (count - 1)),
        )
        values = []
        for _ in range(count):
            values.append((np.abs(turned.sum(axis=1)) ** 2).sum())
            turned *= step
        return float(np.linspace(start, stop, count)[np.argmax(values)])

    steepest = np.tan(np.radians(MAX_SKEW_DEGREES))
    coarse = sharpest(-steepest, steepest, 81)
    fine = steepest / 40
    return float(np.degrees(np.arctan(sharpest(coarse - fine, coarse + fine, 11))))


def staff_space(dark: np.ndarray) -> float | None:
    """Measures the distance between two lines of a staff, in pixels.

    Five equal distances show as four peaks of the autocorrelation along the columns, with valleys
    between them.

    Args:
        dark: ink of a straight page, [rows, columns].

    Returns:
        The staff space, or None where there are no lines at equal distances.
    """
    profile = blocks(dark, BLOCK)
    rows = profile.shape[0]
    profile = profile - ndimage.uniform_filter1d(profile, 31, axis=0)
    power = (np.abs(np.fft.rfft(profile, 2 * rows, axis=0)) ** 2).sum(axis=1)
    correlation = np.fft.irfft(power)[:rows]
    if correlation[0] <= 0 or rows < 20:
        return None
    spaces = np.geomspace(2.8, min(60.0, rows / 4.5), 600)

    def at(multiple: float) -> np.ndarray:
        return np.interp(spaces * multiple, np.arange(rows), correlation)

    contrasts = [at(k) - (at(k - 0.5) + at(k + 0.5)) / 2 for k in (1, 2, 3)]
    # Five lines agree in four, three and two places when they are moved by one, two and three.
    score = np.minimum.reduce([contrasts[0], contrasts[1] * 4 / 3, contrasts[2] * 2])
    score /= correlation[0]
    best = int(np.argmax(score))
    if score[best] < 0.02:
        return None
    near = np.abs(np.log(spaces / spaces[best])) < 0.06
    peaks = at(1) + at(2) + at(3) + at(4)
    return float(spaces[near][np.argmax(peaks[near])])


@dataclass(frozen=True)
class NormalPage:
    """A page as the model expects it.

    Attributes:
        image: grey uint8 [rows, columns]: straight, even, with staves as large as in training.
        scale: pixels of `image` for one pixel of the page.
        degrees: by how much the page fell to the right.
        space: staff space in pixels of `image`; None when there are no staves.
        page_shape: rows and columns of the page.
    """

    image: np.ndarray
    scale: float
    degrees: float
    space: float | None
    page_shape: tuple[int, ...]

    def place(self, points: np.ndarray) -> np.ndarray:
        """Returns where points (row, column) [..., 2] of the page lie on `image`."""
        away = (np.asarray(points) - np.array(self.page_shape) / 2) * self.scale
        return turned(away, -self.degrees) + np.array(self.image.shape) / 2


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turns points (row, column) [..., 2] about the origin, clockwise on the screen."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(points) @ np.array([[cosine, -sine], [sine, cosine]])


def normalise(page: np.ndarray) -> NormalPage:
    """Makes a page straight and even, with staves as large as those of the training pages.

    A page that is all that already, such as one of the training pages, stays as it is.

    Args:
        page: grey uint8 [rows, columns].
    """
    measured = measure(page)
    scale, degrees = PAGE_WIDTH / page.shape[1], measured.degrees
    space = None
    if measured.space is not None:
        if not SPACES[0] <= measured.space * scale <= SPACES[1]:
            scale = USUAL_SPACE / measured.space
        space = measured.space * scale
    rows, columns = (max(1, round(size * scale)) for size in page.shape)
    dark = Image.fromarray(measured.dark)
    if (columns, rows) != dark.size:
        dark = dark.resize((columns, rows), Image.Resampling.BICUBIC)
    straight = np.asarray(turn_back(dark, degrees))
    image = np.clip(np.rint(PAPER * (1 - straight)), 0, 255).astype(np.uint8)
    return NormalPage(image, scale, degrees, space, page.shape)


@dataclass(frozen=True)
class Measured:
    """Ink at `scale`, at most `_ANALYSIS_WIDTH` wide; skew and staff space of the page itself."""

    dark: np.ndarray
    scale: float
    degrees: float
    space: float | None


def measure(page: np.ndarray) -> Measured:
    scale = min(1.0, _ANALYSIS_WIDTH / page.shape[1])
    if scale < 1:
        size = (_ANALYSIS_WIDTH, max(1, round(page.shape[0] * scale)))
        page = np.asarray(Image.fromarray(page).resize(size, Image.Resampling.BOX, reducing_gap=2))
    dark = ink(page)
    degrees = skew_degrees(dark)
    if abs(degrees) < _LEAST_SKEW_DEGREES:
        degrees = 0.0
    space = staff_space(np.asarray(turn_back(Image.fromarray(dark), degrees)))
    return Measured(dark, scale, degrees if space else 0.0, space / scale if space else None)


def turn_back(dark: Image.Image, degrees: float) -> Image.Image:
    """Straightens the ink of a page that falls to the right; its centre stays the centre."""
    if not degrees:
        return dark
    return dark.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=0)


def blocks(dark: np.ndarray, width: int) -> np.ndarray:
    """Averages columns in groups of `width`; the rest at the right is left out."""
    count = dark.shape[1] // width
    return dark[:, : count * width].reshape(dark.shape[0], count, width).mean(axis=2)
