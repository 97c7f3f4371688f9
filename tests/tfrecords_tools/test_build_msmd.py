"""Tests of building an MSMD directory of scores."""

import io
import json
import subprocess
import sys
import tarfile

import numpy as np
import pretty_midi
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import onset_frame
from tempo_invariant.scores import documents, msmd
from tempo_invariant.scores.looks import draw_look
from tempo_invariant.scores.sources import PieceSource, list_sources, open_scores, select
from tests import notation_scores
from tfrecords_tools.msmd import layout
from tfrecords_tools.msmd.pieces import RECORD, BuildOptions, Sound, build_piece, read_record
from tfrecords_tools.music.synthesis import default_soundfont

# Twelve quarters at 120 over whole notes, on two staves; one head is hidden, and four are loud.
SCORE = r"""\version "2.24.0"
\score {
  \new PianoStaff <<
    \new Staff { \tempo 4 = 120 c'4\p d' e' f' g' a' b' \hideNotes c'' \unHideNotes
      c'\ff d' e' f' }
    \new Staff { \clef bass c1~ | c1 | c1 }
  >>
  \layout { }
  \midi { }
}
"""
BROKEN = "\\version \"2.24.0\"\n\\score { { c'4 d'4 \\layout { }\n"
SILENT = '\\version "2.24.0"\n\\score { { r1 } \\layout { } }\n'


def options(*tempi):
    return BuildOptions((Sound(str(default_soundfont())),), tempi)


def read_performances(folder):
    return [layout.read_performance(folder, name) for name in layout.performance_names(folder)]


def snapshot(directory):
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in files}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    scores = tmp_path_factory.mktemp("scores")
    (scores / "tune.ly").write_text(SCORE)
    output = tmp_path_factory.mktemp("msmd")
    [source] = list_sources(scores)
    return source, output, build_piece(source, output, options(1.0))


def test_a_song_is_built_as_its_piano_part(tmp_path):
    (tmp_path / "song.musicxml").write_text(notation_scores.MUSICXML)
    [source] = list_sources(tmp_path)
    record = build_piece(source, tmp_path / "msmd", options(1.0))
    assert (record.pages, record.systems, record.heads, record.tied) == (1, 1, 12, 1)
    assert (record.notes, record.notes_aligned, record.heads_aligned) == (11, 11, 11)
    assert record.warnings == ("the piano part alone; left out: Voice",)
    # Five quarters at 90 a minute, then two at 60; grace notes take 9/40 of their length.
    assert record.seconds == pytest.approx(5 * 60 / 90 + 2 * 60 / 60, abs=0.01)
    [page] = msmd.read_score(tmp_path / "msmd/song").pages
    [name] = record.performances
    onsets = {}
    for head in page.note_heads:
        for onset in head.onsets.values():
            onsets.setdefault(head.pitch, []).append(pytest.approx(onset.seconds * 1.5, abs=0.003))
    grace = 9 / 40 / 2
    assert onsets == {
        74: [1 - grace],
        72: [1, 4, 5],
        76: [1],
        78: [2],
        48: [1, 3],
        69: [4 - grace],
        71: [4 - grace / 2],
        60: [4],
    }
    [performance] = read_performances(tmp_path / "msmd/song")
    lengths = {pitch: length for _, pitch, length, *_ in performance.notes}
    assert lengths[78] == pytest.approx(2 / 1.5, abs=0.003)  # through the tie
    assert (tmp_path / "msmd/song/song.musicxml").read_text() == notation_scores.MUSICXML


def test_looks_differ_and_are_on_record(tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.musicxml").write_text(notation_scores.MUSICXML)
    sound = Sound(str(default_soundfont()))
    sources = list_sources(tmp_path)
    for folder, seed in {"varied": 1, "again": 1, "plain": 0}.items():
        for source in sources:
            build_piece(source, tmp_path / folder, BuildOptions((sound,), look_seed=seed))
    looks = {
        folder: [read_record(tmp_path / folder / name).look for name in ("one", "two")]
        for folder in ("varied", "again", "plain")
    }
    assert looks["varied"] == [draw_look(1, "one"), draw_look(1, "two")] == looks["again"]
    assert looks["plain"] == [{}, {}]
    images = {path: path.read_bytes() for path in sorted(tmp_path.glob("*/*/scores/*/img*/01.png"))}
    assert len(images) == 12 and len(set(images.values())) == 6  # two inks; plain ones are alike


def test_a_piece_has_pages_heads_and_an_alignment(built):
    _, output, record = built
    assert (record.pages, record.systems, record.heads, record.tied) == (1, 1, 14, 1)
    assert (record.notes, record.notes_aligned, record.heads_aligned) == (14, 13, 13)
    assert record.pairs == 11
    assert (record.head_share, record.scores, record.scores_from_midi) == (1.0, 1, 1)
    assert record.seconds == pytest.approx(6.0, abs=0.01)
    score = msmd.read_score(output / "tune")
    [page] = score.pages
    assert score.inks == ("bold", "thin") and score.image("thin", 1).shape == (1181, 835)
    name = "tune_tempo-1000_TimGM6mb"
    heads = sorted((h for h in page.note_heads if h.pitch > 50), key=lambda h: h.column)
    assert [h.pitch for h in heads] == [60, 62, 64, 65, 67, 69, 71, 60, 62, 64, 65]
    assert [h.onsets[name].seconds for h in heads] == [0, 0.5, 1, 1.5, 2, 2.5, 3, 4, 4.5, 5, 5.5]
    assert [h.onsets[name].frame for h in heads] == [0, 10, 20, 30, 40, 50, 60, 80, 90, 100, 110]
    assert [h.moment for h in heads] == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11]
    [performance] = read_performances(output / "tune")
    for head in page.note_heads:
        assert head.system == page.systems[0].id
        for onset in head.onsets.values():
            assert performance.notes[onset.event, 1] == head.pitch
    rise = np.maximum(np.diff(performance.spectrogram, axis=1, prepend=0), 0).sum(axis=0)
    for frame in (10, 20, 30, 40, 50, 60):  # a frame's window reaches into the next one
        assert np.argmax(rise[frame - 4 : frame + 4]) in (3, 4)


