"""Identification from end to end, with a model that reads greys and pitches."""

import dataclasses
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import reading
from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.audio.windows import cut_windows
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import (
    courses,
    hearing,
    identification,
    indexing,
    listening,
)
from tempo_invariant.retrieval.answers import identified, text
from tempo_invariant.retrieval.answers.pictures import attention_by_frame
from tempo_invariant.retrieval.certainty import Calibration, Judgement
from tempo_invariant.retrieval.identification import IdentificationSettings
from tempo_invariant.retrieval.ranking import Ranker
from tempo_invariant.scores import collection
from tests import fake_embedder
from tests.answer_pages import read_page
from tests.fake_embedder import FRAMES, FakeEmbedder, melody

RISING = np.arange(20, 140)
SCORES = {
    "falling": RISING[::-1],
    "other": np.arange(240, 120, -1),
    "rising": RISING,
    "zigzag": np.concatenate([RISING[40:80], RISING[:40], RISING[80:]]),
}
POSITIONS = 87
"""Snippets of a score: 3 systems of 700 pixels, one every 24."""


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    directory = tmp_path_factory.mktemp("index")
    for name, numbers in SCORES.items():
        fake_embedder.write_score(directory, name, numbers)
    made = indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "index").index
    return dataclasses.replace(made, editions=())  # the same notes in another order count as such


def _identify(index, pcm, **settings):
    recording = open_recording(pcm, 22050)
    return identification.identify_recording(
        index, FakeEmbedder(), recording, IdentificationSettings(**settings)
    )


def _by_second(answer):
    return {place.seconds: place for place in answer.places}


def _heard(pcm, hop_frames=10):
    return hearing.hear(FakeEmbedder(), np.array_split(pcm, 9), hop_frames)


@pytest.mark.parametrize("seconds", [14, 21, 42])
def test_the_score_and_the_place_are_found_at_any_tempo(index, seconds):
    answer = _identify(index, melody(RISING, seconds), top=2)
    assert [(one.rank, one.name) for one in answer.candidates][0] == (1, "rising")
    assert len(answer.candidates) == 2
    assert answer.duration_seconds == pytest.approx(seconds) and not answer.course["leap"].any()
    # The middle of the recording is the middle of the second system.
    places = _by_second(answer)
    assert list(places)[:seconds] == list(range(seconds))
    assert len(answer.course) == len(answer.heard.seconds) == 2 * seconds
    for second, place in places.items():
        assert 0.8 < place.similarity <= 1.001
        position = second / seconds * 3
        if min(position % 1, -position % 1) > 0.1:  # clear of the ends of systems
            assert (place.page, place.system) == (1, 1 + int(position))
            assert place.x == pytest.approx(60 + 700 * (position % 1), abs=75)


def test_limits_are_speeds_whatever_the_distances():
    limits = identification.recording_limits(10, 50)
    assert (limits.slowest, limits.fastest, limits.leap_cost) == (4, 3, 3.0)
    fine = identification.recording_limits(2, 10)
    assert (fine.slowest, fine.fastest, fine.leap_cost) == (4, 3, 15.0)
    assert identification.recording_limits(2, 50).slowest == 20  # 2 s, as before
    other_way = identification.page_limits(10, 50)
    assert (other_way.slowest, other_way.fastest) == (3, 4)


@pytest.mark.parametrize("hop_frames", [3, 20])
def test_other_distances_of_windows_do_as_well(index, hop_frames):
    answer = _identify(index, melody(RISING, 25), hop_frames=hop_frames)
    assert answer.candidates[0].name == "rising"
    places = _by_second(answer)
    assert [places[second].system for second in (4, 12, 21)] == [1, 2, 3]


def test_only_the_order_tells_pieces_of_the_same_notes_apart(index):
    for name in ("falling", "zigzag"):
        heard = _heard(melody(SCORES[name], 24))
        answer = identification.rank(index, heard.embedding, heard.seconds)
        assert answer.candidates[0].name == name


