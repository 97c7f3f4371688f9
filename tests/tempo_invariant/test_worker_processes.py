"""Calls in other processes: their order, their errors, their deaths, and how many are ahead."""

import contextlib
import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo_invariant import worker_processes
from tempo_invariant.errors import UserError

ROOT = Path(__file__).parents[2]


def square(number):
    """Answers late the earlier it is asked."""
    time.sleep(0.05 * (3 - number % 4))
    return number**2


def trouble(number):
    """Does what may go wrong."""
    if number == 1:
        raise UserError("one is too few")
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        print("this is no answer")
        os.write(1, b"nor is this")
        logging.warning("three is %s", "loud")
    if number == 4:
        raise type("Local", (ValueError,), {})("cannot be sent")
    return os.getpid(), "tensorflow" in sys.modules


def results(function, items, jobs):
    with contextlib.closing(worker_processes.map_ahead(function, items, jobs)) as found:
        return [(item, future.exception() or future.result()) for item, future in found]


@pytest.mark.parametrize("jobs", [0, 2])
def test_results_come_in_the_order_of_the_items(jobs):
    assert results(square, range(9), jobs) == [(number, number**2) for number in range(9)]


def test_what_fails_or_dies_is_one_of_many(caplog):
    found = [each for _, each in results(trouble, range(7), 1)]
    own = os.getpid()
    assert isinstance(found[1], UserError) and str(found[1]) == "one is too few"
    assert isinstance(found[2], UserError)
    assert "ended by SIGKILL, perhaps for lack of memory" in str(found[2])
    assert isinstance(found[4], RuntimeError) and str(found[4]) == "Local: cannot be sent"
    (first, _), (third, loaded), (sixth, _) = found[0], found[3], found[6]
    assert first != own and third not in (own, first) and sixth == third and not loaded
    assert caplog.messages == ["three is loud"]


def test_items_are_taken_as_there_is_room():
    taken = []

    def items():
        for number in range(20):
            taken.append(number)
            yield number

    with contextlib.closing(worker_processes.map_ahead(square, items(), 2)) as found:
        assert len(taken) == 2 + worker_processes.AHEAD  # at once, before a result is asked for
        for done, _ in enumerate(found, 1):
            assert len(taken) <= done + 1 + worker_processes.AHEAD
            time.sleep(0.02)


SCRIPT = """
import contextlib, signal, time
from tempo_invariant import worker_processes

signal.signal(signal.SIGINT, signal.default_int_handler)  # what runs in the background ignores it
with contextlib.closing(worker_processes.map_ahead(time.sleep, [0.01, 0.02, 60, 60], 2)) as found:
    for item, future in found:
        future.result()
        print(item, flush=True)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_no_process_outlives_a_script_that_is_interrupted_or_killed(tmp_path, how):
    """A script that has no guard for its main module, as one has who tries the API."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.DEVNULL,
    )
    assert [process.stdout.readline() for _ in range(2)] == ["0.01\n", "0.02\n"]
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    if not children.exists():
        process.kill()
        pytest.skip("this system does not tell the children of a process")
    started = [
        int(number)
        for task in children.parents[1].iterdir()
        for number in (task / "children").read_text().split()
    ]
    assert len(started) == 2
    process.send_signal(how)
    process.wait(20)
    deadline = time.monotonic() + 20
    while any(map(_is_alive, started)):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _is_alive(number):
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def priority(_):
    """How far the process stands back."""
    return os.nice(0)


@pytest.mark.skipif(not hasattr(os, "nice"), reason="there is no such thing")
def test_processes_stand_back_behind_others():
    with contextlib.closing(worker_processes.map_ahead(priority, [0], 1, nice=3)) as found:
        assert [future.result() for _, future in found] == [min(19, os.nice(0) + 3)]
