"""The benchmark of identification, with recordings and a model that make the answers known."""

import dataclasses

import numpy as np
import pytest

from tempo_invariant.audio.degradation import PHONE
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import identification
from tempo_invariant.evaluation.query_sets import TRUTH
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tests.query_files import named, query_set, strikes

PIECES = {"down": np.arange(130, 20, -1), "high": np.arange(140, 250), "up": np.arange(20, 130)}
SECONDS = 20.0


@pytest.fixture
def msmd_dir(tmp_path):
    for name, numbers in PIECES.items():
        fake_embedder.write_score(tmp_path, name, numbers, seconds=SECONDS)
    return tmp_path / "msmd"


def _queries(msmd_dir, pieces, conditions, played=PIECES):
    """Glides through the numbers of each piece; excerpts begin at 2 and 3 s."""
    recordings = []
    for condition in conditions:
        for number, piece in enumerate(pieces):
            pcm = melody(played[piece], SECONDS / condition.tempo)
            more = {"start_seconds": 2.0 + number, "seconds": condition.seconds}
            truth = strikes(msmd_dir / piece, condition.tempo)
            recordings.append((piece, condition, pcm, truth, more if condition.seconds else {}))
    return query_set(msmd_dir.parent / "queries", recordings)


def test_what_is_right_counts_as_right(msmd_dir, tmp_path):
    conditions = [named(), named(tempo=1.5), named(seconds=8.0)]
    queries = _queries(msmd_dir, ["up", "high"], conditions)
    kept = tmp_path / "kept"
    reports = identification.run(FakeEmbedder(), msmd_dir, queries, all_scores=True, keep=kept)
    for report in reports:
        assert (report["pieces"], report["scores"]) == (2, 3)
        for ranking in ("sequence", "votes"):
            recall = report["results"][f"sheet to audio, {ranking}"]["r@1"]
            assert recall == [1.0, 1.0, 1.0]
        assert report["results"]["audio to sheet, sequence"]["r@1"][0] == 1.0
        assert report["place"]["right_system"] > 0.9
        assert report["place"]["median_pixels"] < 40
    text = identification.table(reports)
    assert "whole recordings, TimGM6mb, tempo 1.5, +0 dB: 2 pieces, 3 scores" in text
    assert "8 s, TimGM6mb, tempo 1, +0 dB" in text
    assert named(degradation=PHONE, expression=2).text.endswith(
        "expression 2, as a phone records it"
    )
    names = sorted(path.name for path in kept.iterdir())
    assert len(names) == 4 and "scores" in names
    # The indices are used again, but not for other recordings under a condition of this name.
    again = identification.run(FakeEmbedder(), msmd_dir, queries, all_scores=True, keep=kept)
    assert [report["place"] for report in again] == [report["place"] for report in reports]
    assert sorted(path.name for path in kept.iterdir()) == names
    others = _queries(msmd_dir, ["high", "up"], conditions[:1])
    identification.run(FakeEmbedder(), msmd_dir, others, all_scores=True, keep=kept)
    assert len(list(kept.iterdir())) == 5


def test_what_is_wrong_counts_as_wrong(msmd_dir):
    swapped = PIECES | {"up": PIECES["down"], "down": PIECES["up"]}
    queries = _queries(msmd_dir, ["up", "down"], [named()], swapped)
    (report,) = identification.run(FakeEmbedder(), msmd_dir, queries)
    for name in ("audio to sheet, sequence", "sheet to audio, sequence"):
        assert report["results"][name]["r@1"][0] == 0.0
        assert report["results"][name]["mrr"][0] == 0.5
    # Backwards through the score of the other piece: never where the note heads say.
    assert report["place"]["right_system"] < 0.7


