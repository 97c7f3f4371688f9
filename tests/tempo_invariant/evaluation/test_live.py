"""The live benchmark: errors, turns, recoveries and latencies that are known, and the command."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import live, live_figure, live_sessions
from tempo_invariant.evaluation.alterations import Performance
from tempo_invariant.evaluation.following import Truth
from tempo_invariant.evaluation.live import LiveSettings
from tempo_invariant.evaluation.live_sessions import Cursor, Session
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import indexing
from tempo_invariant.retrieval.score_alignment import Strip
from tempo_invariant.scores.places import Box, Place
from tempo_invariant.tracking.listener import TURN_AHEAD_SECONDS, ListenerState
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tests.query_files import named, query_set, strikes

ROOT = Path(__file__).parents[3]
NUMBERS = np.arange(20, 140)
SECONDS = 24.0
SYSTEMS = tuple(Place(page, 1, 50.0, Box(0, 50, 80, 550)) for page in (1, 2))
STRIP = Strip(np.arange(20.0, 1000, 20), np.array([0.0, 500.0, 1000.0]))
TRUTH = Truth(np.arange(0, 20, 0.5), np.arange(0, 20, 0.5) * 50)
"""Two pages of one system each; 50 pixels a second, the second page from 10 s on."""


def place_of(column: float) -> Place:
    return dataclasses.replace(SYSTEMS[int(column >= 500)], x=50 + column % 500)


def cursor_of(columns, seconds=None, performance=None, turns=None, document="piece"):
    """A cursor whose states have been at columns of the strip (NaN: nowhere), 0.1 s apart."""
    seconds = 0.1 * np.arange(1, len(columns) + 1) if seconds is None else seconds
    states = [
        ListenerState(
            second,
            "following",
            document,
            place=None if np.isnan(column) else place_of(column),
            pixels_per_second=50.0,
            turn_in_seconds=turn,
        )
        for second, column, turn in zip(
            seconds, columns, [None] * len(columns) if turns is None else turns, strict=True
        )
    ]
    whole = Performance.whole(np.zeros(20 * SAMPLE_RATE, np.float32))
    session = Session(states, np.zeros(len(states)), 1.0)
    return Cursor(session, "piece", SYSTEMS, STRIP, TRUTH, performance or whole)


def test_the_error_is_that_of_what_is_shown_at_that_moment():
    cursor = cursor_of([5.0, 10.0, 20.0, np.nan])
    # At 0.25 s the state of 0.2 s has gone on by 2.5 pixels: 12.5 pixels are played at 0.25 s.
    late = cursor.late(np.array([0.05, 0.1, 0.25, 0.3, 0.39, 0.45]))
    assert late == pytest.approx([np.inf, 0.0, 0.0, 0.1, 0.1, np.inf], abs=1e-9)
    assert (cursor_of([5.0], document="other").late(np.array([0.2])) == np.inf).all()
    assert (cursor_of([]).late(np.array([0.2])) == np.inf).all()
    assert cursor.onsets() == pytest.approx(TRUTH.seconds)


def test_the_truth_moves_with_what_is_cut():
    # From 5 s on 3 s of silence, then what begins at 12 s of the recording.
    starts, origins = np.array([0.0, 5.0, 8.0]), np.array([0.0, np.nan, 12.0])
    performance = Performance(np.zeros(14 * SAMPLE_RATE, np.float32), starts, origins)
    times = np.array([4.0, 6.0, 9.0])
    cursor = cursor_of([200.0, 250.0, 650.0], times, performance)
    late = cursor.late(times)
    assert late[[0, 2]] == pytest.approx([0, 0]) and np.isnan(late[1])
    # Half a second is caught up at 10 s, and lasts for only 0.2 s; from 11 s on it stays.
    seconds = np.arange(8, 14, 0.1)
    right = 50 * (seconds + 4)
    wrong = ((seconds < 9.95) | (seconds > 10.15)) & (seconds < 10.95)
    cursor = cursor_of(np.where(wrong, right - 40, right), seconds, performance)
    assert cursor.recovery(8.0) == pytest.approx(3.0)
    assert cursor_of(right - 24, seconds, performance).recovery(8.0) == pytest.approx(0.0, abs=0.01)
    assert cursor_of(right - 26, seconds, performance).recovery(8.0) == np.inf


def test_a_page_is_turned_in_time_or_not():
    seconds = np.arange(0.1, 12, 0.1)

    def turn(shift, ahead=None):
        columns = np.clip(50 * seconds + shift, 0, 999)
        turns = None if ahead is None else [ahead(second) for second in seconds]
        due, right = cursor_of(columns, seconds, turns=turns).turns()
        assert due == pytest.approx([10.0])
        return bool(right[0])

    assert turn(10) and not turn(-10)
    assert turn(195) and not turn(205)
    # 10 pixels late, but announced: in time, and too early where it is too soon.
    assert turn(-10, lambda second: 10.2 - second)
    assert turn(-10, lambda second: TURN_AHEAD_SECONDS if second > 6.05 else None)
    assert not turn(-10, lambda second: TURN_AHEAD_SECONDS if second > 5.95 else None)
    assert not turn(-10, lambda second: TURN_AHEAD_SECONDS + 0.1)


def test_latency_counts_the_block_and_what_waits():
    class Slow:
        """Says one state about the end of every block, with pauses of its own."""

        clock, pauses, seconds = 0.0, [0.05, 0.35, 0.0, 0.0], 0.0

        def push(self, block):
            self.clock += self.pauses.pop(0)
            Slow.seconds += len(block) / SAMPLE_RATE
            return [ListenerState(Slow.seconds - 0.1, "silent"), ListenerState(Slow.seconds, "x")]

    slow = Slow()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_sessions.time, "perf_counter", lambda: slow.clock)
        session = live_sessions.listen(slow, np.zeros(int(0.8 * SAMPLE_RATE), np.float32), 0.2)
    # Said at 0.25, 0.75 (0.4 + 0.35), then 0.75 again: the third block came at 0.6; and 0.8.
    expected = [0.15, 0.05, 0.45, 0.35, 0.25, 0.15, 0.1, 0.0]
    assert session.latencies == pytest.approx(expected, abs=1e-3) and len(session.states) == 8


class Oracle:
    """A listener that follows the glide of the fake score, `late` seconds behind, once named."""

    def __init__(self, index, embedder, document, late=0.0, named_at=3.0, wrong="reversed"):
        self.index, self.document = index, document
        self.late, self.named_at, self.wrong = late, 0.0 if document else named_at, wrong
        self.steps = 0

    def push(self, block):
        self.steps += 1
        seconds = self.steps * 0.1
        share = np.clip((seconds - self.late) / SECONDS, 0, 0.999) * 3
        if seconds < self.named_at:
            state = "following" if seconds > 1 and self.wrong else "listening"
            return [ListenerState(seconds, state, self.wrong if state == "following" else None)]
        box = Box(100, 60, 180, 760)
        place = Place(1, 1 + int(share), 60 + 700 * (share % 1), box)
        return [ListenerState(seconds, "following", "piece", place=place, pixels_per_second=87.5)]


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """An index of two scores, and a query set of one of them."""
    directory = tmp_path_factory.mktemp("live")
    fake_embedder.write_score(directory, "piece", NUMBERS, seconds=SECONDS)
    fake_embedder.write_score(directory, "reversed", NUMBERS[::-1], seconds=SECONDS)
    made = indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "index").index
    truth = strikes(directory / "msmd" / "piece")
    recordings = [("piece", named(), melody(NUMBERS, SECONDS), truth, {})]
    queries = query_set(directory / "queries", recordings)
    return dataclasses.replace(made, editions=()), queries


def test_what_is_measured_is_what_the_listener_does(measured, monkeypatch):
    index, queries = measured
    monkeypatch.setattr(live, "Listener", Oracle)
    (report,) = live.run(FakeEmbedder(), index, queries)
    # 60 heads, one every 0.4 s; those before 3 s are not found. The end of a system is drawn in.
    assert report["onsets"]["count"] == 60 and report["onsets_later"]["count"] == 35
    assert report["onsets"]["within"]["0.1"][0] == pytest.approx(52 / 60, abs=0.07)
    assert report["onsets_later"]["within"]["0.1"][0] > 0.93
    found = report["named"]
    assert found["in_time"][0] == found["ever"][0] == found["ever_wrongly"][0] == 1
    assert found["median_seconds"] == pytest.approx(3.0) and report["turns"] == {
        "count": 0,
        "right": None,
    }
    rows = {row["seconds"]: row for row in report["curve"]}
    assert rows[1.5]["median"] is None and rows[1.5]["near"] == 0
    assert rows[12.5]["median"] < 0.05 and rows[12.5]["near"] == 1
    monkeypatch.setattr(live, "Listener", lambda *given: Oracle(*given, late=0.3, named_at=9))
    settings = LiveSettings(given=True, most_seconds=15)
    (given,) = live.run(FakeEmbedder(), index, queries, settings)
    assert given["onsets"]["count"] == 38 and "named" not in given
    within = given["onsets_later"]["within"]
    assert within["0.2"][0] == 0 and within["0.5"][0] == 1
    monkeypatch.setattr(live, "Listener", lambda *given: Oracle(*given, named_at=9, wrong=""))
    (late,) = live.run(FakeEmbedder(), index, queries, LiveSettings(most_seconds=15))
    assert late["named"]["in_time"][0] == late["named"]["ever_wrongly"][0] == 0
    assert late["named"]["ever"][0] == 1
    text = live.table([report, given])
    assert "1 recordings, among 2 scores" in text and "1 recordings, the piece given" in text
    assert "named within 8 s 100.0 [100.0, 100.0], ever 100.0" in text and "median 3.0 s" in text
    assert json.loads(json.dumps([report, given])) == [report, given]
    drawing = live_figure.figure([report, given])
    above, below = drawing.axes
    assert len(below.lines) == 2 and np.isnan(above.lines[0].get_ydata()[1])
    assert below.lines[0].get_ydata()[12] == 100


def test_bars_are_those_counted_or_four_quarters(measured, monkeypatch):
    index, (query,) = measured
    score = live._find_score(index, "piece")
    bars = np.repeat([1, 2, 3, -1, 5, 6], [10, 20, 20, 7, 20, 10])
    score = dataclasses.replace(score, bars=bars)
    truth = Truth(np.arange(len(bars)) / 10, score.strip.columns)
    assert live._bar_onsets(query, truth, score) == pytest.approx([1.0, 3.0, 7.7])
    # Two notes a quarter, every fifth of a second, from the second quarter on.
    strikes = query.strikes[:30].copy()
    strikes["moment"], strikes["seconds"] = 1 + np.arange(30) / 2, np.arange(30) / 5
    query = dataclasses.replace(query, strikes=strikes[::-1])
    assert live._bar_onsets(query, truth, score) == pytest.approx([0.0, 1.2, 2.8, 4.4])
    monkeypatch.setattr(live, "FEWEST_BARS", 2)
    assert live._bar_onsets(query, truth, score) == pytest.approx([1.0, 3.0, 7.7])
    with pytest.raises(UserError, match="index: holds no score 'nothing'"):
        live._find_score(index, "nothing")


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--index=nowhere"], "nowhere: no such"),
        (["--index=tests", "--queries=tests", "--altered=fall"], "--altered=fall: must be some of"),
        (["--index=tests"], "give --msmd, or --queries"),
        (["--index=tests", "--queries=tests", "--seconds=5"], "--seconds: does not go"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, message):
    command = [sys.executable, "-m", "tempo_invariant.live_benchmark", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode and done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout
