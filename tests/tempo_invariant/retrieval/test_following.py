"""Following from end to end, with a model that reads greys and pitches."""

import dataclasses
import json

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import courses, following, indexing, one_score
from tempo_invariant.retrieval.answers import followed as followed_page
from tempo_invariant.retrieval.answers import text
from tests import fake_embedder
from tests.answer_pages import decode, read_page
from tests.fake_embedder import FakeEmbedder, melody

RISING = np.arange(20, 140)
LEFT, WIDTH = 60, 700
"""Of the systems that `fake_embedder.write_score` writes."""


@pytest.fixture(scope="module")
def score(tmp_path_factory):
    directory = tmp_path_factory.mktemp("score")
    fake_embedder.write_score(directory, "rising", RISING)
    return directory / "msmd" / "rising"


REPEATED = np.concatenate([melody(RISING[:80], 14), melody(RISING, 21)])
"""14 s of the score, and then all of it in 21 s."""


@pytest.fixture(scope="module")
def followed(score):
    document = one_score.read_score(score)
    return following.follow(FakeEmbedder(), document, np.array_split(REPEATED, 5))


@pytest.fixture(scope="module")
def answer(score):
    recording = open_recording(REPEATED, 22050, "take.wav")
    return following.follow_recording(FakeEmbedder(), one_score.read_score(score), recording)


