"""The server from start to end: versions that come and go, and stopping."""

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2

from serving.hosting.versions import State
from tempo_invariant.errors import UserError
from tests import tiny_saved_model
from tests.server_calls import (
    IMAGE,
    NAME,
    SECONDS,
    SERVING,
    Caller,
    Gate,
    free_port,
    make_request,
    make_server,
    wait_until,
)


def test_a_new_version_takes_over_without_a_lost_request(tmp_path):
    tiny_saved_model.save(tmp_path, 1, shift=1.0)
    server = make_server(tmp_path, poll_seconds=0.1)
    server.start()
    caller = Caller(server.port)
    answers, done = [], threading.Event()

    def ask() -> None:
        while not done.is_set():
            answers.append(caller.shift())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    tiny_saved_model.save(tmp_path, 2, shift=2.0)
    wait_until(lambda: answers and answers[-1] == 2.0)
    (tmp_path / "5").mkdir()  # a version that cannot be loaded
    wait_until(lambda: caller.statuses().get(5) == State.END)
    done.set()
    for thread in threads:
        thread.join()
    asked = len(answers)
    assert asked > 10 and set(answers) == {1.0, 2.0}  # an error would have ended its thread early
    assert all(not thread.is_alive() for thread in threads)
    assert caller.statuses() == {1: State.END, 2: State.AVAILABLE, 5: State.END}
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        caller.predict(version=1, image=IMAGE)
    server.stop()


def test_keeps_as_many_versions_as_asked_and_goes_back_when_the_newest_is_removed(tmp_path):
    directories = [tiny_saved_model.save(tmp_path, number, float(number)) for number in (1, 2, 3)]
    server = make_server(tmp_path, versions_kept=2)
    server.start()
    caller = Caller(server.port)
    assert caller.shift() == 3.0
    assert caller.predict(version=2, image=IMAGE).model_spec.version.value == 2
    directories[2].rename(tmp_path / "withdrawn")
    server.store.refresh()
    assert caller.shift() == 2.0
    assert caller.statuses() == {1: State.AVAILABLE, 2: State.AVAILABLE, 3: State.END}
    server.stop()


def test_a_failing_warmup_keeps_the_version_from_serving(tmp_path):
    directory = tiny_saved_model.save(tmp_path, 1)
    bad = make_request("embed_sheet", image=IMAGE[:, :10])
    tiny_saved_model.write_warmup(directory, bad)
    server = make_server(tmp_path)
    with pytest.raises(UserError, match=r"version 1 .* cannot be loaded: input 'image' must have"):
        server.start()


def test_only_numbers_that_requests_can_hold_are_versions(tmp_path):
    tiny_saved_model.save(tmp_path, 2**63 - 1)
    for name in (
        str(2**63),
        "9" * 40,
        "\u0663",
        "-1",
        "1e3",
        " 7",
        "temporary",
        os.fsdecode(b"\xff"),
    ):
        (tmp_path / name).mkdir()
    (tmp_path / "3").write_text("not a directory")
    server = make_server(tmp_path)
    server.start()
    caller = Caller(server.port)
    assert caller.statuses() == {2**63 - 1: State.AVAILABLE}
    assert caller.predict(image=IMAGE).model_spec.version.value == 2**63 - 1
    server.stop()


def test_start_errors_are_one_line(tmp_path, base_path):
    with pytest.raises(UserError, match="has no model"):
        make_server(tmp_path / "nothing").start()
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        with pytest.raises(UserError, match="cannot listen on localhost"):
            make_server(base_path, port=taken.getsockname()[1])
    for host in ("nowhere.invalid", "\udcff", "a" * 70):
        with pytest.raises(UserError, match="cannot listen on "):
            make_server(base_path, host=host)


def test_stopping_finishes_what_is_in_hand_and_takes_nothing_new(base_path, monkeypatch):
    server = make_server(base_path)
    server.start()
    caller = Caller(server.port)
    gate = Gate(monkeypatch)
    in_hand = caller.prediction.Predict.future(make_request("embed_sheet", image=IMAGE))
    assert gate.entered.acquire(timeout=SECONDS)
    stopping = threading.Thread(target=server.stop)
    stopping.start()
    request = health_pb2.HealthCheckRequest()
    wait_until(lambda: caller.health.Check(request).status != SERVING)
    # The door closes right after health has changed; until then a request is held like the other.
    wait_until(lambda: not gate.admits(caller))
    assert stopping.is_alive() and not in_hand.done()
    gate.open.set()
    assert in_hand.result(SECONDS).model_spec.version.value == 3
    stopping.join(SECONDS)
    assert not stopping.is_alive()


def test_the_command_serves_until_sigterm(base_path):
    port = free_port()
    arguments = [f"--model_base_path={base_path}", f"--model_name={NAME}", f"--port={port}"]
    arguments += ["--log_level=debug"]
    process = subprocess.Popen(
        [sys.executable, "-m", "serving.server", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[3],
    )
    try:
        caller = Caller(port)
        grpc.channel_ready_future(caller.channel).result(SECONDS)
        wait_until(lambda: caller.health.Check(health_pb2.HealthCheckRequest()).status == SERVING)
        assert caller.shift() == 3.0
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=SECONDS)
        assert process.returncode == 0
        assert "INFO serving tiny on localhost" in log and log.rstrip().endswith("stopped")
        assert re.search(r"DEBUG ipv\S+ Predict embed_sheet 320\d\d bytes [\d.]+ ms OK\n", log)
    finally:
        process.kill()
