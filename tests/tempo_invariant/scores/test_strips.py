"""From files of pages to snippets with their places."""

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.scores import documents, strips
from tempo_invariant.scores.places import Box, Place
from tests.drawn_pages import SHAPE, piano_page


def test_snippets_are_cut_as_in_training():
    page = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    boxes = [Box(60.4, 100.0, 161.2, 400.0), Box(1100.0, 50.0, 1170.0, 300.0)]
    images, places = strips.cut_snippets(page, boxes, step=100, number=3)
    assert images.shape == (5, 160, 200) and images.dtype == np.uint8
    # Centres from half a step after the left end; rows from 80 above the centre, cut to a whole.
    columns = [place.x for place in places]
    assert columns == [150, 250, 350, 100, 200]
    np.testing.assert_array_equal(images[1], page[30:190, 150:350])
    # Before the first system is paper, after it the second one; below the page is paper.
    assert (images[0][:, :50] == 255).all()
    np.testing.assert_array_equal(images[0][:, 50:], page[30:190, 100:250])
    np.testing.assert_array_equal(images[2][:, :150], page[30:190, 250:400])
    np.testing.assert_array_equal(images[2][:126, 150:], page[1055:, 50:100])
    assert (images[2][126:, 150:] == 255).all()
    assert [(place.page, place.system) for place in places] == [(3, 1)] * 3 + [(3, 2)] * 2
    assert [place.box for place in places] == [boxes[0]] * 3 + [boxes[1]] * 2


def test_no_system_no_snippet():
    images, places = strips.cut_snippets(np.zeros(SHAPE, np.uint8), [], 25, 1)
    assert images.shape == (0, 160, 200) and places == []
    with pytest.raises(ValueError, match="step = 0"):
        strips.cut_snippets(np.zeros(SHAPE, np.uint8), [], 0, 1)


def test_systems_beside_the_page_are_passed_over():
    page = np.random.default_rng(0).integers(0, 256, SHAPE).astype(np.uint8)
    boxes = [Box(60, 900, 160, 1200), Box(60, 100, 160, 400), Box(60, 300, 160, 200)]
    images, places = strips.cut_snippets(page, boxes, 100, 1)
    assert [(place.system, place.x) for place in places] == [(2, 150), (2, 250), (2, 350)]
    np.testing.assert_array_equal(images[1], page[30:190, 150:350])


def test_file_to_snippets(tmp_path):
    page, corners = piano_page(3)
    Image.fromarray(page).save(tmp_path / "page.png")
    document = documents.read_pages("page", [tmp_path / "page.png"], 25)
    np.testing.assert_array_equal(document.pages[1], page)
    images, places = document.snippets, [Place.from_row(row) for row in document.places]
    assert sorted({place.system for place in places}) == [1, 2, 3]
    inner = 0
    for image, place in zip(images, places, strict=True):
        top, bottom = corners[place.system - 1][[0, 2], 0]
        assert abs(place.box.centre_row - (top + bottom) / 2) < 2
        if place.box.left + 100 <= place.x <= place.box.right - 100:
            first, left = int(place.box.centre_row) - 80, int(place.x) - 100
            shown = page[first : first + 160, left : left + 200]
            np.testing.assert_array_equal(image, shown)
            inner += 1
    assert inner >= 3 * 10


def test_neighbouring_snippets_are_joined_to_the_strip_that_they_were_cut_from():
    generator = np.random.default_rng(1)

    def cut(width):
        strip = generator.integers(0, 256, (160, width)).astype(np.uint8)
        return strip, [strip[:, left : left + 200] for left in range(0, width - 199, 24)]

    (first, a), (_, alone), (last, b) = cut(200 + 3 * 24), cut(200), cut(200 + 5 * 24)
    snippets = np.stack(a + alone + b)
    found = list(strips.rejoin(snippets, 24, 64))
    np.testing.assert_array_equal(found[0], first)
    np.testing.assert_array_equal(found[1], np.stack(alone))
    np.testing.assert_array_equal(found[2], last)
    assert len(found) == 3
    # Of other distances, or not more than one at a time, nothing is joined.
    for step, most in ((25, 64), (24, 1)):
        (same,) = strips.rejoin(snippets, step, most)
        np.testing.assert_array_equal(same, snippets)
    parts = list(strips.rejoin(np.stack(b), 24, 4))
    assert [part.shape[-1] for part in parts] == [200 + 3 * 24, 200 + 24]
    assert list(strips.rejoin(snippets[:0], 24, 64)) == []
