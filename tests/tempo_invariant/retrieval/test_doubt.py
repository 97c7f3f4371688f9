"""Whether a recording that is followed plays the score at all."""

import dataclasses
import json

import numpy as np
import pytest

from tempo_invariant import arrays
from tempo_invariant.audio.recordings import open_recording
from tempo_invariant.retrieval import certainty, doubt, following, hubness, one_score
from tempo_invariant.retrieval.answers import followed, text
from tempo_invariant.retrieval.certainty import Calibration
from tempo_invariant.retrieval.traces import Trace
from tests import fake_embedder
from tests.answer_pages import read_page
from tests.fake_embedder import FakeEmbedder, melody

RISING = np.arange(20, 140)
# Half sure at a score of 0.6, surer by a factor of e for every 0.02.
CALIBRATION = Calibration((0.6, 0.0), 0.05, (0.0, 2.5, *[0.0] * 9), 0.2, 0.9, 0.98)


@pytest.fixture
def shipped(tmp_path, monkeypatch):
    """The fake model ships, with a calibration and without a cohort."""
    return fake_embedder.ship(monkeypatch, tmp_path / "pretrained", CALIBRATION)


@pytest.fixture
def score(tmp_path):
    fake_embedder.write_score(tmp_path, "rising", RISING)
    return one_score.read_score(tmp_path / "msmd" / "rising")


def follow(score, numbers, seconds=20):
    recording = open_recording(melody(numbers, seconds), 22050, "take.wav")
    return following.follow_recording(FakeEmbedder(), score, recording)


def test_the_right_score_is_known_and_a_wrong_one_is_doubted(shipped, score, tmp_path):
    right, wrong = follow(score, RISING), follow(score, np.full(9, 240))
    assert right.judgement.certainty == "sure" and right.to_dict()["verdict"] == "known"
    assert wrong.judgement.certainty == "absent" and wrong.judgement.confidence < 0.01
    assert text.doubt_text(right) == "" and "doubt" not in text.followed_score(right)
    doubted = "This does not sound like that score."
    assert text.followed_score(wrong).splitlines()[1] == doubted
    recording = open_recording(melody(RISING, 20), 22050, "take.wav")
    for name, answer in (("right", right), ("wrong", wrong)):
        page = read_page(followed.write(answer, recording, tmp_path / name))
        assert page.texts["h1"] == ["rising" if name == "right" else "rising?"]
        assert (doubted in page.texts["p"]) is (name == "wrong")
        found = json.loads((tmp_path / name / "follow.json").read_text())
        assert found["verdict"] == {"right": "known", "wrong": "unknown"}[name]
    half = dataclasses.replace(wrong, judgement=certainty.Judgement("unsure", 0.414))
    assert text.doubt_text(half) == "Perhaps this is not that score (41 % that it is)."
    assert (half.verdict, half.confidence) == ("unsure", 0.414)
    short = dataclasses.replace(wrong, judgement=certainty.Judgement("unsure", 0.99))
    assert text.doubt_text(short) == ""
    short = dataclasses.replace(wrong, judgement=certainty.Judgement("unsure", 0.01, short=True))
    assert text.doubt_text(short) == "This is too short to be sure that it is that score."


def test_the_score_is_that_of_the_path_in_steps_of_half_a_second(shipped):
    sheet = FakeEmbedder()._code(np.arange(20.0, 140.0))
    audio = np.repeat(sheet[10:60], 3, axis=0)  # 150 windows, 0.1 s apart
    columns = 20.0 * np.arange(len(sheet))
    silent = np.concatenate([np.zeros((30, 16), np.float32), audio])
    found = doubt.judge_pair(FakeEmbedder(), silent, sheet, columns, 2)
    expected = certainty.judge(1.0, np.zeros(0), Trace(30.0, 120, 0.1, 0.0, 0.0), CALIBRATION)
    assert found.confidence == pytest.approx(expected.confidence, abs=1e-6)
    assert doubt.judge_pair(FakeEmbedder(), silent[:30], sheet, columns, 2) is None


def test_hubness_of_the_snippets_is_taken_off(shipped):
    """A cohort that is all one vector: snippets like it are near to everything."""
    sheet = FakeEmbedder()._code(np.arange(20.0, 140.0))
    audio, columns = np.repeat(sheet[10:60], 3, axis=0), 20.0 * np.arange(len(sheet))
    before = doubt.judge_pair(FakeEmbedder(), audio, sheet, columns, 2)
    same = np.repeat(sheet[35:36], 20, axis=0).astype(np.float16)
    arrays.save(shipped / hubness.COHORTS["sheets"], same)
    after = doubt.judge_pair(FakeEmbedder(), audio, sheet, columns, 2)
    assert after.confidence < before.confidence


def test_a_model_without_a_calibration_does_not_doubt(score):
    answer = follow(score, np.full(9, 240))
    assert answer.judgement is None and text.doubt_text(answer) == ""
    assert "verdict" not in answer.to_dict()
