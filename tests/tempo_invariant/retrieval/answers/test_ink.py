"""Boxes of systems, grown to their notes."""

import numpy as np
import pytest

from tempo_invariant.retrieval.answers import ink
from tempo_invariant.retrieval.answers.ink import grow_boxes
from tempo_invariant.scores.places import Box

BOXES = [Box(200, 100, 280, 700), Box(400, 100, 480, 700)]
MARGIN = ink.MARGIN_PIXELS


def page():
    image = np.full((700, 800), 255, np.uint8)
    for box in BOXES:
        image[box.top : box.bottom : 8, box.left : box.right] = 0
    return image


def spans(boxes):
    return [(box.top, box.bottom) for box in boxes]


def test_boxes_without_notes_beyond_the_staves_get_a_margin():
    assert spans(grow_boxes(page(), BOXES)) == [
        (200 - MARGIN, 280 + MARGIN),
        (400 - MARGIN, 480 + MARGIN),
    ]


def test_boxes_hold_high_and_low_notes():
    image = page()
    image[385:400:6, 300:320] = 0  # ledger lines above the second system
    image[370:380, 305:312] = 0  # and the note
    image[280:310, 500:503] = 0  # a stem below the first
    assert spans(grow_boxes(image, BOXES)) == [
        (200 - MARGIN, 310 + MARGIN),
        (370 - MARGIN, 480 + MARGIN),
    ]


def test_systems_share_what_is_between_them_half_and_half():
    image = page()
    image[280:400, 300:303] = 0
    grown = grow_boxes(image, BOXES)
    assert grown[0].bottom == grown[1].top == 340
    assert spans(grow_boxes(image, BOXES[::-1])) == spans(grown)[::-1]


def test_text_further_away_and_titles_are_left_out():
    image = page()
    image[500:510, 100:400] = 0  # 20 rows below the last system
    image[100:175, 100:400] = 0  # a title, 25 rows above the first one
    image[188:192, 100:400] = 0  # a tempo mark
    (top, _), (_, bottom) = spans(grow_boxes(image, BOXES))
    assert (top, bottom) == (188 - MARGIN, 480 + MARGIN)
    image[180:185, 100:400] = 0  # more text, so that ink goes on to the title
    assert grow_boxes(image, BOXES)[0].top == 176


@pytest.mark.parametrize(
    "box", [Box(-50, -9, 900, 5000), Box(5, 100, 20, 700), Box(690, 0, 700, 9)]
)
def test_boxes_stay_on_the_page(box):
    (grown,) = grow_boxes(page(), [box])
    assert 0 <= grown.top < grown.bottom <= 700 and 0 <= grown.left < grown.right <= 800
