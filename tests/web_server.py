"""The page's server in a thread, with a model that needs no loading, and who asks it."""

import asyncio
import contextlib
import http.client
import json
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

from tempo_invariant.web import running
from tempo_invariant.web.desk import Desk
from tempo_invariant.web.gate import Door
from tempo_invariant.web.limits import Limits
from tests.fake_embedder import FakeEmbedder

SECONDS = 120.0
"""Longer than anything takes, even on a machine that does much else."""


class Client:
    """Asks a server, as its page does unless it says something else."""

    def __init__(self, port: int, desk: Desk):
        self.port = port
        self.desk = desk
        self.origin = f"http://127.0.0.1:{port}"

    def ask(self, method: str, path: str, body=None, **headers: str):
        """The status, the headers and the body of an answer."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)
        with contextlib.closing(connection):
            connection.request(method, path, body, named)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()

    def get(self, path: str, **headers: str):
        """The value of an answer in JSON, or its bytes."""
        status, found, content = self.ask("GET", path, **headers)
        assert status == 200, content
        return json.loads(content) if found["content-type"] == "application/json" else content

    def change(self, method: str, path: str, body=None):
        """The status and the value of what a change by the page itself is answered with."""
        status, _, content = self.ask(method, path, body, Origin=self.origin)
        return status, json.loads(content)

    def drop(self, kind: str, name: str, content: bytes) -> str:
        """Drops a file on the page; the job's name."""
        status, answer = self.change("POST", f"/api/{kind}?name={quote(name)}", content)
        assert status == 202, answer
        return answer["job"]

    def job(self, identity: str):
        """What has come of a job."""
        found = wait_for(
            lambda: [job for job in self.jobs() if job["id"] == identity and over(job)]
        )
        return found[0]

    def jobs(self):
        """All jobs."""
        return self.get("/api/jobs")["jobs"]

    def names(self) -> list[str]:
        """Names of the scores in the library."""
        return [score["name"] for score in self.get("/api/library")["scores"]]


def over(job) -> bool:
    """Whether a job is."""
    return job["state"] in ("done", "failed")


def wait_for(found: Callable):
    """What a function returns, once that is something."""
    end = time.monotonic() + SECONDS
    while not (value := found()):
        assert time.monotonic() < end, "it does not come"
        time.sleep(0.02)
    return value


@contextlib.contextmanager
def serving(
    tmp_path: Path,
    limits: Limits | None = None,
    token: str | None = None,
    embedder: Callable = FakeEmbedder,
    port: int = 0,
    **more,
) -> Iterator[Client]:
    """Serves the library `music-index` below a directory; `more` is for the `Desk`."""
    limits = limits or Limits()
    work = Path(tempfile.mkdtemp(dir=tmp_path))
    made = Desk(tmp_path / "music-index", embedder, "fake", work, limits, **more)
    place = running.Place(port=port)
    listener = running.bind(place)
    door = Door("127.0.0.1", listener.getsockname()[1], token)
    server = running.Server(made, door, limits, place)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
    thread.start()
    wait_for(lambda: server.started or not thread.is_alive())
    client = Client(door.port, made)
    try:
        client.get("/api/library", **({"Cookie": f"{door.cookie}={token}"} if token else {}))
        yield client
    finally:
        server.should_exit = True
        thread.join(SECONDS)
        assert not thread.is_alive()
        shutil.rmtree(work)


def main(directory: Path) -> None:
    """Serves a library until standard input ends, and says at which port."""
    with serving(directory) as client:
        print(client.port, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
