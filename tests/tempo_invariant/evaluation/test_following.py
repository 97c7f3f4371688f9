"""The benchmark of following: truth and errors that are known, and the commands."""

import itertools
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import following as following_benchmark
from tempo_invariant.evaluation.following import Condition, Truth
from tempo_invariant.retrieval import following
from tempo_invariant.retrieval.course import Strip
from tempo_invariant.scores import msmd
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tfrecords_tools.msmd import layout
from tfrecords_tools.music.notes import Music, Note, TempoMark, midi_bytes
from tfrecords_tools.music.performing import played_music

ROOT = Path(__file__).parents[3]
NUMBERS = np.arange(20, 140)
SECONDS = 24.0
HEADS = 60
"""Note heads that `fake_embedder.write_score` writes: 20 a system, every 35 pixels."""


@pytest.fixture
def msmd_dir(tmp_path):
    """A piece whose heads are struck evenly: a quarter lasts 0.4 s at the notated tempo."""
    fake_embedder.write_score(tmp_path, "piece", NUMBERS, seconds=SECONDS)
    notes = tuple(Note(384 * number, 60 + number % 12, 300) for number in range(HEADS))
    midi = midi_bytes(Music(notes, (TempoMark(0, 400_000),)))
    (tmp_path / "msmd" / "piece" / "piece.midi").write_bytes(midi)
    return tmp_path / "msmd"


def _layout(msmd_dir):
    document = following.read_score(msmd_dir / "piece")
    return document, *following.lay_out(document.places)


@pytest.mark.parametrize("tempo", [0.66, 1.0, 1.5])
def test_the_truth_is_when_the_heads_sound(msmd_dir, tempo):
    _, systems, strip = _layout(msmd_dir)
    truth = following_benchmark.find_truth(
        msmd_dir / "piece", Condition(tempo=tempo), systems, strip
    )
    assert truth.seconds == pytest.approx(0.4 / tempo * np.arange(HEADS), abs=1e-3)
    # Columns: 700 pixels a system, heads from its left edge on.
    assert truth.columns == pytest.approx(35 * np.arange(HEADS))


def test_the_truth_of_expressive_playing_is_what_is_played(msmd_dir):
    _, systems, strip = _layout(msmd_dir)
    condition = Condition(soundfont="Sound.sf2", tempo=0.8, expression=3)
    truth = following_benchmark.find_truth(msmd_dir / "piece", condition, systems, strip)
    music = following_benchmark._notated(msmd_dir / "piece")
    played = played_music(music, 0.8, layout.performance_name("piece", 0.8, "Sound-e3"))
    assert truth.seconds == pytest.approx([note.tick / 1000 for note in played.notes])
    plain = following_benchmark.find_truth(msmd_dir / "piece", Condition(tempo=0.8), systems, strip)
    assert np.abs(truth.seconds - plain.seconds).max() > 0.1


def test_errors_are_in_time_and_along_the_strip():
    truth = Truth(np.array([1.0, 2.0, 4.0]), np.array([100.0, 200.0, 300.0]))
    strip = Strip(np.array([0.0]), np.array([0.0, 400.0]))
    seconds = np.array([0.0, 1.0, 1.5, 3.0, 4.0, 4.5])
    columns = np.array([0.0, 110.0, 150.0, 200.0, 300.0, 999.0])
    blank = np.zeros(6)
    found = following.Following(5.0, (), strip, seconds, columns, blank.astype(bool), blank)
    late, beyond = truth.errors(found)
    # 110 sounds at 1.1 s, 150 at 1.5 s, 200 at 2 s; the first and the last are outside.
    assert late == pytest.approx([0.1, 0.0, -1.0, 0.0])
    assert beyond == pytest.approx([10.0, 0.0, -50.0, 0.0])


@pytest.mark.parametrize("seed", range(5))
def test_the_longest_ascent_equals_exhaustive_search(seed):
    values = np.random.default_rng(seed).integers(0, 8, 9)
    subsets = itertools.chain.from_iterable(
        itertools.combinations(range(9), length) for length in range(1, 10)
    )
    longest = max(len(s) for s in subsets if (np.diff(values[list(s)]) > 0).all())
    found = following_benchmark.longest_ascent(values)
    assert len(found) == longest
    assert (np.diff(values[found]) > 0).all() and (np.diff(found) > 0).all()
    assert following_benchmark.longest_ascent(np.zeros(0)).tolist() == []


def test_quantiles_are_over_moments_and_intervals_over_pieces():
    random = np.random.default_rng(0)
    errors = {
        f"{number}": (random.normal(0, 0.1 * (1 + number), 50), random.normal(0, 5, 50))
        for number in range(12)
    }
    found = following_benchmark.summary(errors)
    absolute = np.abs(np.concatenate([seconds for seconds, _ in errors.values()]))
    median, low, high = found["seconds"]["median"]
    assert median == pytest.approx(np.median(absolute)) and low < median < high
    assert found["seconds"]["90%"][0] == pytest.approx(np.quantile(absolute, 0.9))
    # The pieces differ: drawing moments instead of pieces would give a third of the width.
    draws = random.choice(absolute, (500, len(absolute)))
    assert high - low > 2 * np.subtract(*np.quantile(np.median(draws, axis=1), [0.975, 0.025]))
    assert found["by_piece"]["3"]["pixels"][0] == pytest.approx(np.median(np.abs(errors["3"][1])))
    assert (found["pieces"], found["moments"]) == (12, 600)
    alone = following_benchmark.summary({"a": (np.full(9, -0.2), np.full(9, 3.0))})
    assert alone["seconds"]["median"] == pytest.approx([0.2, 0.2, 0.2]) and alone["bias"] == -0.2


