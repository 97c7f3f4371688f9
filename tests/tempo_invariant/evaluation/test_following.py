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
from tempo_invariant.evaluation.following import Truth
from tempo_invariant.evaluation.query_sets import Strike
from tempo_invariant.retrieval import following, one_score
from tempo_invariant.retrieval.score_alignment import Strip
from tempo_invariant.scores import msmd
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody
from tests.query_files import named, query_set, strikes

ROOT = Path(__file__).parents[3]
NUMBERS = np.arange(20, 140)
SECONDS = 24.0
HEADS = 60
"""Note heads that `fake_embedder.write_score` writes: 20 a system, every 35 pixels."""


@pytest.fixture
def msmd_dir(tmp_path):
    """A piece whose heads are struck evenly, every 0.4 s at the notated tempo."""
    fake_embedder.write_score(tmp_path, "piece", NUMBERS, seconds=SECONDS)
    return tmp_path / "msmd"


def _layout(msmd_dir):
    return following.lay_out(one_score.read_score(msmd_dir / "piece").places)


def _query(directory, rows, **more):
    recording = ("piece", named(), np.zeros(99, np.float32), rows, more)
    (query,) = query_set(directory, [recording])
    return query


@pytest.mark.parametrize("tempo", [0.66, 1.0, 1.5])
def test_the_truth_is_when_the_heads_sound(msmd_dir, tmp_path, tempo):
    query = _query(tmp_path / "queries", strikes(msmd_dir / "piece", tempo))
    truth = following_benchmark.find_truth(query, *_layout(msmd_dir))
    assert truth.seconds == pytest.approx(0.4 / tempo * np.arange(HEADS), abs=1e-3)
    # Columns: 700 pixels a system, heads from its left edge on.
    assert truth.columns == pytest.approx(35 * np.arange(HEADS))
    late = _query(tmp_path / "queries", strikes(msmd_dir / "piece", tempo), start_seconds=5.0)
    part = following_benchmark.find_truth(late, *_layout(msmd_dir))
    assert part.seconds == pytest.approx(truth.seconds - 5)


def test_heads_of_one_moment_are_one_and_go_ahead(msmd_dir, tmp_path):
    # The left edge is at 60, and the second system begins at 700 of the strip. The chord at moment
    # 1 is spread; the head at moment 2 stands left of it, and the last in no system.
    places = [(0.1, 1, 90, 0), (1.0, 1, 200, 1), (1.2, 1, 204, 1), (1.4, 1, 220, 1)]
    places += [(2.0, 1, 65, 2), (3.0, 2, 70, 3), (4.0, 0, 80, 4)]
    rows = [Strike(seconds, 1, system, x, moment) for seconds, system, x, moment in places]
    truth = following_benchmark.find_truth(_query(tmp_path / "queries", rows), *_layout(msmd_dir))
    assert truth.seconds == pytest.approx([0.1, 1.2, 3.0])
    assert truth.columns == pytest.approx([30, 144, 710])
    # Where the moments are not known, only what sounds together is together.
    rows = [Strike(seconds, 1, system, x) for seconds, system, x, _ in [*places, (1.0, 1, 206, 1)]]
    truth = following_benchmark.find_truth(_query(tmp_path / "queries", rows), *_layout(msmd_dir))
    assert truth.seconds == pytest.approx([0.1, 1.0, 1.2, 1.4, 3.0])
    assert truth.columns == pytest.approx([30, 143, 144, 160, 710])


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
    other = following_benchmark.summary(errors, seed=1)["seconds"]["median"]
    assert other[0] == median and other != found["seconds"]["median"]
    alone = following_benchmark.summary({"a": (np.full(9, -0.2), np.full(9, 3.0))})
    assert alone["seconds"]["median"] == pytest.approx([0.2, 0.2, 0.2]) and alone["bias"] == -0.2


