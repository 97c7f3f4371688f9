"""A build that is killed at any moment and started again gives the files of one run."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores.sources import PieceSource
from tests.handmade import make_piece
from tfrecords_tools.msmd.batch import REPORT
from tfrecords_tools.msmd.pieces import BuildOptions, build_piece
from tfrecords_tools.running.leftovers import building_in

NOTES = {"a": "c'4 d' e' f' g' a' b' c''", "b": "e'8 g' c'' g' e' c' d' f' c'1", "c": "<c' e'>2 d'"}
TEMPI = "--tempo=1.0,0.9"


def checksums(directory):
    """Sums of all files but the report, which tells how long a run took."""
    return {
        str(path.relative_to(directory)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name != REPORT
    }


def start(scores, output, *arguments):
    command = [sys.executable, "-m", "tfrecords_tools.build_msmd", f"--scores={scores}"]
    command += [f"--output={output}", "--jobs=1", *arguments]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, errors = process.communicate()
    assert process.returncode == 0, errors


def wait_for(process, condition, seconds=1800):
    """Waits until the condition holds or the process has ended."""
    end = time.monotonic() + seconds
    while not condition() and process.poll() is None:
        if time.monotonic() > end:
            kill(process)
            pytest.fail(f"nothing happened in {seconds} s")
        time.sleep(0.002)


def kill(process):
    process.send_signal(signal.SIGKILL)  # to the parent alone: its worker has to notice
    process.communicate()


@pytest.mark.slow
def test_a_killed_build_goes_on_to_the_same_files(tmp_path):
    scores, output = tmp_path / "scores", tmp_path / "msmd"
    scores.mkdir()
    for name, notes in NOTES.items():
        (scores / f"{name}.ly").write_text(
            f'\\version "2.24.0"\n\\score {{ {{ {notes} }} \\layout {{ }} \\midi {{ }} }}\n'
        )
    finish(start(scores, tmp_path / "whole", TEMPI))
    expected = checksums(tmp_path / "whole")
    assert {path.split("/")[0] for path in expected} == set(NOTES)
    choose = random.Random(0)
    killed = 0

    def check_that_pieces_are_whole():
        for path, checksum in checksums(output).items():
            assert path.startswith(".partial-") or checksum == expected[path], path

    def partial():
        return any(output.glob(".partial-*/*"))

    for moment in (lambda: True, partial, partial, partial):
        process = start(scores, output, TEMPI)
        wait_for(process, moment)
        time.sleep(choose.random() * (0.3 if moment is partial else 5))
        killed += process.poll() is None
        kill(process)
        check_that_pieces_are_whole()
    finish(start(scores, output, TEMPI))
    assert checksums(output) == expected
    assert killed >= 2
    assert not list(output.rglob(".partial-*"))


@pytest.mark.slow
def test_added_performances_survive_a_kill(tmp_path):
    scores, output = tmp_path / "scores", tmp_path / "msmd"
    scores.mkdir()
    for name in ("a", "b"):
        text = (
            f'\\version "2.24.0"\n\\score {{ {{ {NOTES[name]} }} \\layout {{ }} \\midi {{ }} }}\n'
        )
        (scores / f"{name}.ly").write_text(text)
    finish(start(scores, tmp_path / "whole", TEMPI))
    finish(start(scores, output, "--tempo=1.0"))
    choose = random.Random(1)
    for piece in ("a", "b"):
        process = start(scores, output, TEMPI)
        wait_for(process, (output / piece / f"performances/{piece}_tempo-900_TimGM6mb").is_dir)
        time.sleep(choose.random() * 0.02)
        kill(process)
    finish(start(scores, output, TEMPI))
    assert checksums(output) == checksums(tmp_path / "whole")


def test_only_a_lone_build_removes_leftovers(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "holding\n"
    half = tmp_path / ".partial-xxxxxxxx" / "piece"
    half.mkdir(parents=True)
    inside = tmp_path / "piece" / "scores" / "img" / ".partial-yyyyyyyy-01.png"
    inside.parent.mkdir(parents=True)
    inside.write_bytes(b"half")
    other = tmp_path / "other" / ".partial-zzzzzzzz"  # no piece: not ours
    other.mkdir(parents=True)
    with building_in(tmp_path):
        assert half.is_dir() and inside.is_file()
    holder.send_signal(signal.SIGKILL)
    holder.communicate()
    with building_in(tmp_path):
        assert not half.parent.exists() and not inside.exists()
        assert other.is_dir()
    assert sorted(os.listdir(tmp_path)) == ["other", "piece"]


HOLD = """
import sys, time
from pathlib import Path
from tfrecords_tools.running.leftovers import building_in
with building_in(Path(sys.argv[1])):
    print("holding", flush=True)
    time.sleep(600)
"""


def test_a_downloaded_piece_is_not_replaced(tmp_path):
    folder = make_piece(tmp_path)
    before = checksums(tmp_path)
    source = PieceSource(folder.name, tmp_path / "none.ly", tmp_path)
    with pytest.raises(UserError, match="was not built here; left as it is"):
        build_piece(source, tmp_path, BuildOptions(()))
    assert checksums(tmp_path) == before
