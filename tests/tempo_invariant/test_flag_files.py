"""Flag files are read wherever they are named, and what is wrong with one is told with its line."""

from pathlib import Path

import pytest
from absl import flags

from tempo_invariant import flag_files, shipped


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def texts(*arguments: str) -> list[str]:
    return [argument.text for argument in flag_files.expand(arguments)]


def test_flag_files_are_replaced_by_what_they_hold_where_they_stand():
    Path("a.flags").write_text("# A comment.\n\n--x=1\n  // Another.\n--flagfile=b.flags\n-y\n")
    Path("b.flags").write_text("--z=a b\n")
    inner = ["--x=1", "--z=a b", "-y"]
    assert texts("--d=0", "--flagfile=a.flags", "--x=2") == ["--d=0", *inner, "--x=2"]
    assert texts("-flagfile", "a.flags", "x") == [*inner, "x"]
    assert texts("--flagfile=b.flags", "--", "--flagfile=a.flags")[1:] == [
        "--",
        "--flagfile=a.flags",
    ]
    origins = [argument.origin for argument in flag_files.expand(["--d", "--flagfile=a.flags"])]
    assert origins == ["", "a.flags, line 3", "b.flags, line 1", "a.flags, line 6"]


def test_a_bare_name_is_that_of_a_shipped_file():
    assert "--attention" in texts("--flagfile=bl_at.flags")


@pytest.mark.parametrize("name", shipped.flag_files())
def test_shipped_flag_files_say_each_thing_once(name):
    found = texts(f"--flagfile={name}")
    names = [text.partition("=")[0] for text in found]
    assert len(names) == len(set(names)) > 5
    assert all(text.startswith("--") and " " not in text for text in found)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nosuch", "--flagfile=nosuch: no such file; those that ship are best.flags, bl.flags, "),
        ("", "--flagfile: needs the name of a file; those that ship are best.flags, "),
        ("folder", "--flagfile=folder: Is a directory"),
        ("bytes", "--flagfile=bytes: not a text file in UTF-8"),
        ("text", "text, line 2: 'hello' is no flag, which is --name=value"),
        ("circle", "--flagfile=circle: reads itself"),
        ("outer", "--flagfile=nosuch: no such file"),
    ],
)
def test_what_is_wrong_with_a_flag_file_is_told(name, message):
    Path("folder").mkdir()
    Path("bytes").write_bytes(b"\x93NUMPY\xff")
    Path("text").write_text("\nhello\n")
    Path("circle").write_text("--flagfile=circle\n")
    Path("outer").write_text("--flagfile=nosuch\n")
    with pytest.raises(flags.Error) as caught:
        flag_files.expand([f"--flagfile={name}"])
    assert str(caught.value).startswith(message)


def test_a_flag_file_at_the_end_needs_a_name():
    with pytest.raises(flags.Error, match="--flagfile: needs the name of a file"):
        flag_files.expand(["--flagfile"])