def test_a_piece_tells_its_bars_as_they_are_engraved(built):
    source, output, _ = built
    read = documents.read_piece("tune", output / "tune", documents.STEP_PIXELS)
    assert set(read.places["bar"]) == {1, 2, 3}
    engraved = documents.read_engraved(source, documents.STEP_PIXELS)
    np.testing.assert_array_equal(read.places["bar"], engraved.places["bar"])


def test_a_whole_piece_is_skipped_and_a_new_tempo_is_added(built, tmp_path):
    source, first, _ = built
    output = tmp_path / "msmd"
    subprocess.run(["cp", "-r", first, output], check=True)
    before = snapshot(output)
    build_piece(source, output, options(1.0))
    assert snapshot(output) == before
    record = build_piece(source, output, options(1.0, 0.8))
    names = ("tune_tempo-1000_TimGM6mb", "tune_tempo-800_TimGM6mb")
    assert record.performances == names
    after = snapshot(output)
    changed = {p.name for p in before if after[p] != before[p]}
    assert changed == {RECORD, "01.xml", "meta.yml"}  # no image, nor what was played
    [page] = msmd.read_score(output / "tune").pages
    slow = {p.name: p for p in read_performances(output / "tune")}[names[1]]
    assert slow.tempo == 0.8
    for head in page.note_heads:
        assert set(head.onsets) == (set() if head.tied else set(names))
        if not head.tied:
            seconds = head.onsets[names[0]].seconds / 0.8
            assert head.onsets[names[1]].seconds == pytest.approx(seconds, abs=1e-5)
            assert head.onsets[names[1]].frame == onset_frame(seconds)


def test_expression_is_added_and_the_alignment_follows(built, tmp_path):
    source, first, _ = built
    sounds = tuple(Sound(str(default_soundfont()), 0, seed) for seed in (0, 1, 2))
    subprocess.run(["cp", "-r", first, tmp_path / "later"], check=True)
    record = build_piece(source, tmp_path / "later", BuildOptions(sounds, (1.0,)))
    plain, *expressive = (f"tune_tempo-1000_TimGM6mb{ending}" for ending in ("", "-e1", "-e2"))
    assert record.performances == (plain, *expressive)
    performances = {p.name: p for p in read_performances(tmp_path / "later" / "tune")}
    assert [performances[name].soundfont for name in expressive] == ["TimGM6mb-e1", "TimGM6mb-e2"]
    [page] = msmd.read_score(tmp_path / "later" / "tune").pages
    heads = [head for head in page.note_heads if head.onsets]
    for name in expressive:
        notes, onsets = performances[name].notes, performances[name].onsets
        folder = tmp_path / "later" / "tune" / "performances" / name
        [instrument] = pretty_midi.PrettyMIDI(str(folder / f"{name}.midi")).instruments
        struck = sorted(instrument.notes, key=lambda note: note.start)
        soft, loud = ([note.velocity for note in part] for part in (struck[:8], struck[-4:]))
        assert np.mean(soft) < 64 < 90 < np.mean(loud)
        played = sorted((round(note.start, 4), note.pitch) for note in instrument.notes)
        assert played == sorted((round(row[0], 4), row[1]) for row in notes)
        for head in heads:
            onset = head.onsets[name]
            second, pitch = notes[onset.event, :2]
            assert (onset.seconds, head.pitch) == (pytest.approx(second), pitch)
            assert onset.frame == onsets[onset.event] == onset_frame(onset.seconds)
            assert onset.event == head.onsets[plain].event
            assert abs(onset.seconds - head.onsets[plain].seconds) < 1.5
    one, two = (performances[name].notes[:, 0] for name in expressive)
    assert np.abs(one - two).max() > 0.05
    build_piece(source, tmp_path / "once", BuildOptions(sounds, (1.0,)))
    later, once = (snapshot(tmp_path / name / "tune") for name in ("later", "once"))
    for path, (_, content) in later.items():  # added later or built at once: the same files
        assert once[tmp_path / "once" / path.relative_to(tmp_path / "later")][1] == content, path


