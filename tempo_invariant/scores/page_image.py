"""The image of a score page: its ink, its skew and its staff space.

The staff space is the distance between two lines of a staff. All is measured with the light
evened out and by sums over many pixels, so that blur, noise and pale ink matter little.
"""

import numpy as np
from PIL import Image
from scipy import fft, ndimage

MAX_SKEW_DEGREES = 4.0

_PROFILE_BLOCKS = 104
"""Groups of columns, of a page's width, in which skew and staff space are measured."""

_OVERSAMPLING = 5
"""Points of the spectrum along the rows of a page for one group of columns."""

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


def ink(page: np.ndarray, columns: int = 1) -> np.ndarray:
    """Measures the ink of every pixel, 0 for paper and 1 for black, in any light.

    The paper's brightness is that of the page without its small dark details; the noise of the
    paper counts as paper. On a clean page the result is `1 - page / 255`.

    Args:
        page: Grey page uint8 [rows, columns].
        columns: Number of columns that are averaged first, in groups.

    Returns:
        float32 [rows, groups] between 0 and 1.
    """
    image = Image.fromarray(page)
    reduced = np.asarray(image.reduce(_BACKGROUND_REDUCTION), np.float32)
    light = ndimage.grey_closing(reduced, (_BACKGROUND_WINDOW, _BACKGROUND_WINDOW))
    light = np.maximum(ndimage.gaussian_filter(light, 2), 1)
    grey = image.reduce((columns, 1)) if columns > 1 else image
    paper = np.asarray(Image.fromarray(light).resize(grey.size, Image.Resampling.BILINEAR))
    dark = np.divide(np.asarray(grey), paper, dtype=np.float32)
    np.subtract(1, dark, out=dark)
    sample = dark[::3, ::3]
    if light.min() < _LEAST_LIGHT * light.max():
        beside = paper < _LEAST_LIGHT * light.max()
        dark[beside] = 0
        sample = sample[~beside[::3, ::3]]
    low, middle, high = np.percentile(sample, [20, 50, 99])
    floor = max(0.0, middle + 2.0 * (middle - low))
    dark -= np.float32(floor)
    dark *= np.float32(1 / (max(high, floor + 0.3) - floor))
    return np.clip(dark, 0, 1, out=dark)


def profile_width(page: np.ndarray) -> int:
    """Returns how many columns of a page are averaged to measure its skew and staff space."""
    return max(1, round(page.shape[1] / _PROFILE_BLOCKS))


def skew_degrees(profile: np.ndarray, width: int) -> float:
    """Measures how far the lines of a page fall to the right, in degrees (negative: they rise).

    The rows' sums have the sharpest changes when they are taken along the staff lines: the power of
    the page's two-dimensional spectrum is largest along a line through its origin.

    Args:
        profile: Mean ink of groups of columns, [rows, groups].
        width: Number of columns in a group.
    """
    rows = fft.next_fast_len(profile.shape[0], real=True)
    frequency = np.fft.rfftfreq(rows)
    used = (frequency > 0.02) & (frequency < 0.35)
    frequency = frequency[used]
    spectrum = fft.rfft(profile, rows, axis=0)[used] * frequency[:, None].astype(np.float32)
    count = fft.next_fast_len(_OVERSAMPLING * profile.shape[1])
    power = np.abs(fft.fft(spectrum, count, axis=1)) ** 2
    row = np.arange(len(frequency))[:, None]

    def sharpest(slopes: np.ndarray) -> float:
        """Returns the best slope."""
        position = -frequency[:, None] * slopes * (width * count)
        floor = np.floor(position)
        share = position - floor
        index = floor.astype(int) % count
        along = power[row, index] * (1 - share) + power[row, (index + 1) % count] * share
        return float(slopes[along.sum(axis=0).argmax()])

    steepest = np.tan(np.radians(MAX_SKEW_DEGREES))
    coarse = sharpest(np.linspace(-steepest, steepest, 81))
    fine = sharpest(coarse + np.linspace(-1, 1, 11) * steepest / 40)
    return float(np.degrees(np.arctan(fine)))


def sheared(profile: np.ndarray, width: int, degrees: float) -> np.ndarray:
    """Moves groups of columns up and down so that lines of a skewed page become level.

    Args:
        profile: Mean ink of groups of columns, [rows, groups].
        width: Number of columns in a group.
        degrees: The skew, as `skew_degrees` measures it.
    """
    if not degrees:
        return profile
    count, groups = profile.shape
    fall = (np.arange(groups) - groups / 2) * width * np.tan(np.radians(degrees))
    rows = np.clip(np.arange(count)[:, None] + fall, 0, count - 1)
    floor = np.minimum(rows.astype(int), count - 2)
    share = (rows - floor).astype(profile.dtype)
    upper, lower = (np.take_along_axis(profile, floor + k, axis=0) for k in (0, 1))
    return upper * (1 - share) + lower * share


def staff_spaces(profile: np.ndarray) -> list[float]:
    """Measures the distance between two lines of a staff, in pixels.

    Five equal distances show as peaks of the autocorrelation along the columns, with valleys
    between them. So do lines of text; whether there are staves is another question.

    Args:
        profile: Mean ink of groups of columns of a straight page, [rows, groups].

    Returns:
        At most three distances, the most likely one first; none where nothing is equally spaced.
    """
    rows = profile.shape[0]
    # Remove all that is thicker than lines (edges of the page, pictures) or shorter (text).
    profile = profile - ndimage.grey_opening(profile, (_SOLID_ROWS, 1))
    profile = ndimage.grey_opening(profile, (1, _LONG_BLOCKS))
    profile = profile - ndimage.uniform_filter1d(profile, 31, axis=0)
    size = fft.next_fast_len(2 * rows, real=True)
    power = (np.abs(fft.rfft(profile, size, axis=0)) ** 2).sum(axis=1)
    correlation = fft.irfft(power, size)[:rows]
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
