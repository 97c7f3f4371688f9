"""The listener: what it decides of scripted answers, and a whole session with a fake model."""

import dataclasses
import json

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import indexing
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.ranking import Candidate
from tempo_invariant.scores.places import Place
from tempo_invariant.tracking import listener as listening
from tempo_invariant.tracking.ear import Observations
from tempo_invariant.tracking.listener import Listener
from tempo_invariant.tracking.naming import Naming
from tempo_invariant.tracking.score_tracker import Estimate
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody

RISING = np.arange(20, 140)
SCORES = {"falling": RISING[::-1], "other": np.arange(240, 120, -1), "rising": RISING}
STEP = np.full(SAMPLE_RATE // 10, 0.1, np.float32)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    """Three scores of three systems; the third system is on a second page."""
    directory = tmp_path_factory.mktemp("index")
    for name, numbers in SCORES.items():
        fake_embedder.write_score(directory, name, numbers)
    made = indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "index").index
    places = made.places.copy()
    turned = places["system"] == 3
    places["page"][turned], places["system"][turned] = 2, 1
    return dataclasses.replace(made, editions=(), places=places)


class ScriptedEar:
    """A step for every block; silent where that is."""

    def __init__(self, *_):
        self.steps = 0

    def push(self, block):
        self.steps += 1
        level = np.array([np.abs(block).max()], np.float32)
        return Observations(np.array([self.steps]), (1,), np.zeros((1, 1, 4), np.float32), level)


class ScriptedTracker:
    """Goes on by 10 pixels a step from where it was put, and counts what it has heard."""

    def __init__(self, embedder, sheet, places):
        self.at = Place.from_row(places[0])
        self.heard = 0

    def step(self, observations):
        self.heard += len(observations)
        self.at = dataclasses.replace(self.at, x=self.at.x + 10)
        return [Estimate(float(s), self.at, 100.0, 0.9, "following") for s in observations.seconds]

    def correct(self, place):
        self.at = place


@pytest.fixture
def session(index, monkeypatch):
    """A listener that is told what the namer finds."""
    script: list[Naming] = []
    made = []

    class ScriptedNamer:
        def __init__(self, *_):
            made.append(self)

        def push(self, _):
            return [script.pop(0)] if script else []

    monkeypatch.setattr(listening, "Ear", ScriptedEar)
    monkeypatch.setattr(listening, "ScoreTracker", ScriptedTracker)
    monkeypatch.setattr(listening, "Namer", ScriptedNamer)
    listener = Listener(index, FakeEmbedder())
    listener.namers = made

    def hear(*answers: tuple[str, float | None], windows: int = 20, **judged):
        for name, confidence in answers:
            number = index.documents.index(name)
            certainty = "not told" if confidence is None else "unsure"
            if confidence is not None and confidence < 0.1:
                certainty = "absent"
            first = Candidate(1, number, name, 9.0, 0.5, 3)
            judgement = Judgement(**{"certainty": certainty, "confidence": confidence} | judged)
            script[:] = [Naming(windows, (first,), judgement)]
            (state,) = listener.push(STEP)
        return state

    return listener, hear


def test_a_score_is_followed_from_what_was_heard_before(session):
    listener, hear = session
    assert listener.push(0 * STEP)[0].state == "silent"
    assert hear(("rising", 0.99), windows=7).state == "listening"
    state = hear(("rising", 0.5))
    assert (state.state, state.document, state.place) == ("listening", None, None)
    state = hear(("rising", 0.8))
    assert (state.state, state.document, state.judgement.confidence) == ("following", "rising", 0.8)
    # Four steps were heard before and with the answer that named it.
    assert listener._followed.tracker.heard == 4 and state.seconds == pytest.approx(0.4)
    for _ in range(listening.MEMORY_STEPS):
        listener.push(STEP)
    assert sum(map(len, listener._heard)) == listening.MEMORY_STEPS


def test_what_is_not_likely_any_more_is_let_go(session):
    listener, hear = session
    hear(("rising", 0.9))
    most = listening.MOST_DOUBTS
    doubts = [("rising", 0.1)] * (most - 1)
    assert hear(*doubts, ("rising", 0.4), *doubts).document == "rising"
    assert hear(("rising", 0.1)).document is None
    hear(("rising", 0.9))
    state = hear(*[("other", 0.9)] * (most - 1))
    assert state.document == "rising" and state.candidates[0].name == "other"
    assert hear(("other", 0.9)).document == "other"
    state = hear(*[("falling", 0.05)] * most)
    assert (state.document, state.state) == (None, "listening")
    heard = round(listening.UNKNOWN_SECONDS * 10)
    assert hear(*[("falling", 0.05)] * heard).state == "unknown"


def test_a_model_without_a_calibration_names_what_comes_first_steadily(session):
    listener, hear = session
    steady = listening.STEADY_ANSWERS
    names = [("rising", None)] * (steady - 1)
    assert hear(*names, ("other", None), *names).document is None
    state = hear(("rising", None))
    assert (state.document, state.judgement.verdict) == ("rising", "none")
    assert hear(*[("other", None)] * 3).document == "rising"