@pytest.mark.parametrize("seconds", [16, 24, 36])
def test_every_moment_has_its_place(score, seconds):
    document = one_score.read_score(score)
    found = following.follow(FakeEmbedder(), document, [melody(RISING, seconds)])
    assert not found.leaps.any()
    assert np.allclose(np.diff(found.seconds[1:]), 0.1) and found.seconds[0] == 0
    inside = (found.seconds > 1) & (found.seconds < seconds - 1)
    # 40 numbers a system, the first at its beginning and the last at its end.
    number = found.seconds[inside] / seconds * (len(RISING) - 1)
    true = WIDTH * (number // 40 + np.minimum(number % 40 / 39, 1))
    off = np.abs(found.columns[inside] - true)
    # The fake model's similarities fall by half within 200 pixels, a real one's within 40.
    assert np.median(off) < 25 and off.max() < 60
    assert found.duration_seconds == pytest.approx(seconds, abs=1e-3)


def test_a_repeat_is_followed_and_reported(answer):
    report = answer.to_dict()
    assert (report["score"], report["audio"]) == ("rising", "take.wav")
    assert report["model"] == "fake model 0" and report["duration_seconds"] == 35
    assert report["leaps"] == [pytest.approx(14, abs=0.4)]
    assert [row["seconds"] for row in report["places"]] == list(range(36))
    for row in report["places"]:
        second = row["seconds"]
        true = second / 7 if second < 14 else (second - 14) / 7  # in systems
        if min(true % 1, -true % 1) > 0.1:
            assert (row["page"], row["system"]) == (1, 1 + int(true))
            assert row["x"] == pytest.approx(LEFT + WIDTH * (true % 1), abs=30)
            assert row["y"] == 140 + 300 * int(true)
            assert row["bar"] is None and row["similarity"] > 0.8
    course = report["course"]
    assert {len(values) for values in course.values()} == {350}
    assert min(course["similarity"]) < 0.999 and np.mean(course["similarity"]) > 0.9
    assert report["systems"][2] == {"page": 1, "system": 3, "box": [700, 60, 780, 760]}
    assert report["pages"] == [{"page": 1, "width": 835, "height": 900}]
    assert json.loads(json.dumps(report)) == report


def test_between_windows_the_place_moves_on_and_between_systems_it_leaps(followed):
    found = followed
    second = 3.03
    near = int(np.searchsorted(found.seconds, second))
    between = np.interp(
        second, found.seconds[near - 1 : near + 1], found.columns[near - 1 : near + 1]
    )
    assert found.at(np.array([second]))[0] == pytest.approx(between)
    (leap,) = np.flatnonzero(found.leaps)
    held = found.at(found.seconds[leap : leap + 1] - 0.01)[0]
    assert held == found.columns[leap - 1]


def test_a_score_comes_from_a_piece_an_index_or_images(score, tmp_path):
    piece = one_score.read_score(score)
    indexing.index_scores(FakeEmbedder(), score.parent, tmp_path / "index")
    indexed = one_score.read_score(tmp_path / "index")
    assert indexed.name == piece.name == "rising"
    assert np.array_equal(indexed.snippets, piece.snippets)
    assert np.array_equal(indexed.places, piece.places)
    assert np.array_equal(indexed.pages[1], piece.pages[1])
    assert np.diff(piece.places["x"][:60]).tolist() == [following.STEP_PIXELS] * 59
    indexing.index_scores(FakeEmbedder(), score.parent, tmp_path / "bare", keep_pages=False)
    with pytest.raises(UserError, match="has no page image of 'rising': give the score itself"):
        one_score.read_score(tmp_path / "bare")


def test_of_several_scores_one_must_be_named(tmp_path):
    for name in ("one", "two"):
        fake_embedder.write_score(tmp_path, name, RISING)
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    for path in (tmp_path / "msmd", tmp_path / "index"):
        with pytest.raises(UserError, match="holds 2 scores: one, two; name one of them with x"):
            one_score.read_score(path, named_by="x")
        assert one_score.read_score(path, "two").name == "two"
        with pytest.raises(UserError, match="no score 'three'"):
            one_score.read_score(path, "three")


def test_the_silent_windows_of_a_recording_are_there(score):
    pcm = np.concatenate([melody(RISING[:60], 9), np.zeros(4 * 22050), melody(RISING[60:], 9)])
    found = following.follow(FakeEmbedder(), one_score.read_score(score), [pcm])
    assert len(found.seconds) == 220 and not found.leaps.any()
    assert (np.diff(found.columns) >= 0).all()
    middle = found.columns[np.searchsorted(found.seconds, [9, 13])]
    assert middle == pytest.approx([1050, 1050], abs=130)
    with pytest.raises(UserError, match="take.wav: is silent"):
        following.follow(
            FakeEmbedder(), one_score.read_score(score), [np.zeros(99_000)], name="take.wav"
        )


def test_times_at_which_the_recording_is_nowhere_have_no_place(followed):
    columns = followed.columns.copy()
    columns[-30:] = np.nan  # the last 3 s
    found = dataclasses.replace(followed, columns=columns)
    places = found.places(found.full_seconds)
    assert [place is None for place in places] == [second > 31 for second in range(36)]
    course = courses.make_course(
        found.seconds, found.places(found.seconds), found.similarities, found.leaps
    )
    lists = courses.course_lists(course)
    for key in ("page", "system", "x", "y"):
        assert [value is None for value in lists[key]] == [False] * 320 + [True] * 30
    assert json.loads(json.dumps(lists, allow_nan=False)) == lists


def test_the_answer_is_a_page_and_numbers(score, tmp_path):
    path = tmp_path / "a<b> & <script>.wav"
    soundfile.write(path, melody(RISING, 21), 22050)
    recording = open_recording(path)
    found = following.follow_recording(FakeEmbedder(), one_score.read_score(score), recording)
    lines = text.followed_score(found).splitlines()
    assert lines[0] == f"{path}, 21.0 s, through rising"
    assert lines[1] == "0:00–0:06  page 1, system 1"
    written = followed_page.write(found, recording, tmp_path / "out")
    assert sorted(file.name for file in written.parent.iterdir()) == ["follow.html", "follow.json"]
    page = read_page(written)
    kind, data = decode(page.of("audio")[0]["src"])
    assert kind == "data:audio/wav;base64" and data == path.read_bytes()
    report = json.loads(written.with_suffix(".json").read_text())
    assert report == found.to_dict()
    shown = json.loads("".join(page.texts["data"]))
    for key in ("seconds", "page", "system", "bar", "x"):
        assert shown["course"][key] == report["course"][key]
    assert shown["pages"] == report["pages"] and shown["duration"] == 21
    assert path.name in page.texts["p"][0] and page.texts["title"] == ["rising"]


def test_digital_silence_at_the_ends_is_nowhere_and_within_it_the_place_is_held(score):
    rate = 22050
    sound, silence = melody(RISING, 20), np.zeros
    decay = np.linspace(0.01, 0, rate)  # below -80 dB from 23.99 s on
    pcm = np.concatenate([silence(3 * rate), sound, decay, silence(round(6.5 * rate))])
    recording = open_recording(pcm.astype(np.float32), rate, "take.wav")
    answer = following.follow_recording(FakeEmbedder(), one_score.read_score(score), recording)
    assert answer.duration_seconds == pytest.approx(30.5)
    assert [place.seconds for place in answer.places] == list(range(3, 24))
    there = answer.course["page"] > 0
    assert answer.course["seconds"][there][[0, -1]] == pytest.approx([3, 24], abs=0.15)
    assert answer.places[0].system == 1 and answer.places[0].x < LEFT + 60
    pause = np.concatenate([sound[: 9 * rate], silence(12 * rate), sound[9 * rate :]])
    found = following.follow(FakeEmbedder(), one_score.read_score(score), [pause])
    assert not np.isnan(found.columns).any()


def test_places_tell_the_bar(score):
    document = one_score.read_score(score)
    assert set(document.places["bar"]) == {-1}  # its pages hold no bar lines
    # From column 400 on, the second bar of every system.
    later = document.places["x"] >= 400
    order = np.cumsum(np.diff(document.places["system"], prepend=0) != 0)
    document.places["bar"] = 2 * order - 1 + later
    found = following.follow(FakeEmbedder(), document, [melody(RISING, 24)])
    for place in found.places(np.arange(2, 23)):
        if abs(place.x - 400) > 10:
            assert place.bar == 2 * place.system - 1 + (place.x >= 400)
    lost = dataclasses.replace(found, bars=())
    assert {place.bar for place in lost.places(np.arange(2, 23))} == {None}
