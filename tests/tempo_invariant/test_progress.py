"""Progress: nothing in a library, a line now and then where there is no terminal."""

import time

from tempo_invariant import progress


def count(items: int, seconds: float) -> None:
    for _ in progress.track(range(items), "scores"):
        time.sleep(seconds)


def test_a_library_is_silent(capfd):
    progress.note("loading")
    count(3, 0.0)
    assert capfd.readouterr() == ("", "")


def test_lines_are_written_where_there_is_no_terminal(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_shown", True)
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.05)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.1)
    count(30, 0.01)
    lines = capfd.readouterr().err.splitlines()
    assert 2 <= len(lines) <= 8
    assert lines[0].startswith("scores: ") and " of 30, " in lines[0] and " to go" in lines[0]
    assert not any("\r" in line for line in lines)


def test_what_is_done_at_once_shows_nothing(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_shown", True)
    count(3, 0.0)
    assert capfd.readouterr().err == ""
