"""The commands: quick help, one line for what is wrong, an answer for what is right."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tempo_invariant.retrieval import indexing
from tests import fake_embedder
from tests.fake_embedder import FakeEmbedder, melody

ROOT = Path(__file__).parents[2]
COMMANDS = ("index", "identify", "identification_benchmark", "search_benchmark")


def run(command: str, *arguments: str) -> subprocess.CompletedProcess:
    module = f"tempo_invariant.{command}"
    return subprocess.run(
        [sys.executable, "-m", module, *arguments], capture_output=True, text=True, cwd=ROOT
    )


def test_help_needs_no_tensorflow():
    imports = "; ".join(f"import tempo_invariant.{command}" for command in COMMANDS[:1])
    check = f"import sys; {imports}; from tempo_invariant.evaluation import identification"
    check += "; from tempo_invariant.retrieval.answers import identified"
    done = subprocess.run(
        [sys.executable, "-c", f"{check}; sys.exit('tensorflow' in sys.modules)"], cwd=ROOT
    )
    assert done.returncode == 0
    done = run("identify", "--help")
    assert done.returncode == 0 and "--ranking" in done.stdout and "s16le" in done.stdout


@pytest.mark.parametrize(
    "command,arguments,code,message",
    [
        ("index", ["--index=x"], 1, "give one of --scores and --recordings"),
        ("index", ["--scores=nowhere"], 1, "--scores=nowhere: no such file or directory"),
        ("index", ["--scores=.", "--output=README.md"], 1, "README.md: is there and is not a dir"),
        ("index", ["--scores=sample", "--split=test", "--prune"], 1, "--documents or --split"),
        ("identify", ["--index=.", f"--audio={__file__}", "--live"], 1, "one of --audio, --sheet"),
        ("identify", ["--index=tests", "--live"], 1, "tests is not an index"),
        ("identify", ["--index=.", "--live", "--output=x"], 1, "--output needs"),
        ("identify", ["--index=.", "--audio=/proc/uptime"], 1, "; choose another place with --out"),
        ("identification_benchmark", [], 1, "or --queries with --scores, --msmd or --index\n"),
        (
            "identification_benchmark",
            ["--msmd=nowhere", "--run=."],
            1,
            "nowhere: no such file or directory",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line(command, arguments, code, message):
    done = run(command, *arguments)
    assert done.returncode == code
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1 and not done.stdout


def test_an_index_of_the_wrong_kind_is_refused(tmp_path):
    fake_embedder.write_score(tmp_path, "piece", np.arange(100))
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    done = run("identify", f"--index={tmp_path / 'index'}", "--sheet=figures/answer.png")
    assert done.returncode == 1
    assert "an index of scores, where one of recordings is needed" in done.stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"query": "elsewhere/take.flac"}', "tests is not an index"),  # is replaced
        (
            '{"query": "take.mp3"}',
            "answer: holds the answer to the query take.mp3; choose another --output",
        ),
        ("[]", "answer: holds the answer to the query None; choose another --output"),
        ("{", "answer.json: "),
    ],
)
def test_the_answer_to_another_recording_is_not_replaced(tmp_path, content, message):
    (tmp_path / "take.flac").write_bytes(b"")
    report = tmp_path / "take-answer/answer.json"
    report.parent.mkdir()
    report.write_text(content)
    done = run("identify", "--index=tests", f"--audio={tmp_path / 'take.flac'}")
    assert done.returncode == 1 and message in done.stderr and done.stderr.count("\n") == 1
    assert report.read_text() == content


def test_a_recording_followed_in_another_score_is_not_replaced(tmp_path):
    soundfile.write(tmp_path / "take.wav", melody(np.arange(100), 2), 22050)
    report = tmp_path / "take-followed/follow.json"
    report.parent.mkdir()
    report.write_text('{"audio": "take.wav", "score": "minuet_g_major"}')
    score = ["--score=sample", "--document=bach_musette"]
    done = run("follow", *score, f"--audio={tmp_path / 'take.wav'}")
    message = "holds the answer to the score minuet_g_major; choose another --output\n"
    assert done.returncode == 1 and done.stderr.endswith(f"take-followed: {message}")
    assert "minuet" in report.read_text()


WITH_THE_FAKE_MODEL = """
from tempo_invariant import commands, identify
from tempo_invariant.retrieval import late_embedder
from tests.fake_embedder import FakeEmbedder

late_embedder.open_later = lambda **choice: FakeEmbedder()
commands.run(identify.main, identify.USAGE)
"""


def test_an_answer_is_written_though_nobody_reads_what_is_printed(tmp_path):
    fake_embedder.write_score(tmp_path, "piece", np.arange(100))
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    soundfile.write(tmp_path / "take.wav", melody(np.arange(100), 12), 22050)
    asked = [f"--index={tmp_path / 'index'}", f"--audio={tmp_path / 'take.wav'}"]
    command = [sys.executable, "-c", WITH_THE_FAKE_MODEL, *asked]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as run:
        run.stdout.close()
        assert b"Traceback" not in run.stderr.read()
    assert run.returncode == 141
    names = sorted(path.name for path in (tmp_path / "take-answer").iterdir())
    assert names == ["answer.html", "answer.json"]


def test_documents_are_listed_as_people_count(tmp_path):
    for name in ("10", "2", "1"):
        fake_embedder.write_score(tmp_path, name, np.arange(30), systems=1)
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "index")
    done = run("index", "--list", f"--index={tmp_path / 'index'}")
    assert run("index", "--list", f"--output={tmp_path / 'index'}").stdout == done.stdout
    assert [line.split()[-1] for line in done.stdout.splitlines()] == ["1", "2", "10"]
    assert done.stdout.splitlines()[0].split()[:2] == ["1", "page"]


def test_the_search_is_measured():
    done = run("search_benchmark", "--vectors=3000", "--queries=20", "--exact_limit=2000")
    assert done.returncode == 0
    assert "3,000 vectors, IVF-PQ" in done.stdout and "recall against exact" in done.stdout
