"""The measurement itself: what counts as right, and a whole run on drawn pages."""

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import system_detection
from tempo_invariant.evaluation.altered_pages import Alterations
from tempo_invariant.scores.places import Box
from tests.drawn_pages import write_msmd


def test_a_system_is_right_when_found_once_and_in_place():
    truth = [Box(100, 50, 200, 750), Box(300, 50, 400, 750)]
    match = system_detection.match
    assert match(truth, [Box(301, 50, 402, 740), Box(103, 50, 200, 750)]) == [(0, 1), (1, 0)]
    assert len(match(truth, [truth[0], truth[0]])) == 1  # one box too many
    assert match(truth, [Box(100, 50, 400, 750)]) == []  # two in one
    assert match(truth, [Box(106, 50, 200, 750)]) == []  # a staff space too low ...
    assert match(truth, [Box(106, 50, 200, 750)], scale=2.0) == [(0, 0)]  # ... of half that size
    assert match(truth, [Box(100, 50, 200, 500)]) == []  # 450 of 700 columns


@pytest.fixture
def drawn_msmd(tmp_path):
    return write_msmd(tmp_path, {"a__b__c": [3], "d__e__f": [4]})


@pytest.mark.parametrize(
    "alterations", [None, Alterations(degraded=True), Alterations(warped=True, degraded=True)]
)
def test_drawn_pages_are_read_without_an_error(drawn_msmd, alterations):
    report = system_detection.measure(drawn_msmd, 10, alterations, seed=1)
    assert (report.pages, report.systems, report.right, report.false) == (2, 7, 7, 0)
    assert report.failures == [] and "7 right (100.00 %), 0 missed" in report.table()


def test_two_pages_on_a_sheet_and_pages_on_their_side(drawn_msmd):
    report = system_detection.measure(drawn_msmd, 10, Alterations(two_up=True, turned=True))
    assert (report.pages, report.systems, report.right, report.false) == (2, 14, 14, 0)
    assert report.failures == []


def test_pages_of_some_pieces_alone(drawn_msmd):
    report = system_detection.measure(drawn_msmd, 10, pieces=["d__e__f"])
    assert (report.pages, report.systems, report.right) == (1, 4, 4)
    with pytest.raises(UserError, match="holds no piece 'x'"):
        system_detection.measure(drawn_msmd, pieces=["x"])


def test_systems_out_of_order_and_bent_ones_are_not_right():
    boxes = [Box(100, 50, 200, 750), Box(300, 50, 400, 750)]
    report = system_detection.DetectionReport()
    assert not report.add("page", boxes, boxes[::-1], 1.0)
    assert report.right == 2 and report.failures == ["page: not in reading order"]
    assert report.add("page", boxes, boxes, 1.0, bends=[5, 0])
    assert not report.add("page", boxes, boxes, 1.0, bends=[6, 0])


def test_errors_are_named_and_drawn(drawn_msmd, tmp_path):
    path = drawn_msmd / "a__b__c/scores/a__b__c_ly/coords/systems_01.npy"
    np.save(path, np.load(path)[:2] + np.array([0, 300]))  # one not told of, two elsewhere
    report = system_detection.measure(drawn_msmd, 10, pictures=tmp_path / "out")
    assert (report.systems, report.right, report.missed, report.false) == (6, 4, 2, 3)
    assert report.failures == ["a__b__c_ly-01: 2 missed, 3 false"]
    picture = np.asarray(Image.open(tmp_path / "out/a__b__c_ly-01.png"))
    assert (picture == [255, 0, 0]).all(axis=-1).any()
    assert (picture == [0, 0, 255]).all(axis=-1).any()
    with pytest.raises(UserError, match="img_thin.*no such image"):
        system_detection.measure(drawn_msmd, ink="thin")
