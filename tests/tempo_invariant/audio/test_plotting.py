"""Drawings, by what their pixels and axes say."""

import numpy as np
import pytest

from tempo_invariant.audio import plotting


@pytest.fixture
def excerpt():
    generator = np.random.default_rng(0)
    attention = np.zeros(84, np.float32)
    attention[42] = 1.0
    return (
        np.full([80, 100], 255, np.uint8),
        generator.uniform(size=[92, 84]).astype(np.float32),
        attention,
    )


def test_figure_puts_the_centre_frame_at_zero_seconds(excerpt):
    figure = plotting.attention_figure(*excerpt)
    _, sound, weights = figure.axes
    left, right, bottom, top = sound.images[0].get_extent()
    # Frame 42 of 84 is centred on zero: the first one begins 42.5 frames earlier.
    assert (left, right) == pytest.approx((-42.5 / 20, 41.5 / 20))
    assert (bottom, top) == (-0.5, 91.5)
    vertices = weights.collections[0].get_paths()[0].vertices
    peak = vertices[vertices[:, 1] == vertices[:, 1].max()]
    assert peak[:, 1].max() == pytest.approx(84)
    assert peak[:, 0].mean() == pytest.approx(0, abs=0.026)


def test_rasterized_figure_shows_the_snippet(excerpt):
    snippet, spectrogram, attention = excerpt
    blank = plotting.rasterize(plotting.attention_figure(snippet, spectrogram, attention))
    inked = snippet.copy()
    inked[20:60, 10:40] = 0
    drawn = plotting.rasterize(plotting.attention_figure(inked, spectrogram, attention))
    assert blank.shape == drawn.shape == (320, 800, 3)
    changed = np.argwhere((blank != drawn).any(axis=-1))
    # All changes lie in the left part, and about 30 % x 50 % of the snippet's area changes.
    assert changed[:, 1].max() < 400
    assert len(changed) > 1000


def test_attention_of_another_length_is_refused(excerpt):
    snippet, spectrogram, attention = excerpt
    with pytest.raises(ValueError, match=r"attention must be \[84\]"):
        plotting.attention_figure(snippet, spectrogram, attention[:-1])


def test_mosaic_tiles_row_by_row():
    images = np.arange(3, dtype=np.uint8)[:, None, None] * np.ones([1, 2, 3], np.uint8)
    expected = np.array([[0] * 3 + [1] * 3] * 2 + [[2] * 3 + [255] * 3] * 2)
    np.testing.assert_array_equal(plotting.mosaic(images), expected)


def test_thumbnail_picks_evenly_spaced_pixels():
    image = np.arange(24).reshape(4, 6)
    np.testing.assert_array_equal(plotting.thumbnail(image, 2, 3), [[0, 2, 4], [12, 14, 16]])


def test_spectrogram_image_has_low_bands_at_the_bottom():
    spectrogram = np.zeros([4, 2], np.float32)
    spectrogram[0, 0] = 2.0
    expected = np.full([4, 2], 255)
    expected[3, 0] = 0
    np.testing.assert_array_equal(plotting.spectrogram_image(spectrogram), expected)
