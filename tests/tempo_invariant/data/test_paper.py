"""Each variation of a snippet against SciPy or a count, and all of them together."""

import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf
from scipy import fft, interpolate, ndimage

from tempo_invariant.data import paper
from tempo_invariant.variations import Augmentation

ALL = Augmentation(
    skew_degrees=2,
    bend_pixels=8,
    uneven_scale=0.1,
    ink_spread=0.7,
    faded_ink=0.4,
    note_colour=0.8,
    handwriting=2,
    bleed_through=0.3,
    blur=0.7,
    grey_paper=0.4,
    shadow=0.6,
    grain=12,
    jpeg=6,
    worn_share=1.0,
)
CROSS = ndimage.generate_binary_structure(2, 1)


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def random_ink(rng, batch=4):
    return rng.random((batch, 80, 100)).astype(np.float32)


def staff_with_head():
    """Two thin lines, and a head 5 pixels high between them."""
    ink = np.zeros((1, 80, 100), np.float32)
    ink[0, [30, 36]] = 0.6
    ink[0, 31:36, 40:46] = 1
    return ink


def test_ink_spreads_and_wears_off_as_morphology_has_it(rng):
    ink = random_ink(rng)
    found = paper.spread(ink, np.float32([0, 1, -1, 0.3])).numpy()
    wider = [ndimage.grey_dilation(one, footprint=CROSS, mode="nearest") for one in ink]
    thinner = ndimage.grey_erosion(ink[2], footprint=CROSS, mode="nearest")
    wanted = [ink[0], wider[1], thinner, 0.7 * ink[3] + 0.3 * wider[3]]
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_heads_are_coloured_and_lines_are_not(rng):
    ink = np.repeat(staff_with_head(), 2, axis=0)
    shades = np.zeros((2, 8, 10), np.float32)
    shades[:, 3, 4] = 0.5  # rows 30 to 39, columns 40 to 49
    found = paper.colour(ink, shades, np.float32([0.8, 0])).numpy()
    np.testing.assert_array_equal(found[1], ink[1])
    opened = ndimage.grey_opening(ink[0], footprint=CROSS, mode="nearest")
    assert opened[30:37].sum() > 20 and opened[30, 41] > 0 and opened[36, 60] == 0
    np.testing.assert_allclose(found[0], ink[0] * (1 - 0.4 * opened), atol=1e-6)


def test_ink_fades_in_smooth_patches(rng):
    ink = random_ink(rng, batch=2)
    field = rng.normal(size=(2, 28, 35)).astype(np.float32)
    found = paper.fade(ink, field, np.float32([0.5, 0])).numpy()
    np.testing.assert_array_equal(found[1], ink[1])
    knots = [3.0 * np.arange(size) for size in (28, 35)]
    places = np.stack(np.meshgrid(np.arange(80), np.arange(100), indexing="ij"), axis=-1)
    smooth = interpolate.RegularGridInterpolator(knots, field[0])(places)
    wanted = np.maximum(ink[0] - 0.5 * np.maximum(smooth, 0), 0)
    np.testing.assert_allclose(found[0], wanted, atol=1e-5)


def test_strokes_are_pieces_of_parabolas(rng):
    # In the middle, to the right, 12.65 pixels to either side, straight or bent, 1.5 wide, black.
    straight = [0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 1.0]
    bent = [0.4, 0.6, 0.15, 0.8, 0.9, 0.0, 1.0]
    pale = [0.5, 0.5, 0.0, 0.5, 0.5, 0.5, 0.5]
    strokes = np.float32([[straight], [bent], [pale]])
    found = paper.write(np.zeros((3, 80, 100), np.float32), strokes).numpy()
    assert (found[2] == 0).all()
    assert (found[0, 40, 38:63] == 1).all() and found[0, 40, [36, 64]].max() == 0
    np.testing.assert_allclose(found[0, [39, 41], 50], 0.125)
    assert found[0, [38, 42]].max() == 0
    half = 4 * 10**0.8
    along = np.linspace(-half, half, 401)
    across = 0.8 / half * along**2
    turn = 2 * np.pi * 0.15
    x = 40 + along * np.cos(turn) - across * np.sin(turn)
    y = 48 + along * np.sin(turn) + across * np.cos(turn)
    rows, columns = np.mgrid[:80, :100]
    distance = np.hypot(rows[..., None] - y, columns[..., None] - x).min(axis=-1)
    near, far = distance < 0.3, distance > 1.5
    inside = (x > 2) & (x < 97) & (y > 2) & (y < 77)
    assert inside.any() and found[1][near].mean() > 0.4 and found[1][far].max() < 0.05


