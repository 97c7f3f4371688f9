"""Connections on which nothing comes, too much, or too slowly; others are answered meanwhile."""

import contextlib
import socket
import time

import pytest

from tempo_invariant.web.limits import Limits
from tests.web_server import SECONDS, serving, wait_for

LIMITS = Limits(head_seconds=0.5, stall_seconds=0.5, upload_seconds=1.5, connections=12, uploads=2)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("page"), LIMITS) as client:
        yield client


@contextlib.contextmanager
def connected(client):
    with socket.create_connection(("127.0.0.1", client.port), SECONDS) as connection:
        yield connection


def rest(connection):
    """What comes until the server closes the connection."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65536):
            found += part
    return found


def post(client, path, *headers):
    """The head of a request of the page."""
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{client.port}", f"Origin: {client.origin}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nA: b"])
def test_a_head_that_does_not_end_is_not_waited_for(client, sent):
    with connected(client) as connection:
        connection.sendall(sent)
        begun = time.monotonic()
        assert rest(connection) == b""
        assert 0.3 < time.monotonic() - begun < 10


def test_a_head_that_drips_is_not_waited_for_either(client):
    with connected(client) as connection, pytest.raises(OSError):
        connection.sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(200):
            connection.sendall(b"A: b\r\n")
            time.sleep(0.05)


def test_those_who_follow_are_let_go_at_the_end(tmp_path, caplog):
    with contextlib.ExitStack() as stack:
        with serving(tmp_path) as client:
            connection = stack.enter_context(connected(client))
            head = f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n\r\n"
            connection.sendall(head.encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert rest(connection).endswith(b"0\r\n\r\n")  # it is whole
    assert "Cancel" not in caplog.text


def test_the_second_request_must_come_in_time_as_well(client):
    with connected(client) as connection:
        head = f"GET /api/jobs HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n\r\n".encode()
        connection.sendall(head + b"GET /api/j")
        assert rest(connection).count(b"HTTP/1.1 200") == 1


def test_so_many_connections_are_open_and_then_room_comes_again(client):
    with contextlib.ExitStack() as stack:
        idle = [stack.enter_context(connected(client)) for _ in range(30)]
        assert all(rest(each) == b"" for each in idle)
    wait_for(lambda: client.get("/api/jobs") == {"jobs": []})


def test_a_head_is_not_large(client):
    with connected(client) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nA: " + b"b" * 2**20 + b"\r\n\r\n")
        assert b" 200 " not in rest(connection)
    assert client.ask("GET", f"/?{'a' * 10_000}")[0] == 200


def test_a_file_that_stops_or_drips_is_given_up_and_leaves_nothing(client):
    path = "/api/scores?name=a.pdf"
    with connected(client) as connection:
        connection.sendall(post(client, path, "Content-Length: 1000") + b"%PDF")
        assert rest(connection).startswith(b"HTTP/1.1 408")
    with connected(client) as connection:
        connection.sendall(post(client, path, "Content-Length: 1000"))
        with contextlib.suppress(OSError):
            for _ in range(40):
                connection.sendall(b"x")
                time.sleep(0.1)
        assert rest(connection)[:12] in (b"HTTP/1.1 408", b"")
    with connected(client) as connection:
        connection.sendall(post(client, path, "Content-Length: 1000") + b"%PDF")  # and it leaves
    with connected(client) as connection:
        connection.sendall(post(client, path, f"Content-Length: {2**40}"))
        assert rest(connection).startswith(b"HTTP/1.1 413")
    folder = client.desk.librarian.folder
    wait_for(lambda: client.desk.incoming.count == 0)
    assert list(folder.iterdir()) == [] and client.jobs() == []


def test_so_many_files_come_at_the_same_time(client):
    path = "/api/recordings?name=a.wav"
    with contextlib.ExitStack() as stack:
        for count in (1, 2):
            connection = stack.enter_context(connected(client))
            connection.sendall(post(client, path, "Content-Length: 1000") + b"RIFF")
            wait_for(lambda n=count: client.desk.incoming.count == n)
        assert client.change("POST", path, b"RIFF")[0] == 429
    wait_for(lambda: client.desk.incoming.count == 0)


def test_what_is_no_request_is_refused(client):
    for sent in (
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"HELLO\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x00" * 99,
    ):
        with connected(client) as connection:
            connection.sendall(sent)
            assert b" 200 " not in rest(connection)
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket"
    for more in ("", "\r\nSec-WebSocket-Version: 13", "\r\nSec-WebSocket-Key: x"):
        with connected(client) as connection:
            head = f"GET /api/listen HTTP/1.1\r\nHost: 127.0.0.1:{client.port}\r\n{upgrade}{more}"
            connection.sendall(f"{head}\r\n\r\n".encode())
            assert b" 101 " not in rest(connection)
    assert client.get("/api/jobs") == {"jobs": []}
    assert len(client.desk.sessions._sessions) == 0
