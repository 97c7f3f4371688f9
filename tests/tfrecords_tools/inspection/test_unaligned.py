"""Likely reasons for what is not aligned."""

import numpy as np

from tempo_invariant.scores.mung import NoteHead, Onset
from tempo_invariant.scores.places import Box
from tempo_invariant.scores.strips import Placement
from tfrecords_tools.inspection.unaligned import reasons, shown_events
from tfrecords_tools.msmd.layout import Performance

# Onset, pitch and duration in seconds of the notes that the heads below show, one a second.
SHOWN = [(float(t), 60 + t, 0.5) for t in range(10)]


def performance(extra=()):
    notes = np.array([(*row, 0, 0) for row in [*SHOWN, *extra]], float)
    onsets = np.ceil(notes[:, 0] * 20).astype(int)
    return Performance("P", 1.0, "F", notes, onsets, np.zeros((92, 400), np.float32))


def head(pitch, moment, event=None, system=0, tied=False, column=None):
    onsets = {} if event is None else {"P": Onset(int(moment * 20), float(moment), event)}
    written = NoteHead(0, Box(0, 0, 7, 9), pitch, system, tied, moment, onsets)
    return Placement(written, 1, system, 0.0, 100 * moment if column is None else column)


def aligned():
    return [head(60 + t, t, t) for t in range(10)]


def test_nothing_to_explain():
    assert not reasons(performance(), [*aligned(), head(60, 4.0, tied=True)])
    assert shown_events(performance(), aligned()) == set(range(10))


def test_events_are_found_by_pitch_and_frame_where_their_row_is_not_known():
    heads = [head(60, 0, -1), head(61, 1, 99), head(70, 2, -1)]
    assert shown_events(performance(), heads) == {0, 1}


def test_each_reason():
    def only(extra, heads, count=1):
        found = reasons(performance(extra), [*aligned(), *heads])
        assert sum(found.values()) == count, found
        return sorted(found)

    assert "tremolo" in only([(3.2, 63, 0.1)], [])[0]  # struck again 0.2 s after the shown one
    assert "without any head of its pitch" in only([(3.5, 40, 0.1)], [])[0]
    assert "in a passage without any head" in only([(15.0, 40, 0.1)], [])[0]
    near = only([(3.5, 40, 0.1)], [head(40, 3.7)], 2)
    assert all("another time" in reason for reason in near)
    rounded = only([(3.5, 40, 0.1)], [head(40, 3.51)], 2)
    assert all("less than 30 ms" in reason for reason in rounded)
    octave = only([(3.5, 40, 0.1)], [head(52, 3.5)], 2)
    assert all("of another pitch" in reason for reason in octave)
    assert "sounds already" in only([], [head(63, 3.4)])[0]  # the note of 3.0 s lasts to 3.5 s
    assert "not played near its time" in only([], [head(40, 3.4)])[0]
    assert "a system that is not played" in only([], [head(40, 3.4, system=7)])[0]


def test_columns_tell_the_time_where_moments_are_missing():
    heads = aligned()
    timeless = NoteHead(0, Box(0, 0, 7, 9), 40, 0)
    heads.append(Placement(timeless, 1, 0, 0.0, 350.0))  # half way between the heads of 3 and 4 s
    found = reasons(performance([(3.51, 40, 0.1)]), heads)
    assert all("less than 30 ms" in reason for reason in found) and len(found) == 2


def test_nothing_is_aligned_at_all():
    found = reasons(performance(), [head(60, 0)])
    assert sum(found.values()) == 11
    assert found["head in a system that is not played: another ending or score"] == 1
