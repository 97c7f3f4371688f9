"""The health check of containers: its exit code, its line, and how little it loads."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.server_calls import NAME, SECONDS, make_server
from tests.tiny_saved_model import save


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    base_path = tmp_path_factory.mktemp("model")
    save(base_path, 1)
    server = make_server(base_path)
    server.start()
    yield server
    server.stop()


def check(*arguments, python: tuple[str, ...] = ()) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *python, "-m", "serving.health", *map(os.fsencode, arguments)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )


def test_a_server_that_serves_is_told_by_exit_code_zero(server):
    finished = check(f"--server=localhost:{server.port}")
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "SERVING\n", "")


def test_the_command_does_without_tensorflow(server):
    finished = check(f"--server=localhost:{server.port}", python=("-X", "importtime"))
    assert finished.returncode == 0 and "grpc" in finished.stderr
    assert "tensorflow" not in finished.stderr and "numpy" not in finished.stderr


def test_a_server_that_is_loading_is_not_serving_yet(tmp_path, monkeypatch):
    save(tmp_path, 1)
    server, loaded = make_server(tmp_path), threading.Event()
    refresh = server.store.refresh
    monkeypatch.setattr(server.store, "refresh", lambda: loaded.wait(SECONDS) and refresh())
    starting = threading.Thread(target=server.start)
    starting.start()
    finished = check(f"--server=localhost:{server.port}")
    assert finished.returncode == 1
    assert finished.stderr == f"error: localhost:{server.port}: NOT_SERVING\n"
    # With --wait it comes back as soon as the server serves.
    threading.Timer(1.0, loaded.set).start()
    finished = check(f"--server=localhost:{server.port}", f"--wait={SECONDS}")
    assert (finished.returncode, finished.stdout) == (0, "SERVING\n")
    starting.join()
    assert check(f"--server=localhost:{server.port}").returncode == 0
    server.stop()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--server=localhost:1"], "error: localhost:1: UNAVAILABLE"),
        (["--server=", "--timeout=1"], "error: : "),
        (["--server=a\udcffb"], "error: --server and --service must be text in UTF-8"),
    ],
)
def test_whatever_is_wrong_is_one_line_and_exit_code_one(arguments, message):
    finished = check(*arguments)
    assert finished.returncode == 1 and not finished.stdout
    assert finished.stderr.startswith(message) and finished.stderr.count("\n") == 1


def test_waiting_has_an_end():
    begun = time.monotonic()
    finished = check("--server=localhost:1", "--wait=1.5")
    assert finished.returncode == 1 and time.monotonic() - begun > 1.5
    assert finished.stderr.startswith("error: localhost:1: UNAVAILABLE")


def test_an_unknown_service_is_named_by_the_status(server):
    finished = check(f"--server=localhost:{server.port}", f"--service={NAME}")
    assert finished.returncode == 1 and "NOT_FOUND" in finished.stderr
