"""Thousands of hostile requests to the page's server, which then answers and has not grown."""

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import numpy as np
import pytest
from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from tempo_invariant.retrieval import indexing
from tempo_invariant.samples import DIRECTORY
from tests import fake_embedder, fuzzing
from tests.fake_embedder import FakeEmbedder
from tests.web_server import Client, wait_for

ROUNDS = 400
PATIENCE_SECONDS = 0.1
GROWTH_MIB = 60
ROOT = Path(__file__).parents[2]
SCORE = (DIRECTORY / "scores" / "bach_musette.pdf").read_bytes()
SOUND = (DIRECTORY / "recording.ogg").read_bytes()[:20_000]

NAMES = ["", ".", "..", "../a.pdf", "/a.pdf", "a/../../b.pdf", "\0", "a\0.pdf", "a\r\nX: y.pdf"]
NAMES += ["é" * 500 + ".pdf", "x" * 2000, "\x1b[31m.png", "con.png", "a" * 300 + ".musicxml"]
NAMES += [".hidden.png", "PIECES.tsv", "catalogue.txt", "a.ly", ".waiting", ".removed/a.png"]
NAMES += ["/".join("abcdefg") + ".png", "\u202egnp.png", "\ud800.png", "a\\..\\b.png", "~/a.png"]

_PLACE = '{"correct": {"document": "x", "page": %s, "system": %s, "x": %s}}'
MESSAGES = ["", "{", "[]", "null", "1e999", "[" * 9000, "\udcff", b"", b"x", bytes(9000)]
MESSAGES += ['{"rate": 48000}', '{"rate": -1}', '{"rate": []}', '{"stop": 1}', '{"stop": 0}']
MESSAGES += ['{"choose": null}', '{"choose": {}}', '{"choose": "x"}', _PLACE % (1, 1, '"Infinity"')]
MESSAGES += [_PLACE % (1e9, 1, 1), _PLACE % (10**20, -1, 1), _PLACE % (1, 1, "NaN")]


@pytest.fixture
def server(tmp_path):
    """A server with a library, in a process of its own: where it asks, and the process."""
    fake_embedder.write_score(tmp_path, "waltz", np.arange(0, 250.0, 10))
    indexing.index_scores(FakeEmbedder(), tmp_path / "msmd", tmp_path / "music-index", 25)
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.web_server", str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
        )
        try:
            yield Client(int(process.stdout.readline()), None), process
        finally:
            process.stdin.close()
            process.wait(60)


def requests(client):
    """Requests of every kind, as bytes."""
    own = f"Host: 127.0.0.1:{client.port}\r\nOrigin: {client.origin}\r\n"
    upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    score = wait_for(lambda: client.get("/api/library")["scores"])[0]["id"]
    yield f"GET / HTTP/1.1\r\n{own}\r\n".encode()
    yield f"GET /api/scores/{score}/pages/1 HTTP/1.1\r\n{own}Range: bytes=1-9\r\n\r\n".encode()
    yield f"GET /api/listen?session=x HTTP/1.1\r\n{own}{upgrade}\r\n".encode() + b"\x81\x02{}"
    yield f"DELETE /api/scores/0 HTTP/1.1\r\n{own}\r\n".encode()
    for path, content in (("scores?name=a.png", SCORE[:3000]), ("recordings?name=a.ogg", SOUND)):
        head = f"POST /api/{path} HTTP/1.1\r\n{own}Content-Length: {len(content)}\r\n\r\n"
        yield head.encode() + content
        head = f"POST /api/{path} HTTP/1.1\r\n{own}Transfer-Encoding: chunked\r\n\r\n"
        yield head.encode() + b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)


def send(client, sent: bytes) -> bytes:
    """The beginning of what is answered, before the server closes the connection or goes silent."""
    with socket.create_connection(("127.0.0.1", client.port), 60) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(sent)
            connection.settimeout(PATIENCE_SECONDS)
            return connection.recv(100)
    return b""


def talk(client, generator) -> None:
    """Says things over a WebSocket, in any order."""
    address = f"ws://127.0.0.1:{client.port}/api/listen"
    with contextlib.suppress(WebSocketException, UnicodeError, OSError, TimeoutError):
        with connect(address, origin=client.origin, compression=None) as spoken:
            if generator.random() < 0.7:
                spoken.send('{"rate": 44100}')
            for number in generator.integers(0, len(MESSAGES), 5):
                spoken.send(MESSAGES[number])
            spoken.recv(0.05)


def state(process) -> tuple[float, int]:
    """Memory in MiB, and the number of open files."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    kibibytes = next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1]
    return int(kibibytes) / 1024, len(os.listdir(f"/proc/{process.pid}/fd"))


def bombard(client, seed: int, codes: Counter) -> None:
    generator = np.random.default_rng(seed)
    whole = list(requests(client))
    for number in range(ROUNDS):
        sent = fuzzing.damaged(whole[number % len(whole)], 7 * ROUNDS * seed + number)
        codes[send(client, sent)[9:12]] += 1
        if number % 10 == 0:
            talk(client, generator)
    for name in NAMES:
        path = f"/api/scores?name={quote(name.encode(errors='surrogatepass'))}"
        codes[str(client.change("POST", path, b"no image")[0]).encode()] += 1
    wait_for(lambda: all(job["state"] in ("done", "failed") for job in client.jobs()))


@pytest.mark.slow
def test_a_server_survives_hostile_requests(server, tmp_path):
    client, process = server
    wait_for(client.names)
    before = set(tmp_path.iterdir())
    codes, states = Counter(), []
    for seed in range(3):
        bombard(client, seed, codes)
        states.append(state(process))
    print(f"\n{codes.total()} requests; MiB and files: {states}; {dict(codes)}")
    assert process.poll() is None and codes[b"200"] and codes[b"202"] and codes[b"403"]
    assert not any(code.startswith(b"5") for code in codes)
    assert states[-1][0] - states[0][0] < GROWTH_MIB and states[-1][1] <= states[0][1] + 10
    errors = [job["error"] for job in client.jobs() if job["error"]]
    assert errors and all(error.isprintable() for error in errors)
    assert "waltz" in client.names()
    assert json.loads(client.ask("GET", "/api/jobs")[2])
    assert "Traceback" not in (tmp_path / "log").read_text()
    assert set(tmp_path.iterdir()) - before <= {tmp_path / "music"}  # nowhere else
    inside = [path for path in (tmp_path / "music").rglob("*") if path.is_file()]
    assert all(path.suffix in (".png", ".pdf", ".musicxml") for path in inside)
