"""Counting verdicts about recordings, with a model that makes the answers known."""

import dataclasses

import numpy as np
import pytest

from tempo_invariant import json_objects
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import known_unknown
from tempo_invariant.retrieval import certainty, indexing
from tempo_invariant.retrieval.certainty import Calibration
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tests.query_files import named, query_set, strikes

PIECES = {"down": np.arange(130, 20, -1), "high": np.arange(140, 250), "up": np.arange(20, 130)}
SECONDS = 20.0
# Half sure at a height of 3 deviations of 0.1 over a level of 0.2.
CALIBRATION = Calibration((0.2, 0.0), 0.1, (-3.0, 1.0, *[0.0] * 9), 0.2, 0.6, 0.9)


@pytest.fixture(autouse=True)
def shipped(tmp_path, monkeypatch):
    return fake_embedder.ship(monkeypatch, tmp_path / "pretrained", CALIBRATION)


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """An index of three pieces, and recordings of two of them under their names and others'."""
    directory = tmp_path_factory.mktemp("asked")
    for name, numbers in PIECES.items():
        fake_embedder.write_score(directory, name, numbers, seconds=SECONDS)
    msmd = directory / "msmd"
    index = indexing.index_scores(FakeEmbedder(), msmd, directory / "index").index
    plays = [("up", "up"), ("high", "high"), ("foreign", "up"), ("high", "down")]
    recordings = [
        (name, named(), melody(PIECES[played], SECONDS), strikes(msmd / "up"), {})
        for name, played in plays
    ]
    queries = query_set(directory / "queries", recordings)
    return dataclasses.replace(index, editions=()), queries


def shares(report, name):
    return {kind: values[0] for kind, values in report[name]["shares"].items()}


def test_known_and_unknown_are_counted_apart(asked, tmp_path):
    index, queries = asked
    (report,) = known_unknown.run(FakeEmbedder(), index, queries, keep=tmp_path)
    assert report["documents"] == 3
    assert (report["known"]["recordings"], report["known"]["pieces"]) == (3, 2)
    # Two of three play what their names say; the music without a score sounds like one.
    assert shares(report, "known") == {
        "right, named": pytest.approx(2 / 3),
        "right, turned away": 0.0,
        "wrong, named": pytest.approx(1 / 3),
        "wrong, turned away": 0.0,
    }
    assert shares(report, "unknown") == {"named": 1.0, "unsure": 0.0, "said to be unknown": 0.0}
    text = known_unknown.table([report])
    assert "tempo 1, +0 dB: 3 documents" in text and "1 of 1 pieces" in text
    assert "right, named 66.7 [" in text


def test_scores_that_are_left_out_make_their_recordings_unknown(asked, tmp_path):
    index, queries = asked
    (report,) = known_unknown.run(FakeEmbedder(), index, queries, ["up"], keep=tmp_path)
    assert report["documents"] == 2
    assert (report["known"]["recordings"], report["unknown"]["recordings"]) == (2, 2)
    with pytest.raises(UserError, match="no score 'sideways'"):
        known_unknown.run(None, index, queries, ["sideways"])  # no model is needed for that


def test_editions_are_right_as_well(asked, tmp_path):
    index, queries = asked
    both = dataclasses.replace(index, editions=((0, 1),))
    (report,) = known_unknown.run(FakeEmbedder(), both, queries, keep=tmp_path)
    assert shares(report, "known")["right, named"] == 1.0  # "down" and "high" are the same


def test_another_form_of_the_same_music_is_counted_apart(asked, tmp_path):
    index, queries = asked
    one_music = [{"foreign", "up"}, {"down", "high"}]
    (report,) = known_unknown.run(FakeEmbedder(), index, queries, keep=tmp_path, same=one_music)
    assert shares(report, "known") == {
        "right, named": pytest.approx(2 / 3),
        "right, turned away": 0.0,
        "wrong, named": 0.0,
        "wrong, turned away": 0.0,
        "wrong, another form named": pytest.approx(1 / 3),
    }
    assert shares(report, "unknown")["named"] == 0.0
    assert shares(report, "unknown")["another form named"] == 1.0
    (apart,) = known_unknown.run(
        FakeEmbedder(), index, queries, keep=tmp_path, same=[{"foreign", "high"}]
    )
    assert shares(apart, "unknown")["named"] == 1.0


def test_pages_are_asked_of_whole_recordings(asked, tmp_path, shipped):
    index, queries = asked
    queries = [query for query in queries if query.entry.audio != "3.wav"]  # "high" plays "down"
    json_objects.save(shipped / certainty.FILES["recordings"], CALIBRATION)
    reports = known_unknown.run(FakeEmbedder(), index, queries, ["up"], keep=tmp_path)
    text = reports[1]["text"]
    assert len(reports) == 2 and text.startswith("pages, of recordings: ")
    # Of the recordings "up", "high" and "foreign" the first is passed over; "foreign", which plays
    # the same, is right in its place.
    assert reports[1]["documents"] == 2
    assert shares(reports[1], "known")["right, named"] == 1.0
    assert reports[1]["known"] | {"shares": {}} == {"recordings": 4, "pieces": 2, "shares": {}}
    assert reports[1]["unknown"]["recordings"] == 0


def test_whole_scores_are_asked_of_excerpts(asked, tmp_path, shipped):
    index, queries = asked
    json_objects.save(shipped / certainty.FILES["recordings"], CALIBRATION)
    excerpts = [
        dataclasses.replace(
            query,
            condition=dataclasses.replace(query.condition, seconds=5.0),
            entry=dataclasses.replace(query.entry, start_seconds=8.0, seconds=5.0),
        )
        for query in queries[:2]
    ]
    reports = known_unknown.run(FakeEmbedder(), index, excerpts, ["up"], keep=tmp_path)
    assert [report["text"] for report in reports][1].startswith("scores, of recordings: ")
    assert shares(reports[1], "known")["right, named"] == 1.0
    assert [reports[1][name]["recordings"] for name in ("known", "unknown")] == [1, 1]
    assert shares(reports[1], "unknown")["named"] == 0.0


def test_odd_sounds_are_unknown_ones(asked):
    index, queries = asked
    *_, report = known_unknown.run(FakeEmbedder(), index, queries, odd=True)
    assert report["text"] == "odd sounds" and report["known"]["recordings"] == 0
    assert report["unknown"]["recordings"] >= 40 and sum(shares(report, "unknown").values()) == 1


def test_a_model_that_gives_no_verdict_is_refused(asked, shipped):
    index, queries = asked
    (shipped / certainty.FILES["sheets"]).unlink()
    with pytest.raises(UserError, match="fake model 0, which gives no verdict"):
        known_unknown.run(FakeEmbedder(), index, queries)


def test_recordings_that_are_all_left_out_are_asked_nothing(asked, tmp_path, shipped):
    index, queries = asked
    queries = [query for query in queries if query.piece != "foreign"]
    json_objects.save(shipped / certainty.FILES["recordings"], CALIBRATION)
    (report,) = known_unknown.run(FakeEmbedder(), index, queries, ["up", "high"], keep=tmp_path)
    assert report["documents"] == 1 and report["unknown"]["recordings"] == 3
