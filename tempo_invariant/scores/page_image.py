"""The image of a score page: its ink, its skew and its staff space.

The staff space is the distance between two lines of a staff. All is measured with the light
evened out and by sums over many pixels, so that blur, noise and pale ink matter little.
"""

import numpy as np
from PIL import Image
from scipy import ndimage

MAX_SKEW_DEGREES = 4.0

BLOCK = 8
"""Pixel columns that are averaged before lines are sought."""

_SOLID_ROWS = 25
"""Largest number of rows of a staff line."""

_LONG_BLOCKS = 5
"""Smallest number of blocks of a staff line."""

_LEAST_CONTRAST = 0.02
"""Least contrast of equally spaced peaks of the autocorrelation with the valleys between."""

_BACKGROUND_REDUCTION = 8
_BACKGROUND_WINDOW = 15
"""Ink is narrower than this number of reduced pixels; the paper is wider."""

_LEAST_LIGHT = 0.3
"""Anything darker than this, relative to the lightest paper, lies beside the page."""


def ink(page: np.ndarray) -> np.ndarray:
    """Measures the ink of every pixel, 0 for paper and 1 for black, in any light.

    The paper's brightness is that of the page without its small dark details; the noise of the
    paper counts as paper. On a clean page the result is `1 - page / 255`.

    Args:
        page: Grey page uint8 [rows, columns].

    Returns:
        float32 [rows, columns] between 0 and 1.
    """
    reduced = np.asarray(Image.fromarray(page).reduce(_BACKGROUND_REDUCTION), np.float32)
    light = ndimage.grey_closing(reduced, (_BACKGROUND_WINDOW, _BACKGROUND_WINDOW))
    light = np.maximum(ndimage.gaussian_filter(light, 2), 1)
    size = (page.shape[1], page.shape[0])
    paper = np.asarray(Image.fromarray(light).resize(size, Image.Resampling.BILINEAR))
    beside = paper < _LEAST_LIGHT * light.max()
    dark = 1 - page / paper
    dark[beside] = 0
    low, middle, high = np.percentile(dark[::3, ::3][~beside[::3, ::3]], [20, 50, 99])
    floor = max(0.0, middle + 2.0 * (middle - low))
    full = max(high, floor + 0.3)
    return np.clip((dark - floor) / (full - floor), 0, 1).astype(np.float32)


def skew_degrees(dark: np.ndarray) -> float:
    """Measures how far the lines of a page fall to the right, in degrees (negative: they rise).

    The rows' sums have the sharpest changes when they are taken along the staff lines.

    Args:
        dark: Ink as `ink` measures it, [rows, columns].
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


def staff_spaces(dark: np.ndarray) -> list[float]:
    """Measures the distance between two lines of a staff, in pixels.

    Five equal distances show as peaks of the autocorrelation along the columns, with valleys
    between them. So do lines of text; whether there are staves is another question.

    Args:
        dark: Ink of a straight page, [rows, columns].

    Returns:
        At most three distances, the most likely one first; none where nothing is equally spaced.
    """
    profile = blocks(dark, BLOCK)
    rows = profile.shape[0]
    # Remove all that is thicker than lines (edges of the page, pictures) or shorter (text).
    profile = profile - ndimage.grey_opening(profile, (_SOLID_ROWS, 1))
    profile = ndimage.grey_opening(profile, (1, _LONG_BLOCKS))
    profile = profile - ndimage.uniform_filter1d(profile, 31, axis=0)
    power = (np.abs(np.fft.rfft(profile, 2 * rows, axis=0)) ** 2).sum(axis=1)
    correlation = np.fft.irfft(power)[:rows]
    if correlation[0] <= 0 or rows < 20:
        return []
    spaces = np.geomspace(2.8, min(60.0, rows / 4.5), 600)

    def at(multiple: float) -> np.ndarray:
        return np.interp(spaces * multiple, np.arange(rows), correlation)

    contrasts = [at(k) - (at(k - 0.5) + at(k + 0.5)) / 2 for k in (1, 2, 3)]
    # Five lines agree in four, three and two places when they are moved by one, two and three.
    score = np.minimum.reduce([contrasts[0], contrasts[1] * 4 / 3, contrasts[2] * 2])
    score /= correlation[0]
    peaks = at(1) + at(2) + at(3) + at(4)
    found: list[float] = []
    while len(found) < 3 and score.max() > _LEAST_CONTRAST:
        near = np.abs(np.log(spaces / spaces[np.argmax(score)])) < 0.06
        found.append(float(spaces[near][np.argmax(peaks[near])]))
        score[np.abs(np.log(spaces / found[-1])) < 0.15] = 0
    return found


def turn_back(dark: np.ndarray, degrees: float) -> np.ndarray:
    """Straightens the ink of a page that falls to the right; its centre stays the centre."""
    if not degrees:
        return dark
    turned_back = Image.fromarray(dark).rotate(
        degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=0
    )
    return np.clip(np.asarray(turned_back), 0, 1)


def turned(points: np.ndarray, degrees: float) -> np.ndarray:
    """Turns points (row, column) [..., 2] about the origin, clockwise on the screen."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.asarray(points) @ np.array([[cosine, -sine], [sine, cosine]])


def blocks(dark: np.ndarray, width: int) -> np.ndarray:
    """Averages columns in groups of `width`, without the remainder at the right."""
    count = dark.shape[1] // width
    return dark[:, : count * width].reshape(dark.shape[0], count, width).mean(axis=2)
