"""Progress: nothing in a library, a line now and then where there is no terminal."""

import threading
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


def test_lines_of_a_part_within_a_whole_are_plain(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_shown", True)
    monkeypatch.setattr(progress, "DELAY_SECONDS", 0.0)
    monkeypatch.setattr(progress, "LINE_SECONDS", 0.0)
    for _ in progress.track(["a", "b"], "wholes"):
        for _ in progress.track([1, 2], "parts", keep=False):
            pass
    error = capfd.readouterr().err
    assert "parts: 1 of 2" in error and "wholes: 1 of 2" in error
    assert all(line.isprintable() for line in error.splitlines())


def test_what_is_done_at_once_shows_nothing(capfd, monkeypatch):
    monkeypatch.setattr(progress, "_shown", True)
    count(3, 0.0)
    assert capfd.readouterr().err == ""


def test_a_function_is_told_in_its_thread_and_as_long_as_it_wants():
    heard: list[tuple] = []
    with progress.told(lambda *what: heard.append(what)):
        for _ in progress.track("ab", "scores"):
            pass
        bar = progress.track(text="pages", total=9, shown=False)
        bar.update(4)
        thread = threading.Thread(target=count, args=(3, 0.0))
        thread.start()
        thread.join()
        with progress.track((n for n in range(1)), "parts") as parts:
            assert list(parts) == [0]
    count(3, 0.0)
    assert heard == [("scores", 1, 2), ("scores", 2, 2), ("pages", 4, 9), ("parts", 1, None)]
