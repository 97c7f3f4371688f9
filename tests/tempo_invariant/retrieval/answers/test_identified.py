"""The pages that answer a recording, or a page, from end to end."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.retrieval import identification, indexing
from tempo_invariant.retrieval.answers import identified, text
from tempo_invariant.retrieval.answers.pictures import attention_by_frame
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.identification import IdentificationSettings
from tempo_invariant.scores import collection
from tests import fake_embedder, four_scores
from tests.answer_pages import read_page
from tests.fake_embedder import FakeEmbedder, melody
from tests.four_scores import RISING, SCORES


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return four_scores.make_index(tmp_path_factory.mktemp("index"))


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


def ask_recordings(folder, samples, gain_db=0.0):
    """Index of recordings, and what it answers to the score that falls."""
    (folder / "music").mkdir()
    for name, sound in samples.items():
        soundfile.write(folder / "music" / f"{name}.flac", sound, 22050)
    music, path = folder / "music", folder / "index"
    index = indexing.index_recordings(FakeEmbedder(), music, path, gain_db=gain_db).index
    fake_embedder.write_score(folder, "falling", SCORES["falling"])
    document = next(collection.find_scores(folder / "msmd")).read()
    return index, identification.identify_sheet(index, FakeEmbedder(), document, query="page.png")


def test_the_other_way_a_page_finds_its_recording_and_plays_it(tmp_path):
    names = ("rising", "falling", "other")
    index, answer = ask_recordings(tmp_path, {name: melody(SCORES[name], 25) for name in names})
    path = identified.write_recording(answer, index, tmp_path / "answer")
    report = json.loads(path.with_suffix(".json").read_text())
    assert report == answer.to_dict() and report["query"] == "page.png"
    assert report["ranking"][0]["name"] == "falling"
    for number, row in enumerate(report["played"]):
        assert row["system"] == number + 1
        assert row["first"] == pytest.approx(25 * number / 3, abs=1.5)
        assert row["last"] == pytest.approx(25 * (number + 1) / 3, abs=1.5)
    page = read_page(path)
    assert len(page.of("img")) == 2
    assert page.of("audio")[0]["src"].startswith("data:audio/flac;base64,")
    starts = [float(b["data-seconds"]) for b in page.of("button") if b.get("class") == "time"]
    assert starts == pytest.approx([0, 25 / 3, 50 / 3], abs=1.5)
    shown = json.loads("".join(page.texts["data"]))
    assert shown["duration"] == 25 and len(shown["systems"]) == 3
    seconds, system = shown["course"]["seconds"], shown["course"]["system"]
    assert seconds == sorted(set(seconds)) and shown["course"]["leap"] == []
    assert shown["course"]["page"] == [1] * len(seconds)
    for second, number in zip(seconds, system, strict=True):
        assert abs(3 * second / 25 - (number - 0.5)) < 0.7  # in the system that is played then
    lines = text.identified_recording(answer).splitlines()
    assert lines[0].split()[1] == "falling"
    assert lines[-1].startswith("0:1") and lines[-1].endswith("page 1, system 3")


def test_a_page_finds_the_recording_of_one_of_its_systems(tmp_path):
    """The others are not said to be played in it."""
    names = ("rising", "falling", "other")
    index, answer = ask_recordings(
        tmp_path, {name: melody(SCORES[name][40:80], 9) for name in names}
    )
    assert answer.candidates[0].name == "falling" and answer.candidates[0].score > 0.9
    long = [row for row in answer.played if row.last - row.first > 1]
    assert [(row.page, row.system) for row in long] == [(1, 2)]
    assert long[0].first < 1 and long[0].last > 8
    page = read_page(identified.write_recording(answer, index, tmp_path / "answer"))
    assert len(page.of("img")) == 2


def test_a_recording_is_nowhere_on_the_page_before_and_after_it(tmp_path):
    before, after = melody(SCORES["other"], 8), melody(SCORES["rising"], 8)
    whole = np.concatenate([before, melody(SCORES["falling"], 20), after])
    index, answer = ask_recordings(tmp_path, {"whole": whole, "other": before})
    assert answer.candidates[0].name == "whole"
    course = answer.course
    there = course["seconds"][course["page"] > 0]
    assert course["page"][[0, -1]].tolist() == [0, 0] and course["seconds"][0] < 0.5
    page = read_page(identified.write_recording(answer, index, tmp_path / "answer"))
    assert json.loads("".join(page.texts["data"]))["start"] == pytest.approx(there[0])
    # The music of this model is near to what is a few notes away.
    assert there[0] == pytest.approx(8, abs=2) and there[-1] == pytest.approx(28, abs=2)
    assert (np.diff(course["seconds"]) > 0).all()


def test_a_page_that_is_repeated_is_played_twice(tmp_path):
    once, coda = melody(SCORES["falling"], 20), melody(SCORES["rising"], 8)
    index, answer = ask_recordings(tmp_path, {"whole": np.concatenate([once, once, coda])})
    assert [row.system for row in answer.played] == [1, 2, 3, 1, 2, 3]
    firsts = [row.first for row in answer.played]
    assert firsts == pytest.approx([0, 20 / 3, 40 / 3, 20, 80 / 3, 100 / 3], abs=1.5)
    assert answer.played[-1].last == pytest.approx(40, abs=1.5)
    assert answer.course["seconds"][answer.course["leap"]] == pytest.approx([20], abs=1)
    assert answer.to_dict()["leaps"] == 1
    lines = text.identified_recording(answer).splitlines()
    assert lines[-6].startswith("0:00–") and lines[-3].startswith("0:2")
    page = read_page(identified.write_recording(answer, index, tmp_path / "answer"))
    starts = [float(b["data-seconds"]) for b in page.of("button") if b.get("class") == "time"]
    assert sorted(starts) == pytest.approx(firsts)


@pytest.mark.parametrize("gain_db", [0.0, 6.0])
def test_a_recording_that_is_not_as_it_was_is_not_played(tmp_path, caplog, gain_db):
    index, answer = ask_recordings(tmp_path, {"falling": melody(SCORES["falling"], 20)}, gain_db)
    path = Path(index.entries[0].file)
    assert path == tmp_path / "music" / "falling.flac"
    later = path.stat().st_mtime + 100
    os.utime(path, (later, later))  # touched, and the same
    assert read_page(identified.write_recording(answer, index, tmp_path / "a")).of("audio")
    assert not caplog.messages
    soundfile.write(path, melody(SCORES["rising"], 20), 22050)
    os.utime(path, (later, later))
    assert not read_page(identified.write_recording(answer, index, tmp_path / "a")).of("audio")
    path.rename(tmp_path / "elsewhere.flac")
    page = read_page(identified.write_recording(answer, index, tmp_path / "a"))
    assert not page.of("audio") and not page.of("button")
    assert caplog.messages == [
        f"the page plays no sound: {path}: has changed since it was indexed",
        f"the page plays no sound: {path}: no such audio file",
    ]


def test_a_recording_that_has_moved_is_indexed_again_where_it_is(tmp_path):
    index, _ = ask_recordings(tmp_path, {"falling": melody(SCORES["falling"], 20)})
    (tmp_path / "music").rename(tmp_path / "moved")
    done = indexing.index_recordings(FakeEmbedder(), tmp_path / "moved", index.path)
    assert done.replaced == ["falling"] and not done.unchanged
    assert done.index.entries[0].file == str(tmp_path / "moved" / "falling.flac")
    done = indexing.index_recordings(FakeEmbedder(), tmp_path / "moved", index.path)
    assert done.unchanged == ["falling"]
