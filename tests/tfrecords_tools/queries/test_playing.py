"""Query sets that are played: the samples of the player, the truth of the score, no work twice."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.audio.degradation import PHONE, degrade_recording
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import identification, query_sets
from tempo_invariant.evaluation.conditions import Condition
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.scores import msmd
from tests import fake_embedder
from tfrecords_tools.music.notes import Music, Note, TempoMark, midi_bytes
from tfrecords_tools.music.performing import Sound, played_music, render_audio
from tfrecords_tools.music.synthesis import default_soundfont
from tfrecords_tools.queries import playing

ROOT = Path(__file__).parents[3]
SOUND = str(default_soundfont())
HEADS = 60
MUSIC = Music(
    tuple(Note(384 * number, 60 + number % 7, 300) for number in range(HEADS)),
    (TempoMark(0, 150_000),),
)
"""A quarter lasts 0.15 s."""


@pytest.fixture
def msmd_dir(tmp_path):
    """Two pieces of the same music, with a note head for each note."""
    for name in ("one", "two"):
        fake_embedder.write_score(tmp_path, name, np.arange(20, 140), seconds=9.0)
        (tmp_path / "msmd" / name / f"{name}.midi").write_bytes(midi_bytes(MUSIC))
    return tmp_path / "msmd"


def _play(msmd_dir, conditions, pieces=("one",), seed=0):
    playing.write(msmd_dir, pieces, conditions, msmd_dir.parent / "queries", seed)
    return query_sets.read(msmd_dir.parent / "queries")


def test_what_is_written_is_what_the_player_plays(msmd_dir):
    clean = Condition("clean")
    fast = Condition("fast", tempo=1.5, expression=2, gain_db=-6.0)
    phone = Condition("phone", degradation=PHONE)
    first, second, third = _play(msmd_dir, [clean, fast, phone], seed=4)
    np.testing.assert_array_equal(first.pcm(), render_audio(MUSIC))
    played = render_audio(MUSIC, Sound(SOUND, expression=2), 1.5, "one_tempo-1500_TimGM6mb-e2")
    np.testing.assert_array_equal(second.pcm(), played * np.float32(10 ** (-6 / 20)))
    recorded = degrade_recording(render_audio(MUSIC), PHONE, [4, zlib.crc32(b"one")])
    np.testing.assert_array_equal(third.pcm(), recorded)
    assert first.audio == third.audio != second.audio
    assert first.condition.soundfont == SOUND and first.condition.text.startswith("whole rec")
    (other,) = _play(msmd_dir, [phone], seed=5)
    assert len(other.pcm()) == len(recorded)
    assert np.abs(other.pcm() - recorded).max() > 0.1 * np.abs(recorded).max()


@pytest.mark.parametrize("tempo,expression", [(0.8, 0), (1.5, 3)])
def test_the_truth_is_when_the_note_heads_are_struck(msmd_dir, tempo, expression):
    (query,) = _play(msmd_dir, [Condition("a", tempo=tempo, expression=expression)])
    seed = f"one_tempo-{1000 * tempo:g}_TimGM6mb-e3" if expression else ""
    played = played_music(MUSIC, tempo, seed)
    rows = query.truth()
    assert rows["seconds"].tolist() == played.seconds([n.tick for n in played.notes]).tolist()
    if not expression:
        assert rows["seconds"] == pytest.approx(0.15 / tempo * np.arange(HEADS), abs=1e-4)
    [page] = msmd.read_score(msmd_dir / "one").pages
    assert rows["x"].tolist() == [head.column for head in page.note_heads]
    assert rows["head"].tolist() == [head.id for head in page.note_heads]
    assert rows["system"].tolist() == [1] * 20 + [2] * 20 + [3] * 20
    assert rows["moment"].tolist() == list(range(HEADS))
    assert set(rows["page"]) == {1} and not rows["tied"].any()
    # Just after a note is struck, the place is that of its head.
    places = identification.sounding(rows, rows["seconds"] + 1e-3)
    np.testing.assert_array_equal(places, rows)


def test_excerpts_are_at_the_same_share_of_every_recording(msmd_dir):
    conditions = [
        Condition("whole"),
        Condition("part", seconds=2.0),
        Condition("phone", degradation=PHONE),
        Condition("part, phone", degradation=PHONE, seconds=2.0),
        Condition("longer", seconds=99.0),
    ]
    queries = _play(msmd_dir, conditions, ("two", "one"), seed=7)
    heard = {(query.condition.name, query.piece): query.pcm() for query in queries}
    shares = dict(zip(("two", "one"), np.random.default_rng(7).random(2), strict=True))
    for name, part in (("whole", "part"), ("phone", "part, phone")):
        for piece, share in shares.items():
            pcm = heard[name, piece]
            first = int(share * (len(pcm) - 2 * SAMPLE_RATE))
            expected = pcm[first : first + 2 * SAMPLE_RATE]
            np.testing.assert_array_equal(heard[part, piece], expected)
            np.testing.assert_array_equal(heard["longer", piece], heard["whole", piece])
    assert len(heard["phone", "one"]) < len(heard["whole", "one"])


def test_a_rendering_that_is_there_is_not_made_again(msmd_dir, monkeypatch):
    def refuse(*arguments, **more):
        raise AssertionError("was rendered before")

    conditions = [Condition("clean"), Condition("thin", ink="thin"), Condition("half", tempo=0.5)]
    before = [query.pcm() for query in _play(msmd_dir, conditions, ("one", "two"))]
    files = list((msmd_dir.parent / "queries" / "audio").iterdir())
    assert len(files) == 4
    monkeypatch.setattr(playing, "render_audio", refuse)
    again = [query.pcm() for query in _play(msmd_dir, conditions[:2], ("two", "one"))]
    for number, pcm in zip((3, 4, 0, 1), again, strict=True):
        np.testing.assert_array_equal(pcm, before[number])
    # Another music is another rendering.
    fewer = Music(MUSIC.notes[:-1] + (Note(384 * 80, 60, 300),), MUSIC.tempo)
    (msmd_dir / "one" / "one.midi").write_bytes(midi_bytes(fewer))
    with pytest.raises(AssertionError, match="was rendered before"):
        _play(msmd_dir, conditions[:1])


def test_what_cannot_be_played_is_refused(msmd_dir):
    with pytest.raises(UserError, match="no such soundfont"):
        _play(msmd_dir, [Condition("a", soundfont="nowhere.sf2")])
    fake_embedder.write_score(msmd_dir.parent, "bare", np.arange(20, 140))
    with pytest.raises(UserError, match="bare.midi: no such file; only pieces that build-msmd"):
        _play(msmd_dir, [Condition("a")], ("one", "bare"))
    (msmd_dir / "bare" / "bare.midi").write_bytes(midi_bytes(MUSIC))
    with pytest.raises(UserError, match="bare: no note head is aligned"):
        _play(msmd_dir, [Condition("a")], ("one", "bare"))
    (msmd_dir / "bare" / "bare.midi").write_bytes(b"no music")
    with pytest.raises(UserError, match="bare.midi: not a MIDI file"):
        _play(msmd_dir, [Condition("a")], ("bare",))
    assert not (msmd_dir.parent / "queries" / "queries.json").exists()


def _run(*arguments):
    command = [sys.executable, "-m", "tfrecords_tools.query_set", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


def test_the_command_plays_all_combinations(msmd_dir, tmp_path):
    output = tmp_path / "played"
    settings = ["--tempo=2,1.5", "--expression=0,1", "--seconds=0,2", "--gain_db=-3", "--degraded"]
    done = _run(f"--msmd={msmd_dir}", f"--output={output}", "--pieces=two", *settings)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"8 queries of 1 piece in {output}\n"
    queries = query_sets.read(output)
    found = [(q.condition.seconds, q.condition.tempo, q.condition.expression) for q in queries]
    every = [(seconds, tempo, seed) for seconds in (0, 2) for tempo in (2, 1.5) for seed in (0, 1)]
    assert found == every
    assert {query.piece for query in queries} == {"two"}
    assert all(query.condition.degradation == PHONE for query in queries)
    text = "2 s, TimGM6mb, tempo 1.5, -3 dB, expression 1, as a phone records it"
    assert queries[-1].condition.name == queries[-1].condition.text == text
    asked = tmp_path / "asked.json"
    asked.write_text(json.dumps([{"name": "quick", "tempo": 2}]))
    done = _run(f"--msmd={msmd_dir}", f"--output={output}", f"--conditions={asked}")
    assert done.returncode == 0, done.stderr
    assert [(q.piece, q.condition.name) for q in query_sets.read(output)] == [
        ("one", "quick"),
        ("two", "quick"),
    ]


@pytest.mark.parametrize(
    "arguments,message",
    [
        (["--msmd=nowhere"], "error: --msmd=nowhere: no such file or directory"),
        (["--pieces=none"], "holds no piece 'none'"),
        (["--tempo=fast"], "error: --tempo=fast: must be numbers"),
        (["--expression=0.5"], "error: --expression=0.5: must be numbers"),
        (["--tempo=0"], "error: --tempo: must be from 0.05 to 20"),
        (["--conditions=none.json"], "error: --conditions=none.json: no such file or directory"),
    ],
)
def test_wrong_use_of_the_command_is_one_line(msmd_dir, tmp_path, arguments, message):
    done = _run(f"--msmd={msmd_dir}", f"--output={tmp_path / 'played'}", *arguments)
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("\n") == 1
