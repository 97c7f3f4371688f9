"""Boxes and places, and the rows of an index that hold them."""

import json

import numpy as np
import pytest

from tempo_invariant.scores.places import NO_BAR, SHEET, Box, Place, around


def test_a_box_has_one_order_of_edges_and_knows_its_size():
    box = Box(top=10, left=20, bottom=25, right=60)
    assert (box.height, box.width, box.centre_row, box.centre_column) == (15, 40, 17.5, 40)
    top, left, bottom, right = box
    assert json.dumps(box) == "[10, 20, 25, 60]" == json.dumps([top, left, bottom, right])


def test_the_box_around_boxes_reaches_the_farthest_edges():
    boxes = [Box(10, 20, 25, 60), Box(5, 30, 20, 50), Box(12, 40, 30, 45)]
    assert around(boxes) == Box(5, 20, 30, 60)
    assert around(boxes[:1]) == boxes[0]
    with pytest.raises(ValueError):
        around([])


def test_a_place_is_a_row_of_an_index_and_back():
    place = Place(page=3, system=2, x=117.25, box=Box(99.6, 60, 180.4, 760))
    rows = np.array([place.row(document=7)], SHEET)
    assert rows[0].tolist()[:4] == (7, 3, 2, 117.25)
    assert rows["box"].tolist() == [[100, 60, 180, 760]]
    assert Place.from_row(rows[0]) == Place(3, 2, 117.25, Box(100, 60, 180, 760))


def test_a_row_holds_the_bar_or_that_it_is_not_known():
    box = Box(100, 60, 180, 760)
    places = [Place(1, 1, 70.0, box, bar) for bar in (0, 12, None)]
    rows = np.array([place.row() for place in places], SHEET)
    assert rows["bar"].tolist() == [0, 12, NO_BAR]
    assert [Place.from_row(row) for row in rows] == places
