"""The benchmark of identification, with pieces and a model that make the answers known."""

import numpy as np
import pytest

from tempo_invariant.audio.degradation import PHONE
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import identification
from tempo_invariant.evaluation.identification import Condition
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.scores import msmd
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tfrecords_tools.music.notes import Music, Note, TempoMark, midi_bytes
from tfrecords_tools.music.performing import played_music

PIECES = {"down": np.arange(130, 20, -1), "high": np.arange(140, 250), "up": np.arange(20, 130)}
SECONDS = 20.0


@pytest.fixture
def msmd_dir(tmp_path):
    for name, numbers in PIECES.items():
        fake_embedder.write_score(tmp_path, name, numbers, seconds=SECONDS)
        _write_midi(tmp_path / "msmd" / name)
    return tmp_path / "msmd"


def _write_midi(piece_dir):
    """Writes the music whose notes the note heads are aligned with: 768 ticks a second."""
    [page] = msmd.read_score(piece_dir).pages
    onsets = [next(iter(head.onsets.values())) for head in page.note_heads]
    assert [onset.event for onset in onsets] == list(range(len(onsets)))
    notes = tuple(
        Note(round(768 * onset.seconds), 60 + i % 7, 90) for i, onset in enumerate(onsets)
    )
    music = Music(notes, (TempoMark(0, 500_000),))
    (piece_dir / f"{piece_dir.name}.midi").write_bytes(midi_bytes(music))
    return music


def _play(piece_dir, condition, where, played=PIECES):
    pcm = melody(played[piece_dir.name], SECONDS / condition.tempo)
    first = int(where * 5 * SAMPLE_RATE) if condition.seconds else 0
    last = first + int(condition.seconds * SAMPLE_RATE) if condition.seconds else len(pcm)
    return pcm[first:last], first / SAMPLE_RATE


def test_what_is_right_counts_as_right(msmd_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(identification, "_play", _play)
    conditions = [Condition(), Condition(tempo=1.5), Condition(seconds=8.0)]
    reports = identification.run(
        FakeEmbedder(), msmd_dir, ["up", "high"], conditions, ["down"], keep=tmp_path / "kept"
    )
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
    assert Condition(degraded=True, expression=2).text.endswith(
        "expression 2, as a phone records it"
    )
    kept = sorted(path.name for path in (tmp_path / "kept").iterdir())
    assert len(kept) == 4 and "scores" in kept


def test_what_is_wrong_counts_as_wrong(msmd_dir, monkeypatch):
    swapped = PIECES | {"up": PIECES["down"], "down": PIECES["up"]}
    monkeypatch.setattr(
        identification, "_play", lambda *arguments: _play(*arguments, played=swapped)
    )
    (report,) = identification.run(FakeEmbedder(), msmd_dir, ["up", "down"], [Condition()])
    for name in ("audio to sheet, sequence", "sheet to audio, sequence"):
        assert report["results"][name]["r@1"][0] == 0.0
        assert report["results"][name]["mrr"][0] == 0.5
    # Backwards through the score of the other piece: never where the note heads say.
    assert report["place"]["right_system"] < 0.7


def test_a_phone_records_and_a_pianist_plays(msmd_dir):
    piece_dir = msmd_dir / "up"
    clean, _ = identification._play(piece_dir, Condition(), 0.0)
    phone, start = identification._play(piece_dir, Condition(degraded=True), 0.0)
    assert start == 0 and len(phone) == pytest.approx(len(clean) * PHONE.time_factor, abs=1)
    level_db = 10 * np.log10(np.mean(phone**2) / np.mean(clean**2))
    assert level_db == pytest.approx(-20, abs=1)
    other, _ = identification._play(piece_dir, Condition(degraded=True, seed=1), 0.0)
    assert len(other) == len(phone) and np.abs(other - phone).max() > 0.1 * np.abs(phone).max()
    part, start = identification._play(piece_dir, Condition(degraded=True, seconds=5.0), 0.5)
    np.testing.assert_array_equal(part, phone[round(start * SAMPLE_RATE) :][: len(part)])
    assert len(part) == 5 * SAMPLE_RATE
    expressive, _ = identification._play(piece_dir, Condition(expression=1), 0.0)
    assert not np.array_equal(expressive, clean)
    (piece_dir / "up.midi").unlink()
    with pytest.raises(UserError, match="only pieces that build_msmd built"):
        identification._play(piece_dir, Condition(), 0.0)


@pytest.mark.parametrize(
    "condition", [Condition(), Condition(tempo=1.5, expression=2), Condition(degraded=True)]
)
def test_places_follow_the_playing(msmd_dir, condition):
    """Just after a note is struck, the place is that of its head."""
    piece_dir = msmd_dir / "high"
    [page] = msmd.read_score(piece_dir).pages
    music = _write_midi(piece_dir)
    seed = "high_tempo-1500_TimGM6mb-e2" if condition.expression else ""
    played = played_music(music, condition.tempo, seed)
    seconds = played.seconds([note.tick for note in played.notes])
    if condition.degraded:
        seconds = seconds * 2 ** (-20 / 1200)
    places = identification._sounding(piece_dir, seconds + 1e-3, condition)
    np.testing.assert_array_equal(places[:, 2], [head.column for head in page.note_heads])
    np.testing.assert_array_equal(places[:, 1], [1 + head.system for head in page.note_heads])