def test_what_is_followed_well_and_badly_is_told_apart(msmd_dir, tmp_path):
    recordings = [
        ("piece", condition, melody(numbers, SECONDS / condition.tempo), truth, {})
        for condition, numbers in ((named(), NUMBERS), (named(tempo=1.5), NUMBERS[::-1]))
        for truth in [strikes(msmd_dir / "piece", condition.tempo)]
    ]
    queries = query_set(tmp_path / "queries", recordings)
    right, wrong = following_benchmark.run(FakeEmbedder(), msmd_dir, queries)
    assert right["seconds"]["median"][0] < 0.3 and right["pixels"]["median"][0] < 25
    assert right["leaps"] == 0 and right["moments"] == pytest.approx(236, abs=2)
    assert wrong["seconds"]["median"][0] > 2 and wrong["pixels"]["median"][0] > 200
    text = following_benchmark.table([right, wrong])
    assert "whole recordings, TimGM6mb, tempo 1.5, +0 dB: 1 pieces" in text
    assert f"  seconds median {right['seconds']['median'][0]:.3f} [" in text
    assert json.loads(json.dumps(right)) == right
    # An excerpt of 10 s from the fifth second, and a second recording of the piece.
    more = {"start_seconds": 5.0, "seconds": 10.0}
    recordings = [(*recording[:4], more) for recording in recordings[:1]] + recordings[:1]
    queries = query_set(tmp_path / "queries", recordings)
    (both,) = following_benchmark.run(FakeEmbedder(), msmd_dir, queries)
    assert both["seconds"]["median"][0] < 0.3 and both["pixels"]["median"][0] < 25
    assert both["pieces"] == 1 and both["moments"] == pytest.approx(336, abs=3)


def test_what_cannot_be_measured_is_refused(msmd_dir, tmp_path):
    query = _query(tmp_path / "queries", strikes(msmd_dir / "piece")[:1])
    with pytest.raises(UserError, match="0.json: fewer than two moments"):
        following_benchmark.find_truth(query, *_layout(msmd_dir))


def run(command: str, *arguments: str) -> subprocess.CompletedProcess:
    module = f"tempo_invariant.{command}"
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=ROOT
    )


@pytest.mark.parametrize(
    "command,arguments,code,message",
    [
        ("follow", ["--score=."], 2, "--audio"),
        ("follow", ["--score=.", "--audio=nowhere.wav", "--output=z"], 1, "nowhere.wav: no such"),
        ("follow", ["--score=nowhere", f"--audio={__file__}", "--output=z"], 1, "nowhere"),
        (
            "follow_benchmark",
            ["--msmd=nowhere", "--run=."],
            1,
            "nowhere: no such file or directory",
        ),
        ("follow_benchmark", [], 1, "give --msmd, or --queries with --scores or --msmd\n"),
        ("follow_benchmark", ["--queries=."], 1, "--queries: needs --scores or --msmd"),
        ("follow_benchmark", ["--queries=.", "--msmd=.", "--tempo=2"], 1, "--tempo: does not go"),
        ("follow_benchmark", ["--queries=.", "--msmd=."], 1, "--queries=.: no query set"),
        ("robustness", [], 1, "--msmd: must be given"),
        ("robustness", ["--msmd=."], 1, "--output: say where to write"),
        ("robustness", ["--reports=nowhere.json"], 1, "nowhere.json: no such file"),
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
    assert "recordings, TimGM6mb, tempo 1.5, +0 dB, expression 1: 1 pieces" in done.stdout
    notated, played = json.loads(output.read_text())
    assert notated["tempo"] == 1.5 and (notated["expression"], played["expression"]) == (0, 1)
    assert list(notated["by_piece"]) == [piece]
    for row in (notated, played):
        median, low, high = row["seconds"]["median"]
        assert 0 <= low == median == high <= row["seconds"]["90%"][0]
    play = ["-m", "tfrecords_tools.query_set", f"--msmd={tmp_path / 'msmd'}", "--tempo=1.5"]
    play += ["--expression=0,1", f"--output={tmp_path / 'queries'}"]
    subprocess.run([sys.executable, *play], check=True, cwd=ROOT)
    done = run(
        "follow_benchmark",
        f"--queries={tmp_path / 'queries'}",
        f"--scores={tmp_path / 'msmd'}",
        f"--export={model}",
        f"--output={output}",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(output.read_text()) == [notated, played]
