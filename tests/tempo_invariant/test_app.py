"""The command: an address in a line, one line for what is wrong, and an end at once."""

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tempo_invariant import app
from tempo_invariant.errors import UserError
from tempo_invariant.web import running
from tempo_invariant.web.gate import Door

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def started(tmp_path, *arguments):
    """Runs the command; yields the process and its address."""
    cache = str(tmp_path / "c")  # also of Keras, which writes its settings if it comes that far
    paths = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(tmp_path),
        "XDG_CACHE_HOME": cache,
        "KERAS_HOME": cache,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "tempo_invariant.app", "--nobrowser", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | paths,
    )
    try:
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


def test_it_says_where_it_is_answers_before_the_model_is_there_and_ends_at_once(tmp_path):
    with started(tmp_path, "--port=0") as (process, address):
        assert address.startswith("http://127.0.0.1:") and address.endswith("/")
        port = int(address.rstrip("/").rpartition(":")[2])
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", port)) as connection:
            connection.request("GET", "/")
            assert b"<!DOCTYPE html>" in connection.getresponse().read()
            connection.request("GET", "/api/library")
            assert b'"scores":[]' in connection.getresponse().read()
        begun = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        assert process.returncode == 0 and output == "" and "Traceback" not in errors
        assert time.monotonic() - begun < 15  # a second, where nothing else is done
    assert list((tmp_path / "c" / "tempo-invariant").iterdir()) == []  # nothing is left
    assert {path.name for path in tmp_path.iterdir()} == {"c"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--index=README.md"], 1, "README.md: is there and is not a directory"),
        (["--index=tests"], 1, "tests exists already and is no index: choose another"),
        (["--host=nowhere.invalid"], 1, "no such host: nowhere.invalid"),
        (["--host=192.0.2.1", "--port=1"], 1, "cannot listen on 192.0.2.1:1"),
        (["--certificate=README.md"], 1, "--certificate and --key go together"),
        (["--certificate=README.md", "--key=README.md"], 1, "not a usable certificate"),
        (["--port=70000"], 2, "port"),
        (["--pretrained=nonsense"], 1, "nonsense"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments, code, message, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tempo_invariant.app", "--nobrowser", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"XDG_CACHE_HOME": str(tmp_path), "HOME": str(tmp_path)},
    )
    assert done.returncode == code and message in done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1


def test_a_port_that_is_taken_is_told_or_passed_over():
    with contextlib.closing(running.bind(running.Place(port=0))) as first:
        port = first.getsockname()[1]
        with pytest.raises(UserError, match=f"cannot listen on 127.0.0.1:{port}"):
            running.bind(running.Place(port=port))
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(running.bind(running.Place())) for _ in range(3)]
        ports = [each.getsockname()[1] for each in found]
        assert len(set(ports)) == 3 and min(ports) >= running.PORT


@pytest.mark.parametrize("host", ["a..b", ".", "x" * 70])
def test_what_can_be_no_host_is_told(host):
    with pytest.raises(UserError, match=f"no such host: {re.escape(host)} "):
        running.bind(running.Place(host))


def test_the_address_for_others_has_the_token():
    assert running.addresses(Door("127.0.0.1", 8421)) == ["http://127.0.0.1:8421/"]
    assert running.addresses(Door("::1", 8421)) == ["http://[::1]:8421/"]
    here, *there = running.addresses(Door("0.0.0.0", 8421, "secret", "https"))
    assert here == "https://127.0.0.1:8421/?token=secret"
    assert all(each.endswith(":8421/?token=secret") for each in there) and len(there) <= 1


def test_the_library_is_in_the_folder_for_music_if_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert app.default_index() == tmp_path / ".local" / "share" / "tempo-invariant-index"
    (tmp_path / "Music").mkdir()
    assert app.default_index() == tmp_path / "Music" / "tempo-invariant-index"