def test_votes_name_the_piece_with_most_neighbours(index):
    heard = _heard(melody(SCORES["other"][10:40], 6))
    answer = identification.rank(index, heard.embedding, heard.seconds, "votes")
    assert answer.candidates[0].name == "other"
    assert [c.votes for c in answer.candidates] == sorted(
        (c.votes for c in answer.candidates), reverse=True
    )
    assert sum(c.votes for c in answer.candidates) == 25 * len(heard.seconds)


def test_a_repeat_is_followed_back(index):
    part, rest = melody(RISING[:80], 14), melody(RISING[80:], 7)
    answer = _identify(index, np.concatenate([part, part, rest]))
    assert answer.candidates[0].name == "rising"
    assert answer.to_dict()["leaps"] == 1
    assert courses.leap_seconds(answer.course) == [pytest.approx(14, abs=1)]
    places = _by_second(answer)
    assert [places[second].system for second in (2, 11, 16, 25, 31)] == [1, 2, 1, 2, 3]


def test_silence_at_the_end_is_nowhere(index):
    pcm = np.concatenate([melody(RISING, 20), np.zeros(10 * 22050, np.float32)])
    answer = _identify(index, pcm)
    assert answer.duration_seconds == pytest.approx(30)
    assert answer.heard.sound_end_seconds == pytest.approx(20, abs=0.01)
    assert max(_by_second(answer)) in (19, 20)
    pcm = np.concatenate([melody(RISING[:60], 10), np.zeros(22050, np.float32), melody(RISING, 20)])
    assert set(range(30)) <= set(_by_second(_identify(index, pcm)))  # a rest within is somewhere


def test_documents_that_are_left_out_are_as_if_not_there(index):
    heard = _heard(melody(RISING, 20)).embedding
    names = {}
    for left_out in ((), (2,), (0, 2, 3)):
        ranker = Ranker(index, left_out=left_out)
        ranker.update(heard)
        names[left_out] = [candidate.name for candidate in ranker.candidates()]
    assert names[()][0] == "rising" and set(names[()]) == set(SCORES)
    assert names[2,] == [name for name in names[()] if name != "rising"]
    assert names[0, 2, 3] == ["other"]
    with pytest.raises(UserError, match="no document is left"):
        Ranker(index, left_out=range(4))


def test_hubness_is_taken_off_before_paths_are_followed(index):
    """As much as one score needs to fall behind; its level over the index is left in the scores."""
    heard = _heard(melody(RISING, 20)).embedding
    before = {one.name: one.score for one in _ranked(index, heard)}
    hubness = np.zeros(len(index.vectors), np.float32)
    hubness[index.rows(2)] = 0.8
    near = dataclasses.replace(index, hubness=hubness)
    after = {one.name: one.score for one in _ranked(near, heard)}
    assert list(before)[0] == "rising" and list(after)[-1] == "rising"
    level = hubness.mean()
    for name, score in before.items():
        expected = score - 0.8 * (name == "rising") + level
        assert after[name] == pytest.approx(expected, abs=1e-5)


