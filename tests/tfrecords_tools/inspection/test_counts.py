"""Inspection of published and broken directories: numbers, tables, JSON, pictures, the command."""

import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import yaml
from PIL import Image

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tests.handmade import PIECE, SYSTEMS, make_piece
from tfrecords_tools.inspection import pictures, tables
from tfrecords_tools.inspection.counts import Inspection, inspect_msmd
from tfrecords_tools.records import conversion

FONTS = ("tempo-900_YamahaGrandPiano", "tempo-1000_grand-piano")
NAMES = [f"{PIECE}_{font}" for font in FONTS]


def make_heard(folder, name, late=0):
    """Gives a performance a spectrogram that rises where the notes are, all of them `late`."""
    features = folder / "performances" / name / "features"
    onsets = np.load(features / f"{name}_onsets.npy").astype(int)
    steps = np.zeros(onsets.max() + 60)
    steps[np.maximum(onsets - 1 + late, 0)] = 0.1
    spectrogram = np.tile(np.cumsum(steps), (92, 1)).astype(np.float32)
    np.save(features / f"{name}_spec.npy", spectrogram)
    return len(np.unique(onsets))


@pytest.fixture
def published(tmp_path):
    """A piece of two pages in two performances, one heard where it says, one 6 frames late."""
    folder = make_piece(tmp_path / "msmd", performances=FONTS)
    make_heard(folder, NAMES[0])
    make_heard(folder, NAMES[1], late=3)
    return tmp_path / "msmd"


def checksums(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def test_counts_of_a_published_piece(published):
    report = inspect_msmd(published)
    counts = report.pieces[PIECE]
    assert (counts.pages, counts.systems, counts.heads) == (2, 2 * len(SYSTEMS), 24)
    assert (counts.notes, counts.pairs, counts.shown, counts.played) == (20, 16, 1.0, 1.0)
    assert (counts.playable_heads, counts.shown_notes) == (20, 20)  # four of the 24 are tied
    assert (counts.reasons, counts.violations, counts.build_notes) == ({}, {}, ())
    # The fourth system starts 7.5 s after the first, its last chord 2.08 s later: 30 frames more.
    assert counts.seconds == pytest.approx((np.ceil(9.58 * 20) + 60) / 20)
    heard, late = (counts.onsets[name] for name in NAMES)
    assert (heard.onsets, heard.heard, heard.quiet_heard) == (16, 16, 0)
    assert late.onsets == 16 and late.heard <= 2
    assert {key: c.heard for key, c in report.sounds().items()} == {
        ("YamahaGrandPiano", 0.9): 16,
        ("grand-piano", 1.0): late.heard,
    }


def test_what_is_missing_is_counted_and_explained(published):
    folder = published / PIECE
    mung = folder / "scores" / f"{PIECE}_ly" / "mung" / "02.xml"
    text = mung.read_text()
    # The last system's first head loses its alignment with the second performance.
    start = text.index("<Id>110</Id>")
    end = text.index("</CropObject>", start)
    kept = [line for line in text[start:end].splitlines() if NAMES[1] not in line]
    mung.write_text(text[:start] + "\n".join(kept) + text[end:])
    counts = inspect_msmd(published).pieces[PIECE]
    assert (counts.played_heads, counts.shown_notes, counts.notes) == (19, 19, 20)
    assert sum(counts.reasons.values()) == 2
    report = Inspection({PIECE: counts})
    text = tables.table(report)
    assert "aligned below" not in text and "95.0%" in text
    low = Inspection({PIECE: counts, "x": counts})
    assert low.totals()["notes"] == 40 and low.totals(["x"])["shown_share"] == 0.95


def test_badly_aligned_pieces_are_listed_with_reasons_and_the_build_s_notes(published):
    folder = published / PIECE
    mung = folder / "scores" / f"{PIECE}_ly" / "mung" / "01.xml"
    kept = [line for line in mung.read_text().splitlines() if NAMES[1] not in line]
    mung.write_text("\n".join(kept))
    record = {"scores": 2, "scores_from_midi": 1, "warnings": ["x.ly:3: syntax error"]}
    (folder / "build.json").write_text(json.dumps(record))
    text = tables.table(inspect_msmd(published))
    lines = text[text.index("aligned below 95%") :].splitlines()
    assert lines[1].strip() == f"{PIECE}: heads 50.0%, notes 50.0%"
    assert "10 x head in a system that is not played: another ending or score" in text
    assert "build: 1 of 2 scores are played from their heads" in text
    assert "build: x.ly:3: syntax error" in text


def test_broken_pieces_and_performances_are_named(published):
    broken = make_piece(published, "Other__x", pages=1)
    (broken / "scores/Other__x_ly/mung/01.xml").write_text("<")
    spectrogram = published / PIECE / "performances" / NAMES[0] / "features"
    np.save(spectrogram / f"{NAMES[0]}_spec.npy", np.full((92, 300), np.nan))
    report = inspect_msmd(published)
    assert list(report.pieces[PIECE].onsets) == [NAMES[1]]
    assert len(report.problems) == 2
    assert any("01.xml: not a MuNG page" in problem for problem in report.problems)
    assert any("not finite numbers" in problem for problem in report.problems)
    assert tables.table(report).count("unusable: ") == 2
    with pytest.raises(UserError, match="holds no piece 'None'"):
        inspect_msmd(published, ["None"])
    with pytest.raises(UserError, match="01.xml"):
        inspect_msmd(published, ["Other__x"])


def test_boxes_that_are_no_numbers_are_refused(published):
    mung = published / PIECE / "scores" / f"{PIECE}_ly" / "mung" / "01.xml"
    mung.write_text(mung.read_text().replace("<Top>150</Top>", "<Top>nan</Top>"))
    with pytest.raises(UserError, match="01.xml: not a MuNG page .*nan"):
        inspect_msmd(published)


def test_dataset_table(published):
    make_piece(published, "Other__x", pages=1)
    report = inspect_msmd(published, jobs=2)
    assert list(report.pieces) == [PIECE, "Other__x"]
    split = {"train": [PIECE, "Gone__y"], "valid": [], "test": ["Other__x"]}
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in tables.dataset_table(report, split).splitlines()
    ]
    assert [row[0] for row in rows[2:]] == ["train", "valid", "test", "all"]
    named = dict(zip(rows[0], rows[2], strict=True))
    assert (named["pieces"], named["pages"], named["systems"]) == ("1 of 2", "2", "4")
    assert (named["note heads"], named["aligned heads"], named["onsets"]) == ("24", "20", "16")
    assert (named["performances"], named["heads with a note"]) == ("2", "100.0%")
    assert dict(zip(rows[0], rows[5], strict=True))["note heads"] == "36"