def test_what_is_followed_is_likely_however_little_was_heard(session):
    listener, hear = session
    short = {"certainty": "unsure", "short": True}
    said = [
        hear(("rising", confidence), **short).judgement.certainty
        for confidence in (0.7, 0.95, 0.7, 0.95)
    ]
    assert said == ["unsure", "likely", "unsure", "likely"]
    assert hear(("rising", 0.95)).judgement.certainty == "unsure"


def test_silence_is_said_and_a_long_one_begins_anew(session):
    listener, hear = session
    hear(("rising", 0.5))
    noise = 0.005 * STEP  # 46 dB quieter than the music
    silence = [listener.push(noise)[0].state for _ in range(16)]
    assert silence[:14] == ["listening"] * 14 and silence[15] == "silent"
    assert len(listener.namers) == 1
    for _ in range(round(listening.PAUSE_SECONDS * 10)):
        listener.push(0 * STEP)
    assert len(listener.namers) == 2


def test_the_user_chooses_and_corrects(session, index):
    listener, hear = session
    hear(("rising", 0.9))
    listener.correct("rising", 1, 2, 300.0)
    state = hear(("rising", 0.9))
    assert (state.place.system, state.place.x) == (2, 310.0) and state.place.box.top == 400
    listener.correct("other", 2, 1, 100.0)
    state = hear(*[("rising", 0.99)] * 20)
    assert (state.document, state.judgement.certainty) == ("other", "sure")
    listener.choose("falling")
    assert hear(("rising", 0.99)).document == "falling"
    listener.choose(None)
    assert hear(("rising", 0.5)).document is None
    assert hear(("rising", 0.9)).document == "rising"
    with pytest.raises(UserError, match="index: holds no score 'nothing'"):
        listener.choose("nothing")
    for name, followed in (("rising", "rising"), ("other", "rising")):
        with pytest.raises(UserError, match=f"{name}: has no system 7 on page 1"):
            listener.correct(name, 1, 7, 0.0)
        assert hear(("rising", 0.9)).document == followed  # a refusal changes nothing
    with pytest.raises(UserError, match="holds no score 'x'"):
        Listener(index, FakeEmbedder(), "x")


def test_the_next_page_comes_when_the_last_system_is_over(session):
    listener, hear = session
    listener.choose("rising")
    listener.correct("rising", 1, 2, 560.0)
    # Systems span from 60 to 760: 200 pixels are left, at 100 a second, ten of them gone.
    assert listener.push(STEP)[0].turn_in_seconds == pytest.approx(1.9)
    listener.correct("rising", 1, 1, 560.0)
    assert listener.push(STEP)[0].turn_in_seconds == pytest.approx(8.9)
    listener.correct("rising", 2, 1, 100.0)
    assert listener.push(STEP)[0].turn_in_seconds is None


def test_a_state_is_json(session):
    _, hear = session
    fields = json.loads(json.dumps(hear(("rising", 0.5)).to_dict()))
    assert fields["place"] is None and fields["state"] == "listening"
    fields = json.loads(json.dumps(hear(("rising", 0.91234567)).to_dict()))
    assert fields == {
        "seconds": 0.2,
        "state": "following",
        "document": "rising",
        "verdict": "unsure",
        "certainty": "unsure",
        "confidence": 0.9123,
        "candidates": [{"name": "rising", "score": 0.5, "also": []}],
        "place": {
            "page": 1,
            "system": 1,
            "x": pytest.approx(80, abs=15),
            "box": [100, 60, 180, 760],
            "bar": None,
        },
        "turn_in_seconds": pytest.approx(13.8, abs=0.2),
        "pixels_per_second": 100.0,
    }


def test_a_piece_is_named_and_followed_and_another_one_after_it(index):
    """The whole of it, with a model that reads greys and pitches and has no calibration."""
    listener = Listener(index, FakeEmbedder())
    pause = np.zeros(round((listening.PAUSE_SECONDS + 1) * SAMPLE_RATE), np.float32)
    sound = np.concatenate([melody(RISING, 30), pause, melody(SCORES["other"], 30)])
    states = [
        state
        for first in range(0, len(sound), 2000)
        for state in listener.push(sound[first : first + 2000])
    ]
    assert [state.seconds for state in states] == pytest.approx(0.1 * np.arange(1, len(states) + 1))
    names = [state.document for state in states]
    named = names.index("rising")
    assert set(names[:named]) == {None} and named < 80
    assert set(names[named:300]) == {"rising"} and set(names[-200:]) == {"other"}
    silence = round((listening.PAUSE_SECONDS - 3) * 10)
    assert {state.state for state in states[330 : 330 + silence - 10]} == {"silent"}
    for state in states[150:295]:  # a third of the melody is a system; the third is on page 2
        place = state.place
        found = 2 * (place.page - 1) + place.system - 1 + (place.x - 60) / 700
        assert found == pytest.approx(state.seconds / 10, abs=0.25)
        assert state.pixels_per_second == pytest.approx(70, abs=40)
