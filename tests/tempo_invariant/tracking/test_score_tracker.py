"""Tracking music while it is played, with a model that reads pitches and grey values."""

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import following
from tempo_invariant.scores.places import SHEET, Box, Place
from tempo_invariant.tracking.ear import KNOWING, WAITING, Ear, lags_of
from tempo_invariant.tracking.fit import FEWEST_STEPS
from tempo_invariant.tracking.score_tracker import ScoreTracker
from tests.fake_embedder import FakeEmbedder, melody

SYSTEMS = 4
WIDTH = 700
NUMBERS = np.interp(np.arange(SYSTEMS * WIDTH), [0, SYSTEMS * WIDTH], [10, 240])
"""Of every column of the strip."""


@pytest.fixture(scope="module")
def score():
    """Embeddings and places of snippets, 24 pixels apart, of four systems on two pages."""
    rows, snippets = [], []
    for system in range(SYSTEMS):
        box = Box(100, 60, 180, 60 + WIDTH)
        for x in range(12, WIDTH, 24):
            place = Place(1 + system // 2, 1 + system % 2, 60.0 + x, box, bar=4 * system + x // 175)
            rows.append(place.row())
            snippets.append(np.full((160, 200), NUMBERS[system * WIDTH + x]))
    return FakeEmbedder().embed_sheet(np.stack(snippets)), np.array(rows, SHEET)


def _column(place: Place) -> float:
    """The column of the strip."""
    return WIDTH * (2 * (place.page - 1) + place.system - 1) + place.x - 60


def _track(score, sound, seconds=0.35):
    tracker = ScoreTracker(FakeEmbedder(), *score)
    step = round(seconds * SAMPLE_RATE)
    return [e for first in range(0, len(sound), step) for e in tracker.push(sound[first:][:step])]


def test_it_is_where_the_music_is_now(score):
    # 70 pixels a second from the middle of the second system on, and across a page's end.
    sound = melody(NUMBERS[1000:2400], 20.0)
    estimates = _track(score, sound)
    assert [e.seconds for e in estimates] == pytest.approx(0.1 * np.arange(1, 201))
    late = estimates[50:]
    missed = [_column(e.place) - 1000 - 70 * e.seconds for e in late]
    assert np.abs(missed).max() < 60  # at the ends of systems, up to what they have no notes in
    assert np.median(np.abs(missed)) < 20  # what the model reads changes by 0.08 a pixel
    assert np.median([e.pixels_per_second for e in late]) == pytest.approx(70, rel=0.15)
    assert {e.state for e in late} == {"following"}
    assert {(e.place.page, e.place.system) for e in late} == {(1, 2), (2, 1), (2, 2)}
    assert {e.place.bar for e in late if e.place.system == 1} == {8, 9, 10, 11}


def test_a_shared_ear_and_old_observations_do_as_well(score):
    sound = melody(NUMBERS[1000:1700], 10.0)
    ear, whole = Ear(FakeEmbedder()), ScoreTracker(FakeEmbedder(), *score)
    observations = ear.push(sound)
    assert (len(observations), observations.lags) == (100, WAITING.steps)
    parts = [*whole.step(observations[:30]), *whole.step(observations[30:])]
    assert parts == _track(score, sound, 1.7)


def test_who_knows_the_present_is_asked_about_it(score):
    sound = melody(NUMBERS[1000:1700], 10.0)
    embedder = FakeEmbedder()
    embedder.knows_present = True
    assert lags_of(embedder) == KNOWING and Ear(embedder).push(sound).lags == KNOWING.steps
    last = ScoreTracker(embedder, *score).push(sound)[-1]
    assert _column(last.place) == pytest.approx(1700, abs=30)


def test_it_follows_a_leap(score):
    sound = np.concatenate([melody(NUMBERS[1000:1700], 10.0), melody(NUMBERS[300:1000], 10.0)])
    after = [_column(e.place) - 300 - 70 * (e.seconds - 10) for e in _track(score, sound)[140:]]
    assert np.median(np.abs(after)) < 15


def test_silence_is_told_and_the_music_goes_on_after_it(score):
    pause = np.zeros(5 * SAMPLE_RATE, np.float32)
    sound = np.concatenate([melody(NUMBERS[:700], 10.0), pause, melody(NUMBERS[700:1050], 5.0)])
    estimates = _track(score, sound)
    assert {e.state for e in estimates[115:150]} == {"silent"}
    assert {e.pixels_per_second for e in estimates[115:150]} == {0.0}
    stood = [_column(e.place) for e in estimates[115:150]]
    assert max(stood) - min(stood) < 20
    assert abs(_column(estimates[-1].place) - 1050) < 40


def test_who_taps_is_believed(score):
    # A sound that fits everywhere alike.
    tracker = ScoreTracker(FakeEmbedder(), *score)
    tracker.push(np.zeros(SAMPLE_RATE, np.float32))
    wanted = Place(2, 1, 400.0, Box(100, 60, 180, 760))
    tracker.correct(wanted)
    (estimate, *_) = tracker.push(np.zeros(SAMPLE_RATE // 10, np.float32))
    assert (estimate.place.page, estimate.place.system) == (2, 1)
    assert estimate.place.x == pytest.approx(400, abs=25)
    with pytest.raises(UserError, match="no system 7 on page 2"):
        tracker.correct(Place(2, 7, 400.0, Box(100, 60, 180, 760)))


def test_places_are_those_of_the_score(score):
    systems, _ = following.lay_out(score[1])
    for estimate in _track(score, melody(NUMBERS[2500:], 6.0)):
        own = [
            s for s in systems if (s.page, s.system) == (estimate.place.page, estimate.place.system)
        ]
        assert len(own) == 1 and own[0].box == estimate.place.box
        assert own[0].box.left <= estimate.place.x <= own[0].box.right


def test_a_score_that_is_not_played_is_lost_and_the_opening_is_not(score):
    sheet, places = score
    wrong = np.zeros_like(sheet), places  # nothing in it is like what is heard
    sound = melody(NUMBERS[:700], 10.0)
    states = [estimate.state for estimate in _track(wrong, sound)]
    assert set(states[:FEWEST_STEPS]) == {"listening"} and set(states[50:]) == {"lost"}
    assert "lost" not in {estimate.state for estimate in _track(score, sound)}


def test_while_it_may_be_in_two_places_it_listens(score):
    # The third and fourth systems are the first and second again, but for the last 100 columns.
    numbers = np.concatenate([NUMBERS[:1400], NUMBERS[:1300], NUMBERS[2700:]])
    columns = np.arange(12, len(numbers), 24)
    snippets = np.stack([np.full((160, 200), numbers[column]) for column in columns])
    sheet = FakeEmbedder().embed_sheet(snippets)
    rows = [
        Place(1, 1 + column // WIDTH, 60.0 + column % WIDTH, Box(100, 60, 180, 60 + WIDTH)).row()
        for column in columns.tolist()
    ]
    tracker = ScoreTracker(FakeEmbedder(), sheet, np.array(rows, SHEET))
    sound = melody(numbers[700:1400], 10.0)
    states = [estimate.state for estimate in tracker.push(sound)]
    assert set(states[:84]) == {"listening"} and states[-1] == "following"
    tapped = ScoreTracker(FakeEmbedder(), sheet, np.array(rows, SHEET))
    tapped.push(sound[: 3 * SAMPLE_RATE])
    tapped.correct(Place(1, 2, 270.0, Box(100, 60, 180, 760)))
    after = [estimate.state for estimate in tapped.push(sound[3 * SAMPLE_RATE : 5 * SAMPLE_RATE])]
    assert set(after) == {"following"}
