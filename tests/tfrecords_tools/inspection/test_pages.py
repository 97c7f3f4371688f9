"""Violations of order and geometry are found, each of its kind."""

from collections import Counter

import numpy as np
import pytest
from PIL import Image

from tempo_invariant.scores import msmd, strips
from tempo_invariant.scores.msmd import Score
from tempo_invariant.scores.mung import NoteHead, Onset, Page, System
from tempo_invariant.scores.places import Box
from tests.handmade import PIECE, make_piece
from tfrecords_tools.inspection.pages import KINDS, check_pages

SYSTEMS = (System(1, Box(100, 50, 180, 750)), System(2, Box(400, 50, 480, 750)))
GOOD = (
    NoteHead(10, Box(130, 100, 137, 109), 60, 1, moment=0.0),
    NoteHead(11, Box(140, 103, 147, 112), 55, 1, moment=0.0),  # same chord, 3 px right
    NoteHead(12, Box(130, 200, 137, 209), 62, 1, moment=1.0),
    NoteHead(13, Box(430, 90, 437, 99), 64, 2, moment=2.0),
)


def check(tmp_path, heads, systems=SYSTEMS, performance="none"):
    folder = tmp_path / "img"
    folder.mkdir(exist_ok=True)
    Image.fromarray(np.full((1181, 835), 255, np.uint8)).save(folder / "01.png")
    score = Score(tmp_path, (Page(1, systems, tuple(heads)),), ("bold",))
    return check_pages(score, strips.strip(score, "bold")[1], performance)


def test_nothing_is_wrong_with_good_pages(tmp_path):
    assert check(tmp_path, GOOD) == Counter()
    folder = make_piece(tmp_path / "msmd")
    score = msmd.read_score(folder)
    _, placements = strips.strip(score, "bold")
    assert check_pages(score, placements, f"{PIECE}_tempo-900_YamahaGrandPiano") == Counter()


@pytest.mark.parametrize(
    ("kind", "head"),
    [
        ("no_system", NoteHead(20, Box(130, 300, 137, 309), 60, -1, moment=1.5)),
        ("page", NoteHead(20, Box(130, 830, 137, 839), 60, -1, moment=1.5)),
        # The strip is rows 40 to 240.
        ("strip", NoteHead(20, Box(30, 300, 37, 309), 60, 1, moment=1.5)),
        ("strip", NoteHead(20, Box(235, 300, 242, 309), 60, 1, moment=1.5)),  # ends at 242
        ("width", NoteHead(20, Box(130, 20, 137, 29), 60, 1, moment=0.0)),
        ("column", NoteHead(20, Box(130, 150, 137, 159), 60, 1, moment=1.5)),
        ("order", NoteHead(20, Box(130, 300, 137, 309), 60, 1, moment=2.5)),
    ],
)
def test_each_kind_is_found(tmp_path, kind, head):
    found = check(tmp_path, [*GOOD, head])
    assert found[kind] == 1 and kind in KINDS
    extra = {"page": {"no_system"}}.get(kind, set())
    assert set(found) == {kind} | extra


def test_systems_overlap_by_more_than_a_pixel(tmp_path):
    for top, overlaps in ((180, 0), (179, 0), (178, 1), (120, 1)):
        systems = (SYSTEMS[0], System(2, Box(top, 50, top + 80, 750)))
        assert check(tmp_path, [], systems)["overlap"] == overlaps


def test_onsets_tell_the_time_where_there_is_no_moment(tmp_path):
    def head(number, column, seconds):
        onsets = {} if seconds is None else {"P": Onset(round(seconds * 20), seconds, number)}
        return NoteHead(number, Box(130, column, 137, column + 9), 60, 1, onsets=onsets)

    rising = [head(0, 100, 0.5), head(1, 150, None), head(2, 200, 1.0)]
    assert check(tmp_path, rising, performance="P") == Counter()
    falling = [head(0, 100, 1.5), head(1, 150, None), head(2, 200, 1.0)]
    assert check(tmp_path, falling, performance="P") == Counter(column=1)
    assert check(tmp_path, falling, performance="Q") == Counter()
