"""Performances and scores in the published layout: written and read again, bad files."""

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import msmd
from tempo_invariant.scores.bars import BarStart
from tempo_invariant.scores.mung import NoteHead, Onset, Page, System
from tempo_invariant.scores.places import Box
from tests.handmade import PIECE, make_piece
from tfrecords_tools.msmd import layout
from tfrecords_tools.music.performing import Features

NAME = f"{PIECE}_tempo-900_YamahaGrandPiano"


def read_performances(folder):
    return [layout.read_performance(folder, name) for name in layout.performance_names(folder)]


def test_reads_performances(tmp_path):
    folder = make_piece(tmp_path, performances=("tempo-900_YamahaGrandPiano", "tempo-1000_a_b"))
    slow, even = sorted(read_performances(folder), key=lambda p: p.tempo)
    assert (slow.name, slow.tempo, slow.soundfont) == (NAME, 0.9, "YamahaGrandPiano")
    assert (even.tempo, even.soundfont) == (1.0, "a_b")
    assert even.spectrogram.shape[0] == 92
    assert even.notes.shape == (20, 5)


def test_writes_what_it_reads(tmp_path):
    onsets = {"P_tempo-1500_F": Onset(31, 1.525, 2)}
    heads = (
        NoteHead(1, Box(118, 598, 125, 607), 68, 50, moment=1.5, onsets=onsets),
        NoteHead(2, Box(120, 10, 127, 19), 60, -1, tied=True),
    )
    bars = (BarStart(40.0, 12), BarStart(301.5, 13), BarStart(590.0, None))
    pages = [Page(1, (System(50, Box(100, 40, 180, 740), bars),), heads), Page(2, (), ())]
    images = {
        ink: [np.full((40, 50), grey, np.uint8)] * 2 for ink, grey in (("bold", 3), ("thin", 9))
    }
    source = tmp_path / "source.ly"
    source.write_text("{ c }")
    folder = tmp_path / "P"
    layout.write_score(folder, pages, images, source)
    name = layout.performance_name("P", 1.5, "F")
    spectrogram = np.random.RandomState(0).rand(92, 40).astype(np.float32)
    notes = np.arange(15.0).reshape(3, 5)
    midi = np.zeros((128, 40))
    played = Features(b"MThd", notes, np.array([1, 2, 31]), spectrogram, midi)
    layout.write_performance(folder, name, played)
    score = msmd.read_score(folder)
    assert list(score.pages) == pages
    assert score.inks == ("bold", "thin")
    assert (score.image("bold", 2) == 3).all() and (score.image("thin", 1) == 9).all()
    [performance] = read_performances(folder)
    np.testing.assert_array_equal(performance.spectrogram, spectrogram)
    np.testing.assert_array_equal(performance.notes, notes)
    np.testing.assert_array_equal(performance.onsets, [1, 2, 31])
    features = folder / "performances" / name / "features"
    assert sorted(path.name for path in features.iterdir()) == [
        f"{name}_{kind}.npy" for kind in ("midi", "notes", "onsets", "spec")
    ]
    coords = folder / "scores/P_ly/coords"
    np.testing.assert_array_equal(np.load(coords / "notes_01.npy"), [[121.5, 602.5], [123.5, 14.5]])
    np.testing.assert_array_equal(
        np.load(coords / "systems_01.npy"), [[[100, 40], [100, 740], [180, 740], [180, 40]]]
    )


def test_bad_features_give_one_line_that_names_them(tmp_path):
    folder = make_piece(tmp_path)
    features = folder / "performances" / NAME / "features"
    (features / f"{NAME}_spec.npy").write_bytes(b"junk")
    with pytest.raises(UserError, match="_spec.npy: not a NumPy array"):
        layout.read_performance(folder, NAME)
    np.save(features / f"{NAME}_spec.npy", np.zeros((10, 4)))
    with pytest.raises(UserError, match=r"spectrogram of shape \(10, 4\)"):
        layout.read_performance(folder, NAME)
    np.save(features / f"{NAME}_spec.npy", np.zeros((92, 4)))
    np.save(features / f"{NAME}_onsets.npy", np.zeros((3, 1)))
    with pytest.raises(UserError, match=r"onsets of shape \(3, 1\)"):
        layout.read_performance(folder, NAME)
    np.save(features / f"{NAME}_onsets.npy", np.array([np.nan]))
    with pytest.raises(UserError, match="_onsets.npy: holds values that are not finite"):
        layout.read_performance(folder, NAME)


def test_performance_names():
    assert layout.performance_name("P", 0.9, "F") == "P_tempo-900_F"
    assert layout.parse_performance_name("P_tempo-1050_F_G") == (1.05, "F_G")
    assert layout.parse_performance_name("A_tempo-1_B_tempo-900_F") == (0.9, "F")
    assert layout.parse_performance_name("A") == (1.0, "unknown")
