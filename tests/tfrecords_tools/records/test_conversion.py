"""Conversion of a hand-made published directory to records."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import yaml

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.scores import mung, strips
from tempo_invariant.scores.places import Box
from tests.handmade import PIECE, SYSTEMS, head_box, make_piece
from tfrecords_tools.msmd import layout
from tfrecords_tools.records import conversion

FONTS = ("tempo-900_YamahaGrandPiano", "tempo-1000_MuseScore_General")


def make_collection(root, count=12):
    for number in range(count):
        make_piece(root / "msmd", f"Composer__piece-{number}", FONTS, pages=1)
    return root / "msmd"


def checksums(folder):
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.iterdir())}


def test_published_directory_becomes_a_record(tmp_path):
    make_piece(tmp_path / "msmd", performances=("tempo-900_YamahaGrandPiano",))
    (tmp_path / "split.yaml").write_text(yaml.safe_dump({"train": [PIECE, "Gone__x"], "test": []}))
    report = conversion.convert(
        tmp_path / "msmd", tmp_path / "out", [tmp_path / "split.yaml"], workers=1
    )
    assert report.missing == ["Gone__x"]
    [record] = schema.read_records(tmp_path / "out", "train")
    assert (record.piece, record.tempo, record.soundfont) == (PIECE, 0.9, "YamahaGrandPiano")
    width = sum(system[2] for system in SYSTEMS) * 2
    assert record.strips.shape == (1, width // 2, 100)
    # Heads 0, 1, 2 and the chord 4, 5 of each of four systems; 3 is tied. 0.9 * (2.5 k + 0.52 n).
    seconds = [0.9 * (2.5 * k + 0.52 * n) for k in range(4) for n in (0, 1, 2, 4)]
    expected = np.ceil(np.round(np.array(seconds) * 20, 6))
    np.testing.assert_array_equal(record.onset_frames, expected)
    np.testing.assert_array_equal(record.pages, np.repeat([1, 2], 8))
    np.testing.assert_array_equal(record.systems, np.tile(np.repeat([0, 1], 4), 2))
    lefts = [head_box(0, number)[1] for number in (0, 1, 2, 4)]
    np.testing.assert_array_equal(record.columns[:4], np.array(lefts) + 4.5 - SYSTEMS[0][1])
    spectrogram = np.arange(92 * len(record.spectrogram)).reshape(92, -1) % 97 / 50
    np.testing.assert_array_equal(record.spectrogram, spectrogram.T.astype(np.float16))


def test_halving_is_the_rounded_mean_and_pads_with_paper():
    image = np.array([[0, 1, 10], [2, 4, 20], [7, 7, 9]], np.uint8)
    # (0+1+2+4)/4 = 1.75; (10+20+2*255)/4 = 135; (7+7+2*255)/4 = 131; (9+3*255)/4 = 193.5
    np.testing.assert_array_equal(strips.halve(image), [[2, 135], [131, 194]])


def test_same_input_same_bytes_with_any_number_of_workers(tmp_path):
    msmd = make_collection(tmp_path, 4)
    for output, workers in (("a", 1), ("b", 2)):
        conversion.convert(msmd, tmp_path / output, shard_megabytes=0.2, workers=workers)
    first = checksums(tmp_path / "a")
    assert first == checksums(tmp_path / "b")
    assert "train-00000-of-00002.tfrecord" in first
    conversion.convert(msmd, tmp_path / "a", workers=1)
    assert "train-00000-of-00001.tfrecord" in checksums(tmp_path / "a")
    assert "train-00000-of-00002.tfrecord" not in checksums(tmp_path / "a")


def test_test_soundfont_is_held_out(tmp_path):
    msmd = make_collection(tmp_path, 4)
    selection = conversion.Selection(test_soundfont="MuseScore_General")
    conversion.convert(msmd, tmp_path / "out", selection=selection, workers=1)
    for split, font in (
        ("train", "YamahaGrandPiano"),
        ("valid", "YamahaGrandPiano"),
        ("test", "MuseScore_General"),
    ):
        assert {r.soundfont for r in schema.read_records(tmp_path / "out", split)} == {font}


def test_a_soundfont_that_plays_nothing_is_refused(tmp_path):
    msmd = make_collection(tmp_path, 2)
    for wrong in ({"test_soundfont": "MuseScore"}, {"train_soundfonts": ("YamahaGrandPiano", "x")}):
        selection = conversion.Selection(**wrong)
        message = f"{next(iter(wrong))} must be among MuseScore_General, YamahaGrandPiano, "
        with pytest.raises(UserError, match=message):
            conversion.convert(msmd, tmp_path / "out", selection=selection, workers=1)
    assert not (tmp_path / "out").exists()


def test_records_of_another_kind_are_not_replaced(tmp_path):
    msmd = make_collection(tmp_path, 3)
    conversion.convert(msmd, tmp_path / "out", staves="near", workers=1)
    before = checksums(tmp_path / "out")
    with pytest.raises(UserError, match="output must be another directory: .* of staves near"):
        conversion.convert(msmd, tmp_path / "out", workers=1)
    assert checksums(tmp_path / "out") == before
    conversion.convert(msmd, tmp_path / "out", staves="near", workers=1)
    (tmp_path / "out" / schema.INFO_NAME).write_text('{"schema_version": 0}')
    conversion.convert(msmd, tmp_path / "out", workers=1)  # what cannot be used may go


def test_expressive_performances_go_with_their_soundfont():
    selection = conversion.Selection(train_soundfonts=("A",), test_soundfont="B")
    wanted = [
        (split, sound)
        for split in ("train", "valid", "test")
        for sound in ("A", "A-e1", "B", "B-e12", "A-p4-e1")
        if selection.wants(split, f"P_tempo-900_{sound}")
    ]
    plain = [("train", "A"), ("valid", "A"), ("test", "B")]
    played = [("train", "A-e1"), ("valid", "A-e1"), ("test", "B-e12")]
    assert sorted(wanted) == sorted(plain + played)


def test_a_spread_chord_is_one_pair_at_its_first_note():
    def placed(frame: int, column: float, moment: float | None) -> strips.Placement:
        onset = {"P": mung.Onset(frame, frame / 20, 0)}
        head = mung.NoteHead(0, Box(0, 0, 7, 9), 60, 0, moment=moment, onsets=onset)
        return strips.Placement(head, 1, 1, 100.0, column)

    zeros = np.zeros(0)
    performance = layout.Performance("P", 1.0, "A", zeros, zeros, np.zeros((92, 50), np.float32))
    chord = [placed(10, 30.0, 2.0), placed(12, 31.0, 2.0), placed(13, 60.0, 3.0)]
    aligned = strips.aligned_placements(chord, performance.name, performance.spectrogram.shape[1])
    assert {f: [p.column for p in heads] for f, heads in aligned.items()} == {
        10: [30.0, 31.0],
        13: [60.0],
    }
    published = [placed(10, 30.0, None), placed(12, 31.0, None)]
    assert list(
        strips.aligned_placements(published, performance.name, performance.spectrogram.shape[1])
    ) == [10, 12]


def test_broken_pieces_are_reported_and_skipped(tmp_path):
    msmd = make_collection(tmp_path, 5)
    (msmd / "Composer__piece-1/scores/Composer__piece-1_ly/img/01.png").write_bytes(b"no")
    broken = msmd / "Composer__piece-2/performances"
    name = "Composer__piece-2_tempo-900_YamahaGrandPiano"
    (broken / name / "features" / f"{name}_notes.npy").unlink()
    report = conversion.convert(msmd, tmp_path / "out", workers=1)
    assert len(report.problems) == 2
    assert any("piece-1" in p and "not a readable image" in p for p in report.problems)
    assert any("piece-2" in p and "no file *notes.npy" in p for p in report.problems)
    assert sum(info.pieces for info in report.splits.values()) == 4
    assert sum(info.records for info in report.splits.values()) == 7
    assert "skipped:" in report.table()
    info = json.loads((tmp_path / "out/dataset_info.json").read_text())
    assert info["problems"] == report.problems


def test_command_and_its_errors(tmp_path):
    make_collection(tmp_path, 3)
    base = [sys.executable, "-m", "tfrecords_tools.convert", f"--output={tmp_path / 'out'}"]

    def run(*arguments):
        return subprocess.run([*base, *arguments], capture_output=True, text=True)

    done = run(f"--msmd={tmp_path / 'msmd'}", "--workers=1")
    assert done.returncode == 0 and done.stdout.splitlines()[1].split()[:2] == ["train", "1"]
    (tmp_path / "bad.yaml").write_text("train: [a]\ntest: [a]\n")
    for arguments, code, line in (
        ((f"--msmd={tmp_path}/no",), 1, "no: no such file or directory"),
        ((f"--msmd={tmp_path}/msmd", f"--split={tmp_path}/no.yaml"), 1, "no.yaml: no such file"),
        ((f"--msmd={tmp_path}/msmd", f"--split={tmp_path}/bad.yaml"), 1, "lists 'a' twice"),
        (
            (f"--msmd={tmp_path}/msmd", "--split=msmd_all_split.yaml,verovio_split.yaml"),
            1,
            "no piece",
        ),
        ((), 2, "msmd"),
    ):
        failed = run(*arguments)
        assert failed.returncode == code
        assert line in failed.stderr.splitlines()[-1] and "Traceback" not in failed.stderr
    with pytest.raises(UserError, match="nothing to convert"):
        (tmp_path / "none.yaml").write_text("train: [absent]\n")
        conversion.convert(tmp_path / "msmd", tmp_path / "x", [tmp_path / "none.yaml"], workers=1)