def test_command_leaves_a_published_directory_as_it_is_and_it_converts(published, tmp_path):
    """The layout by hand: several pages and performances, no build.json, one ink."""
    before = checksums(published)
    (tmp_path / "split.yaml").write_text(yaml.safe_dump({"train": [PIECE]}))
    command = [sys.executable, "-m", "tfrecords_tools.inspect", f"--msmd={published}", "--jobs=1"]
    command += [f"--report={tmp_path / 'report.json'}", f"--split={tmp_path / 'split.yaml'}"]
    command += [f"--pictures={tmp_path / 'pictures'}", "--pairs=2"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "nothing is wrong on any page" in done.stdout
    assert f"| train | 1 of 1 | 2 | {2 * len(SYSTEMS)} | 24 |" in done.stdout
    content = json.loads((tmp_path / "report.json").read_text())
    assert content["totals"]["pairs"] == 16
    assert content["pieces"][PIECE]["onsets"][NAMES[0]]["heard"] == 16
    assert {sound["soundfont"] for sound in content["sounds"]} == {
        "YamahaGrandPiano",
        "grand-piano",
    }
    assert Image.open(tmp_path / "pictures/pairs.png").width > 300
    conversion.convert(published, tmp_path / "records", [tmp_path / "split.yaml"], workers=1)
    records = list(schema.read_records(tmp_path / "records", "train"))
    assert [(record.tempo, len(record.onset_frames)) for record in records] == [
        (1.0, 16),
        (0.9, 16),
    ]
    assert checksums(published) == before


def test_pieces_with_odd_names_are_read(tmp_path):
    for name in ("a [b]*", "x'y!$(z)", "Ünïcode_tempo-2_é"):
        make_piece(tmp_path, name, ("tempo-900_YamahaGrandPiano",), pages=1)
    report = inspect_msmd(tmp_path)
    assert len(report.pieces) == 3 and not report.problems
    assert all(piece.pairs == 8 for piece in report.pieces.values())
    assert list(report.sounds()) == [("YamahaGrandPiano", 0.9)]
    path = pictures.draw_pairs(tmp_path, tmp_path / "out", list(report.pieces), count=2)
    first = Image.open(path)
    assert first.width > first.height / 2 > 100 and len(set(np.asarray(first).ravel())) > 50


def test_note_names():
    names = [pictures.note_name(pitch) for pitch in (60, 61, 69, 21)]
    assert names == ["C4", "C#4", "A4", "A0"]
