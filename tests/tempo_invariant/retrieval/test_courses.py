"""Places with their times, and what of them JSON can hold."""

import json

import numpy as np

from tempo_invariant.retrieval import courses
from tempo_invariant.scores.places import Box, Place

BOX = Box(400, 60, 480, 760)


def test_a_timed_place_is_a_place_with_plain_fields():
    place = courses.timed_place(3, Place(1, 2, 100.04, BOX, bar=7), 0.51251)
    assert isinstance(place, Place) and (place.page, place.bar, place.seconds) == (1, 7, 3)
    assert place.to_dict() == {
        "seconds": 3,
        "page": 1,
        "system": 2,
        "bar": 7,
        "x": 100,
        "y": 440,
        "box": [400, 60, 480, 760],
        "similarity": 0.513,
    }


def test_what_is_not_known_becomes_null():
    places = [Place(1, 2, 100.0, BOX, bar=0), Place(1, 2, 130.25, BOX), None]
    course = courses.make_course([0.0, 0.5, 1], places, [0.25, np.nan, 0], [False, True, False])
    assert course.dtype == courses.COURSE and course["page"].tolist() == [1, 1, 0]
    assert courses.leap_seconds(course) == [0.5]
    lists = courses.course_lists(course)
    assert json.loads(json.dumps(lists, allow_nan=False)) == {
        "seconds": [0, 0.5, 1],
        "page": [1, 1, None],
        "system": [2, 2, None],
        "bar": [0, None, None],
        "x": [100, 130.2, None],
        "y": [440, 440, None],
        "similarity": [0.25, None, 0],
    }
