"""Worker processes: they end with their parent and when work is called off."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo_invariant.errors import UserError
from tfrecords_tools.running.processes import worker_pool

PARENT = """
import os, time
from tempo_invariant.errors import UserError
from tfrecords_tools.running.processes import worker_pool

with worker_pool(1) as pool:
    print(pool.submit(os.getpid).result(), flush=True)
    pool.submit(time.sleep, 600).result()
"""


def test_a_worker_ends_with_a_killed_parent():
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True, env=os.environ
    )
    assert parent.stdout is not None
    worker = int(parent.stdout.readline())
    os.kill(worker, 0)  # it is there
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            return
        with open(f"/proc/{worker}/stat") as stream:
            if stream.read().rpartition(")")[2].split()[0] == "Z":  # ended; nobody waits for it
                return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker outlived its parent")


def test_what_waits_is_dropped_when_work_is_called_off(tmp_path):
    files = [tmp_path / str(number) for number in range(20)]
    with pytest.raises(KeyboardInterrupt), worker_pool(1) as pool:
        first, *_ = [pool.submit(_write_slowly, path) for path in files]
        first.result()
        raise KeyboardInterrupt
    assert files[0].exists() and not files[-1].exists()


def test_a_worker_has_no_gpu_and_leaves_interruptions_to_its_parent():
    with worker_pool(1) as pool:
        assert pool.submit(os.getenv, "CUDA_VISIBLE_DEVICES").result() == "-1"
        assert pool.submit(signal.getsignal, signal.SIGINT).result() == signal.SIG_IGN


def test_a_process_that_dies_is_told_in_one_line():
    with pytest.raises(UserError, match="a process died while it worked"), worker_pool(1) as pool:
        pool.submit(os._exit, 9).result()


def _write_slowly(path: Path) -> None:
    time.sleep(0.1)
    path.touch()