def _ranked(index, heard):
    ranker = Ranker(index)
    ranker.update(heard)
    return ranker.candidates()


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The fake model ships with a calibration: half sure at a lead of 3 deviations."""
    weights = (-3.0, 0.0, 1.0, *[0.0] * 8)
    fake_embedder.ship(monkeypatch, tmp_path, Calibration((0.0, 0.0), 0.2, weights, 0.1, 0.6, 0.9))


def test_editions_are_no_rivals(index, shipped):
    heard = _heard(melody(RISING[:80], 14)).embedding
    judged = []
    for editions in ((), ((2, 3),)):
        ranker = Ranker(dataclasses.replace(index, editions=editions))
        ranker.update(heard)
        assert ranker.candidates(1)[0].name == "rising"
        judged.append(ranker.judge(2).confidence)
    assert 0 < 1.5 * judged[0] < judged[1] < 1


def test_a_model_without_a_calibration_does_not_say_how_sure_it_is(index):
    answer = _identify(index, melody(RISING, 20))
    assert (answer.certainty, answer.verdict, answer.confidence) == ("not told", "none", None)
    assert answer.candidates[0].name == "rising"


def test_paths_are_judged_as_far_as_they_count(index, shipped):
    """What is forgotten is not followed to tell how steady the path is."""
    heard = _heard(melody(RISING, 20)).embedding
    ranker = Ranker(index, memory=0.8)
    for block in (_heard(melody(SCORES["other"], 20)).embedding, heard):
        ranker.update(block)
    ranker.candidates(1)
    similarities, path = ranker.follow(2, 5)
    np.testing.assert_allclose(similarities, heard[-5:] @ index.vectors[index.rows(2)].T, atol=1e-6)
    assert ranker.judge(2) == ranker.judge(2, (similarities, path))
    assert len(ranker.follow(2)[1].positions) == 2 * len(heard)


def test_editions_take_one_place_in_the_ranking(index):
    heard = _heard(melody(RISING, 20)).embedding
    before = [one.name for one in _ranked(index, heard)]
    group = tuple(sorted(index.documents.index(before[place]) for place in (0, 2)))
    after = _ranked(dataclasses.replace(index, editions=(group,)), heard)
    assert [(one.rank, one.name, one.also) for one in after] == [
        (1, before[0], (before[2],)),
        (2, before[1], ()),
        (3, before[3], ()),
    ]
    ranker = Ranker(dataclasses.replace(index, editions=(group,)), left_out=[group[0]])
    ranker.update(heard)
    assert all(not one.also for one in ranker.candidates())


def test_paths_go_on_as_the_shortlist_changes(index):
    """What is followed has the score that it has if everything is followed from the start."""
    heard = [_heard(melody(SCORES[name], 20)).embedding for name in SCORES]
    ranker, whole = Ranker(index, shortlist_positions=2 * POSITIONS), Ranker(index)
    followed = set()
    for block in np.array_split(np.concatenate(heard), 25):
        ranker.update(block)
        whole.update(block)
        expected = {one.name: (one.score, one.position) for one in whole.candidates()}
        found = [one for one in ranker.candidates() if one.score is not None]
        assert len(found) == 2
        for one in found:
            assert one.score == pytest.approx(expected[one.name][0], abs=1e-5)
            assert one.position == expected[one.name][1]
        followed.add(frozenset(one.name for one in found))
    assert len(followed) > 1


def test_the_lead_counts_even_if_one_score_is_asked_for(index, shipped):
    pcm = melody(SCORES["zigzag"][80:], 7)  # the end of "rising", too
    every, one = _identify(index, pcm), _identify(index, pcm, top=1)
    assert every.confidence == one.confidence < 0.6


def test_documents_with_few_votes_are_not_followed(index):
    ranker = Ranker(index, shortlist_positions=2 * POSITIONS)
    ranker.update(_heard(melody(SCORES["other"], 20)).embedding)
    candidates = ranker.candidates()
    assert candidates[0].name == "other"
    assert [candidate.score is None for candidate in candidates] == [False, False, True, True]
    # Another score comes to be followed later, and is followed from the start.
    late, at_once = _heard(melody(RISING, 60)).embedding, Ranker(index)
    ranker.update(late)
    at_once.update(_heard(melody(SCORES["other"], 20)).embedding)
    at_once.update(late)
    whole = {candidate.name: candidate for candidate in at_once.candidates()}
    for candidate in ranker.candidates(2):
        assert candidate.score == pytest.approx(whole[candidate.name].score, abs=1e-5)


@pytest.mark.parametrize("on_onsets", [False, True])
def test_windows_in_blocks_are_those_of_the_whole(on_onsets):
    pcm = np.random.default_rng(0).standard_normal(100_001).astype(np.float32)
    blocks = np.split(pcm, [1, 5000, 5001, 60_000])
    parts = list(cut_windows(blocks, FRAMES, 7, on_onsets))
    frames = np.concatenate([part.frames for part in parts])
    windows = np.concatenate([part.pcm for part in parts])
    even = np.arange(0, 91, 7)  # 100,001 samples are 91 frames
    if on_onsets:
        at_once = [part.frames for part in cut_windows([pcm], FRAMES, 7)]
        assert np.array_equal(frames, np.concatenate(at_once))
        assert 0 < np.abs(frames - even).max() <= 3
    else:
        assert np.array_equal(frames, even)
    padded = np.pad(pcm, 50_000)
    for frame, window in zip(frames, windows, strict=True):
        first = 50_000 + int(np.floor((frame - FRAMES // 2) * 1102.5))
        assert np.array_equal(window, padded[first : first + len(window)])


def test_windows_go_to_the_onsets_near_them():
    onsets = np.array([4, 12, 19, 33, 41, 52])  # one near each tenth frame
    pcm = np.zeros(60 * 22050 // 20, np.float32)
    for number, frame in enumerate(onsets):
        first = frame * 22050 // 20
        time = np.arange(len(pcm) - first) / 22050
        pcm[first:] += 0.1 * np.sin(2 * np.pi * 220 * 1.2**number * time) * np.exp(-2 * time)
    parts = list(cut_windows(np.array_split(pcm, 7), FRAMES))
    frames = np.concatenate([part.frames for part in parts])
    assert len(frames) == len(onsets)
    assert np.array_equal(frames, onsets)
    close = np.concatenate([part.frames for part in cut_windows([pcm], FRAMES, 1)])
    assert np.array_equal(close, np.arange(60))


def test_recordings_are_read_in_blocks_at_any_rate(tmp_path):
    for rate, suffix in ((22050, "wav"), (44100, "flac"), (16000, "wav")):
        time = np.arange(int(12.5 * rate)) / rate
        stereo = np.stack([np.sin(2 * np.pi * 440 * time), np.zeros_like(time)], axis=1)
        path = tmp_path / f"{rate}.{suffix}"
        soundfile.write(path, stereo, rate)
        blocks = list(reading.read_blocks(path, gain_db=-6.0206))
        assert len(blocks) > 1
        pcm = np.concatenate(blocks)
        expected = 0.25 * np.sin(2 * np.pi * 440 * np.arange(len(pcm)) / 22050)
        assert len(pcm) == pytest.approx(12.5 * 22050, abs=1)
        assert np.abs(pcm - expected)[2000:-2000].max() < 0.002


@pytest.mark.slow
def test_an_hour_is_heard_and_ranked_in_little_memory(index):
    minute = melody(RISING, 60)
    blocks = (block for _ in range(60) for block in np.split(minute, 6))
    tracemalloc.start()
    try:
        heard = hearing.hear(FakeEmbedder(), blocks, 10)
        answer = identification.rank(index, heard.embedding, heard.seconds)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert heard.duration_seconds == 3600 and len(heard.seconds) == 7200
    assert answer.candidates[0].name == "rising"
    assert 50 <= answer.path.leaps.sum() <= 60  # back to the start every minute
    assert peak < 50e6  # the samples alone are 318 MB


def test_recordings_that_cannot_be_used_are_refused_in_one_line(index, tmp_path):
    soundfile.write(tmp_path / "silence.wav", np.zeros(30_000), 22050)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 22050)
    soundfile.write(tmp_path / "nan.wav", np.full(9000, np.nan), 22050, subtype="FLOAT")
    (tmp_path / "text.mp3").write_text("no music at all")
    for name, message in (
        ("silence.wav", "is silent"),
        ("empty.wav", "no audio samples"),
        ("nan.wav", "not finite"),
        ("text.mp3", "not a readable audio file"),
        ("nowhere.wav", "no such audio file"),
    ):
        with pytest.raises(UserError, match=message) as error:
            recording = open_recording(tmp_path / name)
            identification.identify_recording(index, FakeEmbedder(), recording)
        assert "\n" not in str(error.value)


def test_listening_gives_the_answer_of_the_whole_recording(index):
    pcm = np.round(melody(RISING, 20) * 32767).astype("<i2")
    stream = io.BytesIO(pcm.tobytes() + b"\0")  # a stray byte at the end
    blocks = list(reading.pcm_blocks(stream))
    settings = IdentificationSettings(top=4)
    answers = list(listening.listen(index, FakeEmbedder(), blocks, settings))
    assert [answer.seconds for answer in answers[:20]] == list(range(1, 21))
    # The first third is in the zigzag, too.
    assert all(answer.candidates[0].name == "rising" for answer in answers[7:])
    assert {answer.candidates[0].name for answer in answers[:7]} <= {"rising", "zigzag"}
    for answer in answers[7:20]:
        heard_until = (answer.seconds - FRAMES / 4 / 20) / 20 * 3
        found = answer.place.system - 1 + (answer.place.x - 60) / 700
        assert found == pytest.approx(heard_until, abs=0.2)
    assert all(FRAMES / 4 / 20 <= one.delay_seconds < FRAMES / 4 / 20 + 1 for one in answers[2:20])
    assert answers[-1].delay_seconds < 0.6  # the windows reach past the end
    whole = _identify(index, pcm).candidates
    assert answers[-1].candidates[0].score == pytest.approx(whole[0].score, abs=1e-4)
    assert [c.name for c in answers[-1].candidates] == [c.name for c in whole[:4]]


def test_listening_forgets_the_piece_before(index):
    blocks = np.array_split(np.concatenate([melody(RISING, 60), melody(SCORES["other"], 20)]), 160)
    named = {}
    for half_life in (0, 4):
        settings = IdentificationSettings(half_life_seconds=half_life)
        answers = listening.listen(index, FakeEmbedder(), blocks, settings)
        named[half_life] = text.live(list(answers)[-1]).split()[2]
    assert named == {0: "rising", 4: "other"}
    silence = listening.listen(index, FakeEmbedder(), [np.zeros(22050)])
    assert all(text.live(one).endswith("(nothing heard yet)") for one in silence)


def test_attention_is_compared_with_what_is_usual():
    profile = np.array([0.1, 0.2, 0.4, 0.3])
    seconds = np.arange(8) / 10  # every two frames
    usual = attention_by_frame(seconds, np.tile(profile, (8, 1)), 20)
    assert np.allclose(usual[:16], 1) and np.allclose(usual[16:], 0)
    attention = np.tile(profile, (8, 1))
    attention[3], attention[4] = (0, 0, 0, 1), (0, 1, 0, 0)  # both look at frame 7
    found = attention_by_frame(seconds, attention, 20)
    assert int(np.argmax(found)) == 7
    mean = attention.mean(axis=0)
    assert found[7] == pytest.approx(2 / (mean[1] + mean[3]))


def test_the_answer_is_a_page_with_a_player_and_numbers(index, tmp_path):
    path = tmp_path / "a<b>\x1b[31m.wav"
    soundfile.write(path, melody(RISING, 20), 22050)
    recording, settings = open_recording(path), IdentificationSettings(top=2)
    answer = identification.identify_recording(index, FakeEmbedder(), recording, settings)
    written = identified.write_score(answer, index, recording, tmp_path / "answer")
    assert written == tmp_path / "answer" / "answer.html"
    assert sorted(file.name for file in written.parent.iterdir()) == ["answer.html", "answer.json"]
    page = read_page(written)
    assert "rising" in page.texts["h1"] and r"a<b>\x1b[31m.wav" in page.texts["p"][0]
    assert page.of("audio")[0]["src"].startswith("data:audio/wav;base64,")
    assert [picture.size for picture in page.pictures()][0] == (835, 900)
    assert len(page.of("img")) == 3 and page.texts["summary"] == ["Details"]
    shown = json.loads("".join(page.texts["data"]))
    assert shown["course"]["seconds"] == pytest.approx(answer.heard.seconds, abs=1e-3)
    report = json.loads((tmp_path / "answer" / "answer.json").read_text())
    assert report == answer.to_dict()
    assert report["query"] == str(path) and report["documents"] == 4
    assert [row["name"] for row in report["ranking"]][0] == "rising"
    assert [row["seconds"] for row in report["place"]][:20] == list(range(20))
    assert report["place"][10]["system"] == 2 and report["place"][10]["bar"] is None
    assert report["place"][10]["box"] == [400, 60, 480, 760]


def test_an_answer_without_pages_and_one_with_a_damaged_page(tmp_path, caplog):
    fake_embedder.write_score(tmp_path, "rising", RISING)
    scores, recording = tmp_path / "msmd", open_recording(melody(RISING, 14), 22050, "take")
    for name, keep in (("bare", False), ("damaged", True)):
        index = indexing.index_scores(
            FakeEmbedder(), scores, tmp_path / name, keep_pages=keep
        ).index
        answer = identification.identify_recording(index, FakeEmbedder(), recording)
        if not keep:
            page = read_page(identified.write_score(answer, index, recording, tmp_path / "out"))
            assert len(page.of("img")) == 2 and len(page.of("audio")) == 1
            continue
        assert not caplog.messages
        for spoil, message in (
            (lambda path: path.write_bytes(b"%!PS no picture"), "not a readable image (of none"),
            (Path.unlink, "no such page image"),
        ):
            spoil(index.page_path(0, 1))
            page = read_page(identified.write_score(answer, index, recording, tmp_path / "out"))
            assert len(page.of("img")) == 2 and len(page.of("audio")) == 1
            (said,) = caplog.messages
            assert f"page 1 is not shown: {index.page_path(0, 1)}: {message}" in said
            assert said.endswith("; the same index command again mends it")
            caplog.clear()


def test_the_answer_for_music_in_no_score_shows_none(tmp_path):
    fake_embedder.write_score(tmp_path, "rising", RISING)
    recording = open_recording(melody(RISING, 14), 22050, "take")
    index = indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index").index
    answer = identification.identify_recording(index, FakeEmbedder(), recording)
    absent = dataclasses.replace(answer.matching, judgement=Judgement("absent", 0.01))
    answer = dataclasses.replace(answer, matching=absent)
    path = identified.write_score(answer, index, recording, tmp_path / "out")
    report = json.loads(path.with_suffix(".json").read_text())
    assert report["verdict"] == "unknown" and report["place"] == [] and answer.places
    page = read_page(path)
    assert page.texts["h1"] == ["Not your score"]
    assert "Nearest: rising" in "".join(page.texts["p"])
    assert not page.of("audio") and len(page.of("img")) == 2  # the pictures of the details
    assert not [tag for tag in page.of("div") if tag.get("class") in ("seen", "sheet")]


def test_the_other_way_a_page_finds_its_recording(tmp_path):
    music = tmp_path / "music"
    music.mkdir()
    for name in ("rising", "falling", "other"):
        soundfile.write(music / f"{name}.flac", melody(SCORES[name], 25), 22050)
    index = indexing.index_recordings(FakeEmbedder(), music, tmp_path / "index").index
    fake_embedder.write_score(tmp_path, "falling", SCORES["falling"])
    document = next(collection.find_scores(tmp_path / "msmd")).read()
    answer = identification.identify_sheet(index, FakeEmbedder(), document, query="page.png")
    path = identified.write_recording(answer, tmp_path / "answer")
    report = json.loads(path.with_suffix(".json").read_text())
    assert report == answer.to_dict() and report["query"] == "page.png"
    assert report["ranking"][0]["name"] == "falling"
    for number, row in enumerate(report["played"]):
        assert row["system"] == number + 1
        assert row["first"] == pytest.approx(25 * number / 3, abs=1.5)
        assert row["last"] == pytest.approx(25 * (number + 1) / 3, abs=1.5)
    page = read_page(path)
    assert len(page.of("img")) == 2 and not page.of("audio") and not page.of("button")
    lines = text.identified_recording(answer).splitlines()
    assert lines[0].split()[1] == "falling"
    assert lines[-1].startswith("0:1") and lines[-1].endswith("page 1, system 3")
