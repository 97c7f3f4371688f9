"""The one command: its list, its help, what it refuses, and its completion in the shell."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo_invariant import __version__, cli

ROOT = Path(__file__).parents[2]
PATHS = {**os.environ, "PYTHONPATH": str(ROOT)}


def tempo_invariant(*arguments: str, **options) -> subprocess.CompletedProcess:
    """Runs the command."""
    return subprocess.run(
        [sys.executable, "-m", "tempo_invariant", *arguments],
        capture_output=True,
        text=True,
        cwd=options.pop("cwd", ROOT),
        **options,
    )


def test_every_module_command_is_listed_with_what_it_does():
    modules = {
        path.stem
        for package in ("tempo_invariant", "tfrecords_tools", "serving")
        for path in (ROOT / package).glob("*.py")
        if "commands.run(main" in path.read_text()
    }
    assert modules == set(cli.names()) - {"completion"}
    told = cli.overview()
    for name in cli.names():
        line = next(line for line in told.splitlines() if line.startswith(f"  {cli.typed(name)} "))
        assert len(line.split(maxsplit=1)[1]) > 20 and line[-1] not in " ,."


@pytest.mark.parametrize("name", [name for name in cli.names() if name != "completion"])
def test_every_command_can_be_run_and_tells_its_flags(name):
    done = tempo_invariant(cli.typed(name), "--help")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(cli.summary(name))
    assert f"tempo-invariant {cli.typed(name)}" in done.stdout and "\nflags:\n  --" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100
    assert "repeat this option" not in done.stdout


def test_what_can_be_answered_at_once_is(no_tensorflow):
    def printed(*arguments):
        return tempo_invariant(*arguments, env=os.environ | no_tensorflow).stdout

    assert printed("--version") == f"tempo-invariant {__version__}\n"
    assert printed("identify", "--version") == f"tempo-invariant {__version__}\n"
    assert printed() == printed("--help") == cli.overview() + "\n"


def test_importing_takes_no_time():
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import tempo_invariant"], check=True, cwd=ROOT)
        seconds.append(time.perf_counter() - begun)
    assert min(seconds) < 0.5


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["identity"], 2, "no command 'identity'; did you mean 'identify'?"),
        (["xyz"], 2, "no command 'xyz'; --help lists them"),
        (["identify", "--indx=a"], 2, "Unknown command line flag 'indx'. Did you mean: index ?"),
        (["identify", "--index=a", "b"], 2, "unexpected argument 'b'"),
        (["identify", "--index=nowhere", "--live"], 1, "--index=nowhere: no such file"),
        (["identify", "--index=.", "--audio=gone.wav"], 1, "--audio=gone.wav: no such file"),
        (["follow", "--score=sample", "--audio=sample", "--gain_db=nan"], 2, "--gain_db=nan: must"),
        (["evaluate", "--run=.", "--pretrained=bl"], 1, "give one of --run, --pretrained, not"),
        (["evaluate", "--weights=best"], 1, "--weights goes with --run"),
        (["train", "--flagfile=gone.flags"], 2, "--flagfile=gone.flags: no such file; those that"),
        (["train", "--flagfile=tests/golden/madmom.npz"], 2, "madmom.npz: not a text file"),
        (["train", "--output=x", "--frames=many"], 2, "error: --frames=many: must be a whole"),
        (["train", "bl.flags"], 2, "'bl.flags'; did you mean --flagfile=bl.flags? (--help"),
        (["train", "--frames=84"], 2, "error: --output is needed"),
        (["package-model", "x"], 2, "error: unexpected argument 'x'"),
        (["train", "--noink=3"], 2, "--noink=3 does not take an argument"),
        (["train", "--output=x", "--batch_size=20000"], 1, "error: --batch_size: must be at most"),
        (["train", "--output=x", "--data_weights=1,-2"], 2, "error: --data_weights=1,-2: must be"),
        (["refine", "--run=tests"], 1, "error: --run=tests is not a run: it holds no experiment"),
        (["evaluate", "--run=tests"], 1, "error: --run=tests is not a run"),
        (["evaluate", "--pretrained=no"], 1, "error: --pretrained: no model 'no' ships"),
        (["evaluate", "--data=tests"], 1, "error: --data: no records in tests; make them with"),
        (
            ["evaluate", "--reports=setup.cfg"],
            1,
            "error: --reports=setup.cfg: no report",
        ),
        (["package-model", "--run=tests", "--name=x"], 1, "error: --run=tests is not a run"),
        (["pipeline-benchmark", "--data=tests"], 1, "error: --data: no records in tests"),
        (["robustness", "--msmd=figures"], 1, "error: --msmd=figures: holds no piece"),
        (["calibrate", "--index=tests", "--queries=tests"], 1, "error: --index=tests is not an"),
        (["index", "--scores=tests", "--run=tests"], 1, "error: --run=tests is not a run"),
        (["index", "--scores=tests", "--export=tests"], 1, "error: --export=tests: neither"),
        (["identify", "--index=tests", "--live"], 1, "error: --index=tests is not an index"),
        (["server", "--model_base_path=tests"], 1, "error: --model_base_path=tests has no model: "),
        (["index", "--list"], 1, "error: --list: needs --index, the index to list"),
        (["attention-figure", "--pretrained=bl", "--output=x.png"], 1, "=bl has no attention"),
        (["convert", "--msmd=figures", "--output=x"], 1, "error: --msmd=figures: holds no piece"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line_before_tensorflow_loads(
    arguments, code, message, no_tensorflow
):
    done = tempo_invariant(*arguments, env=os.environ | no_tensorflow)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("error: ") and message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_closed_standard_input_is_refused(tmp_path):
    script = f'"{sys.executable}" -m tempo_invariant identify --live --index={tmp_path} <&-'
    done = subprocess.run(script, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1
    assert done.stderr == "error: --live listens to standard input, and that is closed\n"


def complete(line: str, cwd: Path = ROOT) -> list[str]:
    """Asks as the shells do, in a process of its own: two commands may share names of flags."""
    done = tempo_invariant("completion", "words", f"tempo-invariant {line}", cwd=cwd, env=PATHS)
    assert (done.returncode, done.stderr) == (0, "")
    return [] if done.stdout == "\n" else done.stdout[:-1].split("\n")


@pytest.mark.parametrize(
    ("script", "code", "message"),
    [
        ("--version >&-", 0, ""),
        ("identify --help >&-", 0, ""),
        ("--help >/dev/full", 1, "error: output: no space is left on the disk"),
        ("identify --help >/dev/full", 1, "error: output: no space is left on the disk"),
    ],
)
def test_an_output_that_is_closed_or_full_is_no_traceback(script, code, message):
    command = f'"{sys.executable}" -m tempo_invariant {script}'
    done = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == code and done.stderr.startswith(message)
    assert done.stderr.count("\n") == (1 if message else 0)


def test_words_are_completed():
    assert complete("ide") == ["identify ", "identification-benchmark "]
    assert complete("identify --ra") == ["--ranking="]
    assert complete("identify --ranking=") == ["--ranking=sequence ", "--ranking=votes "]
    assert complete("identify --li") == ["--live "]
    assert complete("evaluate --pretrained=bl") == [
        f"--pretrained={name} " for name in ("bl", "bl_at", "bl_at_lc")
    ]
    assert complete("completion ") == ["bash ", "zsh "]
    assert complete("nothing --") == []


def test_paths_are_completed(tmp_path):
    (tmp_path / "a folder").mkdir()
    (tmp_path / "a.wav").touch()
    found = complete("identify --audio=a", tmp_path)
    assert found == [r"--audio=a\ folder/", "--audio=a.wav "]
    (tmp_path / "a folder/b=c.wav").touch()
    assert complete(r"identify --audio=a\ folder/", tmp_path) == [r"--audio=a\ folder/b\=c.wav "]


@pytest.mark.parametrize("shell", ["sh", "bash", "zsh"])
def test_names_are_completed_as_text_and_not_as_commands(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    name = "x $(touch harm) `touch harm` ;&|<>*?[a]{b,c}~!#'\"\\ü,%s=:^.wav"
    (tmp_path / name).touch()
    (tmp_path / "x\ny.wav").touch()  # cannot be typed in one line
    (word,) = complete("identify --audio=x", tmp_path)
    done = subprocess.run(
        [shell, "-c", f"printf '<%s>' {word}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.stdout, done.stderr) == (f"<--audio={name}>", "")
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_completes(shell, tmp_path):
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "tempo-invariant").write_text(
        f'#!/bin/sh\ncd "{ROOT}" && exec "{sys.executable}" -m tempo_invariant "$@"\n'
    )
    (tmp_path / "tempo-invariant").chmod(0o755)
    line = "tempo-invariant identify --ranking=v"
    asked = {
        "bash": f'COMP_LINE="{line}" COMP_POINT={len(line)} COMP_CWORD=4; '
        "COMP_WORDS=(tempo-invariant identify --ranking = v); "
        '_tempo_invariant; echo "${COMPREPLY[@]}"',
        "zsh": f'compadd() {{ print -- "$@[-1]" }}; LBUFFER="{line}"; _tempo_invariant',
    }[shell]
    prepare = "compdef() { true; }; " if shell == "zsh" else ""
    script = f'{prepare}eval "$(tempo-invariant completion {shell})"; {asked}'
    done = subprocess.run(
        [shell, "-c", script],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.stderr == ""
    assert done.stdout.strip() == ("votes" if shell == "bash" else "--ranking=votes")