def test_the_back_shines_through_mirrored_and_soft(rng):
    ink, other = random_ink(rng), random_ink(rng)
    amount = np.float32([0.3, 0, 0.1, 0.2])
    found = paper.bleed(ink, other, amount).numpy()
    weights = CROSS / 5
    for k, share in enumerate(amount):
        back = ndimage.convolve(other[(k + 1) % 4, :, ::-1], weights, mode="nearest")
        np.testing.assert_allclose(found[k], 1 - (1 - ink[k]) * (1 - share * back), atol=1e-5)


def test_grey_paper_and_pale_ink():
    ink = np.float32([0, 1, 0.5]).reshape(1, 1, 3)
    found = paper.print_on(ink, np.float32([0.2]), np.float32([0.3]))
    np.testing.assert_allclose(found[0, 0], [0.8, 0.8 * 0.3, 0.8 * 0.65], rtol=1e-6)


def test_a_shadow_darkens_in_its_direction(rng):
    light = np.ones((3, 80, 100), np.float32)
    # To the right from the middle; down from the upper edge; none.
    place = np.float32([[0, 0, 0.4], [0.25, 1, 1], [0.3, 0.3, 0.3]])
    right, down, none = paper.shade(light, np.float32([0.5, 0.6, 0]), place).numpy()
    assert (none == 1).all()
    assert (np.ptp(right, axis=0) < 1e-5).all() and (np.diff(right[0]) <= 1e-6).all()
    assert (right[:, :50] == 1).all() and (right[:, 97:] == pytest.approx(0.5))
    x = (np.linspace(-1, 1, 100)[70] + 0) / 0.92
    assert right[0, 70] == pytest.approx(1 - 0.5 * (3 * x**2 - 2 * x**3), abs=1e-5)
    assert (np.ptp(down, axis=1) < 1e-5).all() and down[0, 0] == 1
    assert down[79, 0] == pytest.approx(0.4)


def test_blur_is_that_of_means(rng):
    light = random_ink(rng)
    nothing, one = np.zeros(4, np.float32), np.ones(4, np.float32)
    soft = paper.blur(light, nothing, one).numpy()
    wanted = [ndimage.uniform_filter(each, 3, mode="nearest") for each in light]
    np.testing.assert_allclose(soft, wanted, atol=1e-5)
    coarse = paper.blur(light, 0.5 * one, nothing).numpy()
    means = light.reshape(4, 40, 2, 50, 2).mean(axis=(2, 4)).repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_allclose(coarse, (light + means) / 2, atol=1e-6)


def test_blocks_are_rounded_in_steps_that_grow_with_the_frequency(rng):
    light = random_ink(rng, batch=2)
    step = np.float32([0.05, 0])
    found = paper.compress(light, step).numpy()
    np.testing.assert_allclose(found[1], light[1], atol=1e-2)
    steps = 0.05 * (4 + 2 * np.add.outer(np.arange(4), np.arange(4)))
    off = 0
    for row, column in itertools.product(range(0, 80, 4), range(0, 100, 4)):
        block = (slice(row, row + 4), slice(column, column + 4))
        wanted = np.rint(fft.dctn(light[0][block], norm="ortho") / steps)
        got = fft.dctn(found[0][block], norm="ortho") / steps
        off += np.abs(got - wanted).max() > 0.01  # a value in the middle may go either way
    assert off <= 2


def test_everything_together_is_fixed_by_the_seed_and_in_range(rng):
    sheet = tf.constant(255 * (1 - np.repeat(staff_with_head(), 40, axis=0)))
    wear = tf.function(lambda seed: paper.wear(sheet, ALL, seed))
    one, again, other = (wear(tf.constant(seed)).numpy() for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(one, again)
    assert one.min() >= 0 and one.max() <= 255
    assert (np.abs(one - other).max(axis=(1, 2)) > 1).all()
    assert (np.abs(one[1:] - one[:1]).max(axis=(1, 2)) > 1).all()


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("ink_spread", 0.6),
        ("faded_ink", 0.6),
        ("note_colour", 0.6),
        ("handwriting", 0.9),  # either of two strokes is there in half of them
        ("bleed_through", 0.6),
        ("blur", 0.8),  # coarse in half of them, soft in half
        ("grey_paper", 0.8),
        ("shadow", 0.6),
        ("grain", 0.6),
        ("jpeg", 0.6),
    ],
)
def test_every_kind_of_wear_is_on_about_half_of_the_snippets(name, most):
    sheet = 255 * (1 - np.repeat(staff_with_head(), 300, axis=0))
    only = Augmentation(**{name: getattr(ALL, name)})
    assert only.wears_snippets and not dataclasses.replace(only, worn_share=0.0).wears_snippets
    found = paper.wear(tf.constant(sheet), only, [3, 4]).numpy()
    changed = np.abs(found - sheet).max(axis=(1, 2)) > 0.5
    assert 0.4 < changed.mean() <= most