def test_two_recordings_of_a_piece_are_two_queries(msmd_dir):
    recordings = [
        ("up", named(), melody(PIECES["up"], SECONDS / tempo), strikes(msmd_dir / "up", tempo), {})
        for tempo in (1.0, 1.5)
    ]
    queries = query_set(msmd_dir.parent / "queries", recordings)
    (report,) = identification.run(FakeEmbedder(), msmd_dir, queries)
    assert (report["pieces"], report["scores"]) == (2, 1)
    assert report["results"]["audio to sheet, sequence"]["r@1"] == [1.0, 1.0, 1.0]
    assert report["place"]["right_system"] > 0.9


def test_a_piece_without_a_score_is_refused(msmd_dir):
    queries = _queries(msmd_dir, ["up"], [named()])
    (msmd_dir / "up").rename(msmd_dir / "other")
    with pytest.raises(UserError, match="no score 'up'"):
        identification.run(FakeEmbedder(), msmd_dir, queries)
    with pytest.raises(UserError, match="no score 'up'"):
        identification.run(FakeEmbedder(), msmd_dir, queries, all_scores=True)


def _spoil(msmd_dir, piece):
    (image,) = (msmd_dir / piece).glob("scores/*/img/01.png")
    image.write_bytes(b"no picture")


def test_a_score_that_cannot_be_read_counts_as_wrong(msmd_dir, caplog):
    queries = _queries(msmd_dir, ["up", "high", "down"], [named()])
    _spoil(msmd_dir, "high")
    (report,) = identification.run(FakeEmbedder(), msmd_dir, queries)
    assert (report["pieces"], report["scores"], report["unread"]) == (3, 2, ["high"])
    assert "high" in caplog.text
    for direction in ("audio to sheet", "sheet to audio", "page to audio"):
        values = report["results"][f"{direction}, sequence"]
        assert values["r@1"][0] == values["r@25"][0] == pytest.approx(2 / 3)
        assert values["mrr"][0] == pytest.approx((2 + 1 / 26) / 3)
    assert 0.6 < report["place"]["right_system"] <= 2 / 3
    assert "3 pieces, 2 scores, 1 not read\n" in identification.table([report])


def test_an_index_that_is_kept_gets_the_scores_that_it_lacks(msmd_dir, tmp_path):
    kept = tmp_path / "kept"
    _spoil(msmd_dir, "down")
    for pieces, scores in ((["up", "down"], 1), (["up", "high"], 2)):
        queries = _queries(msmd_dir, pieces, [named(seconds=8.0)])
        (report,) = identification.run(FakeEmbedder(), msmd_dir, queries, keep=kept)
        assert (report["scores"], len(report["unread"])) == (scores, 2 - scores)
    assert not any(name.startswith("page") for name in report["results"])  # of excerpts


def test_the_middle_page_is_one_that_is_played(msmd_dir):
    """Of two pages the first is asked with; of three the second, which the score lacks here."""
    truth = strikes(msmd_dir / "up")
    for more, found in (([2], 1.0), ([2, 3], 0.0)):
        last = [dataclasses.replace(truth[-1], page=page) for page in more]
        recording = ("up", named(), melody(PIECES["up"], SECONDS), [*truth[:-1], *last], {})
        (report,) = identification.run(
            FakeEmbedder(), msmd_dir, query_set(msmd_dir.parent / "queries", [recording])
        )
        assert report["results"]["sheet to audio, sequence"]["r@1"][0] == 1.0
        assert report["results"]["page to audio, sequence"]["r@1"][0] == found


def test_the_note_struck_last_is_the_rightmost_of_a_chord():
    rows = np.zeros(4, TRUTH)
    rows["seconds"], rows["x"] = [2.0, 1.0, 1.0, 3.0], [20, 11, 10, 30]
    rows["page"] = rows["system"] = 1
    places = identification.sounding(rows, np.array([0.0, 0.99, 1.0, 1.5, 2.5, 9.0]))
    # Before the first note it is the first that comes, of the chord the one left.
    assert places["x"].tolist() == [10, 10, 11, 11, 20, 30]