def test_half_a_piece_is_built_anew(built, tmp_path):
    source, _, _ = built
    (tmp_path / "tune" / "scores").mkdir(parents=True)
    build_piece(source, tmp_path, options(1.0))
    assert msmd.read_score(tmp_path / "tune").pages
    assert [path.name for path in tmp_path.iterdir()] == ["tune"]  # nothing temporary is left


def test_command_reports_failures_and_goes_on(tmp_path):
    scores = tmp_path / "scores"
    scores.mkdir()
    for name, text in {"broken": BROKEN, "silent": SILENT, "tune": SCORE}.items():
        (scores / f"{name}.ly").write_text(text)
    output = tmp_path / "msmd"
    command = [sys.executable, "-m", "tfrecords_tools.build_msmd", f"--scores={scores}"]
    command += [f"--output={output}", "--jobs=1", "--ink=thin"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "broken: broken.ly:2: syntax error" in done.stdout
    assert "silent: the score has no notes" in done.stdout
    assert "Traceback" not in done.stderr and "Parsing" not in done.stderr
    report = json.loads((output / "build_report.json").read_text())
    assert report["totals"]["pieces"] == 1 and set(report["failed"]) == {"broken", "silent"}
    assert msmd.list_pieces(output) == ["tune"]
    only_bad = subprocess.run([*command, "--names=broken"], capture_output=True, text=True)
    assert only_bad.returncode == 1
    assert only_bad.stderr.splitlines()[-1] == "error: none of the 1 pieces could be built"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "--scores"),
        (["--scores=nowhere"], 1, "--scores=nowhere: no such file or directory"),
        (["--scores=sample", "--tempo=fast"], 1, "--tempo=fast: must be numbers"),
        (["--scores=sample", "--tempo=1,0.01"], 1, "--tempo=1,0.01: must be between 0.05 and 20"),
        (["--scores=sample", "--expression=1.5"], 1, "--expression=1.5: must be numbers"),
        (["--scores=sample", "--expression=1,-2"], 1, "--expression=1,-2: must be 0 or more"),
        (["--scores=sample", "--ink=red"], 1, "--ink=red: expected some of bold, thin"),
        (["--scores=sample", "--soundfont=no.sf2"], 1, "no.sf2: no such soundfont"),
        (["--scores=sample", "--names=unknown"], 1, "no piece 'unknown'"),
        (["--scores=sample", "--names=@no"], 1, "--names: no: cannot be read (No such file"),
    ],
)
def test_wrong_arguments_get_one_line(tmp_path, arguments, code, message):
    command = [sys.executable, "-m", "tfrecords_tools.build_msmd", *arguments]
    done = subprocess.run([*command, f"--output={tmp_path}"], capture_output=True, text=True)
    assert done.returncode == code
    [line] = done.stderr.splitlines()
    assert line.startswith("error: ") and message in line


def test_a_table_names_the_pieces_of_a_tree(tmp_path):
    (tmp_path / "ftp" / "a").mkdir(parents=True)
    table = tmp_path / "PIECES.tsv"
    table.write_text("piece\tlilypond_file\nB__b\tftp/a/b.ly\nA__a\tftp/a/a.ly\n")
    sources = list_sources(tmp_path)
    assert sources[0] == PieceSource("B__b", tmp_path / "ftp/a/b.ly", tmp_path)
    assert [source.piece for source in select(sources, ["A__a"], None)] == ["A__a"]
    assert [source.piece for source in select(sources, [], 1)] == ["B__b"]
    for row in ("../x\tftp/a/b.ly", ".x\tftp/a/b.ly", "x\t../../b.ly", "x", "x\ta.ly\nx\tb.ly"):
        table.write_text(row + "\n")
        with pytest.raises(UserError, match=r"PIECES.tsv:[12]: "):
            list_sources(tmp_path)


def test_an_archive_is_unpacked_unless_a_member_escapes(tmp_path):
    def archive(name, member):
        with tarfile.open(tmp_path / name, "w:gz") as tar:
            info = tarfile.TarInfo(member)
            info.size = len(SCORE)
            tar.addfile(info, io.BytesIO(SCORE.encode()))
        return str(tmp_path / name)

    with open_scores(archive("good.tar.gz", "top/tune.ly")) as [source]:
        assert source.piece == "tune" and source.path.read_text() == SCORE
    for member in ("../tune.ly", "top/../../tune.ly"):
        with pytest.raises(UserError, match="refused"), open_scores(archive("a.tar.gz", member)):
            pass
    assert not (tmp_path / "tune.ly").exists()
    (tmp_path / "bad.tar").write_bytes(b"nothing of the kind")
    with pytest.raises(UserError, match="not a readable tar"), open_scores(f"{tmp_path}/bad.tar"):
        pass
