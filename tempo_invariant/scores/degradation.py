"""Damage that printing, age and a camera do to a page, from worn ink to blur and noise."""

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage

from tempo_invariant.geometry import PAPER
from tempo_invariant.scores.page_image import turned


@dataclass(frozen=True)
class Degradation:
    """Damage to a page; the defaults change nothing.

    Attributes:
        degrees: Rotation about the page's centre in degrees; positive turns clockwise on the
            screen.
        spread: Distance in pixels by which the ink spreads (positive) or wears off (negative).
        blur: Standard deviation of the blur in pixels.
        shade: Share of the light, up to 1, that the darkest corner lacks.
        shade_direction: Direction in which the page darkens, in radians.
        grey: Level of the darkest ink, between 0 (black) and 1.
        noise: Standard deviation of the noise in grey levels of 255.
        jpeg_quality: Quality of the JPEG compression, of 100; None leaves the pixels as they are.
    """

    degrees: float = 0.0
    spread: float = 0.0
    blur: float = 0.0
    shade: float = 0.0
    shade_direction: float = 0.0
    grey: float = 0.0
    noise: float = 0.0
    jpeg_quality: int | None = None


def draw(generator: np.random.Generator) -> Degradation:
    """Draws a degradation with every kind of damage, each between none and that of a poor scan."""
    return Degradation(
        degrees=float(generator.uniform(-3.0, 3.0)),
        spread=float(generator.uniform(-0.3, 0.5)),
        blur=float(generator.uniform(0.0, 1.2)),
        shade=float(generator.uniform(0.0, 0.5)),
        shade_direction=float(generator.uniform(0.0, 2 * np.pi)),
        grey=float(generator.uniform(0.0, 0.3)),
        noise=float(generator.uniform(0.0, 20.0)),
        jpeg_quality=int(generator.integers(30, 91)),
    )


def degrade(page: np.ndarray, how: Degradation, generator: np.random.Generator) -> np.ndarray:
    """Degrades a page, in the order in which paper, light, lens, sensor and file act.

    Args:
        page: Grey page uint8 [rows, columns].
        how: Damage that is done.
        generator: Source of the noise.

    Returns:
        uint8 of the same shape. What lay at `page_point` lies at `rotated(page_point, ...)`.
    """
    image = Image.fromarray(page)
    if how.degrees:
        # Pillow turns counter-clockwise.
        image = image.rotate(-how.degrees, Image.Resampling.BICUBIC, fillcolor=PAPER)
    light = np.asarray(image, np.float32) / 255
    if how.spread:
        extreme = ndimage.minimum_filter if how.spread > 0 else ndimage.maximum_filter
        share = abs(how.spread)
        light = (1 - share) * light + share * extreme(light, 3)
    light = how.grey + (1 - how.grey) * light
    if how.shade:
        rows, columns = (np.linspace(-0.5, 0.5, size, dtype=np.float32) for size in page.shape)
        x, y = np.cos(how.shade_direction), np.sin(how.shade_direction)
        ramp = (rows[:, None] * y + columns * x) / (abs(x) + abs(y)) + 0.5
        light = light * (1 - how.shade * ramp**2)
    if how.blur:
        light = ndimage.gaussian_filter(light, how.blur)
    if how.noise:
        light = light + generator.normal(0, how.noise / 255, light.shape).astype(np.float32)
    grey = np.clip(np.rint(light * 255), 0, 255).astype(np.uint8)
    if how.jpeg_quality is None:
        return grey
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=how.jpeg_quality)
    return np.asarray(Image.open(buffer, formats=["JPEG"]))


def rotated(points: np.ndarray, degrees: float, shape: tuple[int, ...]) -> np.ndarray:
    """Returns where points (row, column) [..., 2] lie after the rotation of a page of `shape`."""
    centre = np.array(shape) / 2
    return turned(points - centre, degrees) + centre
