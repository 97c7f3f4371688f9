"""The benchmark of identification, with pieces and a model that make the answers known."""

import numpy as np
import pytest

from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import benchmark
from tempo_invariant.retrieval.benchmark import Condition
from tests import fake_embedder
from tests.fake_embedder import FakeBackend, melody

PIECES = {"down": np.arange(130, 20, -1), "high": np.arange(140, 250), "up": np.arange(20, 130)}
SECONDS = 20.0


@pytest.fixture
def msmd_dir(tmp_path):
    for name, numbers in PIECES.items():
        fake_embedder.write_score(tmp_path, name, numbers, seconds=SECONDS)
    return tmp_path / "msmd"


def _play(piece_dir, condition, where, played=PIECES):
    pcm = melody(played[piece_dir.name], SECONDS / condition.tempo)
    first = int(where * 5 * SAMPLE_RATE) if condition.seconds else 0
    last = first + int(condition.seconds * SAMPLE_RATE) if condition.seconds else len(pcm)
    return pcm[first:last], first / SAMPLE_RATE


def test_what_is_right_counts_as_right(msmd_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(benchmark, "_play", _play)
    conditions = [Condition(), Condition(tempo=1.5), Condition(seconds=8.0)]
    reports = benchmark.run(
        FakeBackend(), msmd_dir, ["up", "high"], conditions, ["down"], keep=tmp_path / "kept"
    )
    for report in reports:
        assert (report["pieces"], report["scores"]) == (2, 3)
        for ranking in ("sequence", "votes"):
            recall = report["results"][f"sheet to audio, {ranking}"]["r@1"]
            assert recall == [1.0, 1.0, 1.0]
        assert report["results"]["audio to sheet, sequence"]["r@1"][0] == 1.0
        assert report["place"]["right_system"] > 0.9
        assert report["place"]["median_pixels"] < 40
    text = benchmark.table(reports)
    assert "whole recordings, TimGM6mb, tempo 1.5, +0 dB: 2 pieces, 3 scores" in text
    assert "8 s, TimGM6mb, tempo 1, +0 dB" in text
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(kept) == 4 and "scores" in kept


def test_what_is_wrong_counts_as_wrong(msmd_dir, monkeypatch):
    swapped = PIECES | {"up": PIECES["down"], "down": PIECES["up"]}
    monkeypatch.setattr(benchmark, "_play", lambda *arguments: _play(*arguments, played=swapped))
    (report,) = benchmark.run(FakeBackend(), msmd_dir, ["up", "down"], [Condition()])
    for name in ("audio to sheet, sequence", "sheet to audio, sequence"):
        assert report["results"][name]["r@1"][0] == 0.0
        assert report["results"][name]["mrr"][0] == 0.5
    # Backwards through the score of the other piece: never where the note heads say.
    assert report["place"]["right_system"] < 0.7