def test_what_is_followed_well_and_badly_is_told_apart(msmd_dir, monkeypatch):
    played = {1.0: NUMBERS, 1.5: NUMBERS[::-1]}
    monkeypatch.setattr(
        following_benchmark,
        "_play",
        lambda piece_dir, condition: melody(played[condition.tempo], SECONDS / condition.tempo),
    )
    conditions = [Condition(tempo=1.0), Condition(tempo=1.5)]
    right, wrong = following_benchmark.run(FakeEmbedder(), msmd_dir, ["piece"], conditions)
    assert right["seconds"]["median"][0] < 0.3 and right["pixels"]["median"][0] < 25
    assert right["leaps"] == 0 and right["moments"] == pytest.approx(236, abs=2)
    assert wrong["seconds"]["median"][0] > 2 and wrong["pixels"]["median"][0] > 200
    text = following_benchmark.table([right, wrong])
    assert "tempo 1.5, as notated, TimGM6mb, +0 dB: 1 pieces" in text
    assert f"  seconds median {right['seconds']['median'][0]:.3f} [" in text
    assert json.loads(json.dumps(right)) == right


def test_what_cannot_be_measured_is_refused(msmd_dir):
    for arguments, message in (
        ({"tempo": 0.0}, "--tempo=0: must be"),
        ({"expression": -1}, "--expression=-1: must not"),
    ):
        with pytest.raises(UserError, match=message):
            Condition(**arguments)
    _, systems, strip = _layout(msmd_dir)
    fake_embedder.write_score(msmd_dir.parent, "bare", NUMBERS)
    with pytest.raises(UserError, match="bare.midi: no such file"):
        following_benchmark.find_truth(msmd_dir / "bare", Condition(), systems, strip)
    (msmd_dir / "piece" / "piece.midi").rename(msmd_dir / "bare" / "bare.midi")
    with pytest.raises(UserError, match="too few note heads"):
        following_benchmark.find_truth(msmd_dir / "bare", Condition(), systems, strip)


def run(command: str, *arguments: str) -> subprocess.CompletedProcess:
    module = f"tempo_invariant.{command}"
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize(
    "command,arguments,code,message",
    [
        ("follow", ["--score=x", "--audio=y"], 2, "--output"),
        ("follow", ["--score=x", "--audio=nowhere.wav", "--output=z"], 1, "nowhere.wav: no such"),
        ("follow", ["--score=nowhere", f"--audio={__file__}", "--output=z"], 1, "nowhere"),
        ("follow_benchmark", ["--msmd=nowhere"], 1, "nowhere: no such directory"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(command, arguments, code, message):
    done = run(command, *arguments)
    assert done.returncode == code
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


def test_help_needs_no_tensorflow():
    check = "import sys; from tempo_invariant.retrieval.answers import followed as a; "
    check += "from tempo_invariant.evaluation import following as b; "
    check += "sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], cwd=ROOT).returncode == 0
    done = run("follow", "--help")
    assert done.returncode == 0 and "--document" in done.stdout and "follow.html" in done.stdout


@pytest.mark.slow
def test_the_commands_follow_a_score_from_lilypond_to_player(tmp_path):
    """With a model that knows nothing: what is asserted holds at any quality."""
    from tests.tiny_saved_model import save

    model = save(tmp_path, 1)
    build = ["-m", "tfrecords_tools.build_msmd", "--scores=sample", "--limit=1"]
    subprocess.run([sys.executable, *build, f"--output={tmp_path / 'msmd'}"], check=True, cwd=ROOT)
    (piece,) = msmd.list_pieces(tmp_path / "msmd")
    audio = tmp_path / "take.wav"
    play = ["-m", "tfrecords_tools.perform", f"--piece={tmp_path / 'msmd' / piece}"]
    subprocess.run([sys.executable, *play, f"--output={audio}"], check=True, cwd=ROOT)
    done = run(
        "follow",
        f"--score={tmp_path / 'msmd' / piece}",
        f"--audio={audio}",
        f"--export={model}",
        f"--output={tmp_path / 'followed'}",
    )
    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "followed" / "follow.json").read_text())
    assert report["score"] == piece and report["duration_seconds"] > 5
    assert len(report["places"]) == int(report["duration_seconds"]) + 1
    boxes = {(row["page"], row["system"]): row["box"] for row in report["systems"]}
    for row in report["places"]:
        _, left, _, right = boxes[row["page"], row["system"]]
        assert left <= row["x"] <= right
    assert "data:audio/wav;base64," in (tmp_path / "followed" / "follow.html").read_text()
    output = tmp_path / "errors.json"
    done = run(
        "follow_benchmark",
        f"--msmd={tmp_path / 'msmd'}",
        f"--export={model}",
        "--tempo=1.5",
        "--expression=0,1",
        f"--output={output}",
    )
    assert done.returncode == 0, done.stderr
    assert "tempo 1.5, expression 1, TimGM6mb, +0 dB: 1 pieces" in done.stdout
    notated, played = json.loads(output.read_text())
    assert notated["tempo"] == 1.5 and (notated["expression"], played["expression"]) == (0, 1)
    assert list(notated["by_piece"]) == [piece]
    for row in (notated, played):
        median, low, high = row["seconds"]["median"]
        assert 0 <= low == median == high <= row["seconds"]["90%"][0]
