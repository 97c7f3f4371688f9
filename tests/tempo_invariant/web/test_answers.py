"""Recordings that are dropped on the page, their answers, and what is told of changes."""

import http.client
import io
import json

import numpy as np
import pytest
import soundfile

from tempo_invariant.audio import recordings
from tempo_invariant.geometry import SAMPLE_RATE
from tempo_invariant.retrieval import identification, indexing, library
from tempo_invariant.retrieval.answers import identified
from tempo_invariant.web.limits import Limits
from tests import answer_pages, fake_embedder
from tests.fake_embedder import FakeEmbedder
from tests.web_server import SECONDS, serving, wait_for

WALTZ, MARCH = np.arange(0, 250.0, 10), np.arange(250, 0, -10.0)


def take(numbers, seconds=10.0):
    """A recording that plays a score of numbers, as a FLAC file."""
    stream = io.BytesIO()
    sound = fake_embedder.melody(numbers, seconds)
    soundfile.write(stream, sound, SAMPLE_RATE, format="FLAC")
    return stream.getvalue()


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    directory = tmp_path_factory.mktemp("library")
    fake_embedder.write_score(directory, "waltz", WALTZ)
    fake_embedder.write_score(directory, "march", MARCH)
    indexing.index_scores(FakeEmbedder(), directory / "msmd", directory / "music-index", 25)
    return directory


def test_an_answer_is_the_page_that_the_command_writes(directory, tmp_path):
    (tmp_path / "mine.flac").write_bytes(take(MARCH))
    with serving(directory) as client:
        job = client.job(client.drop("recordings", "mine.flac", take(MARCH)))
        result, ids = job["result"], client.get("/api/library")["scores"]
        assert job["kind"] == "recording" and result["name"] == "march"
        assert result["id"] == {score["name"]: score["id"] for score in ids}["march"]
        assert result["seconds"] == pytest.approx(10.0) and result["verdict"] == "none"
        status, headers, served = client.ask("GET", result["page"])
        assert status == 200 and headers["content-type"].startswith("text/html")
        assert "sandbox allow-scripts" in headers["content-security-policy"]
        index = library.load(directory / "music-index")
        recording = recordings.open_recording(tmp_path / "mine.flac")
        answer = identification.identify_recording(index, FakeEmbedder(), recording)
        path = identified.write_score(answer, index, recording, tmp_path)
        page = answer_pages.Page(served.decode())
        assert page.texts["h1"] == answer_pages.read_page(path).texts["h1"]
        assert served.decode() == path.read_text()
        status, headers, _ = client.ask("GET", result["page"].rstrip("/"))
        assert status == 307 and headers["location"] == result["page"]
        for name in ("answer.json", "other.html", "%2e%2e/x", "recordings"):
            assert client.ask("GET", result["page"] + name)[0] == 404
        kept = [path.name for path in client.desk.work.rglob("*") if path.is_file()]
        assert sorted(kept) == ["answer.html", "answer.json"]  # the recording is gone


def test_sound_that_the_page_cannot_hold_lies_beside_it(directory, monkeypatch):
    monkeypatch.setattr("tempo_invariant.retrieval.answers.sound.EMBEDDED_BYTES", 10)
    monkeypatch.setattr(identified, "sound_url", lambda *given: sound_url(*given, limit=10))
    from tempo_invariant.retrieval.answers.sound import sound_url

    with serving(directory) as client:
        job = client.job(client.drop("recordings", "mine.flac", take(WALTZ)))
        sound = f"{job['result']['page']}answer.flac"
        status, headers, content = client.ask("GET", sound, Range="bytes=0-3")
        assert (status, content, headers["content-type"]) == (206, b"fLaC", "audio/flac")


def test_only_the_newest_answers_are_kept(directory):
    with serving(directory, Limits(answers=1)) as client:
        jobs = [client.drop("recordings", "a.flac", take(each)) for each in (WALTZ, MARCH)]
        first, second = map(client.job, jobs)
        assert second["result"]["name"] == "march"
        assert client.ask("GET", first["result"]["page"])[0] == 404
        assert client.ask("GET", second["result"]["page"])[0] == 200


def test_what_cannot_be_answered_is_told_in_a_line(directory, tmp_path, caplog):
    with serving(directory) as client:
        for name, content, error in [
            ("noise.wav", b"RIFF no", "noise.wav: not a readable audio file"),
            ("silence.flac", take(WALTZ[:1] - 30.0), "silence.flac: is silent"),
        ]:
            job = client.job(client.drop("recordings", name, content))
            assert job["state"] == "failed" and job["error"].startswith(error)
            assert "\n" not in job["error"] and str(directory) not in job["error"]
            assert caplog.messages[-1] == job["error"]
            assert client.change("DELETE", f"/api/jobs/{job['id']}") == (200, {})
        assert client.jobs() == [] and client.change("DELETE", "/api/jobs/x")[0] == 404
        assert not [path for path in client.desk.work.rglob("*") if path.is_file()]
    with serving(tmp_path) as client:
        job = client.job(client.drop("recordings", "a.flac", take(WALTZ)))
        assert job["error"] == "the library holds no score yet"


def test_a_model_that_cannot_be_loaded_is_told(tmp_path):
    from tempo_invariant.errors import UserError

    def fail():
        raise UserError("the model is damaged")

    with serving(tmp_path, embedder=fail) as client:
        wait_for(lambda: client.get("/api/library")["error"] == "the model is damaged")
        job = client.job(client.drop("recordings", "a.flac", take(WALTZ)))
        assert job["state"] == "failed" and job["error"] == "the model is damaged"


def test_the_index_of_another_model_is_told(directory):
    with serving(directory, embedder=lambda: FakeEmbedder(1)) as client:
        job = client.job(client.drop("recordings", "a.flac", take(WALTZ)))
        assert "fake model 1 is another model" in job["error"]


def test_what_changes_is_told_to_all_who_follow(directory):
    with serving(directory) as client:
        wait_for(client.names)
        connections = []
        for _ in range(2):
            connection = http.client.HTTPConnection("127.0.0.1", client.port, timeout=SECONDS)
            connection.request("GET", "/api/events")
            connections.append(connection)
        answers = [connection.getresponse() for connection in connections]
        assert answers[0].headers["content-type"].startswith("text/event-stream")
        begun = [event(answer) for answer in answers]
        assert all(each["library"] == client.get("/api/library")["version"] for each in begun)
        job = client.drop("recordings", "mine.flac", take(WALTZ))
        for answer in answers:
            states = []
            while not states or states[-1] != "done":
                told = event(answer)
                if told.get("job", {}).get("id") == job:
                    states.append(told["job"]["state"])
            assert "running" in states
        for connection in connections:
            connection.close()
        wait_for(lambda: not client.desk.events._followers)


def event(answer):
    """The next event of a stream."""
    while not (line := answer.fp.readline()).startswith(b"data: "):
        assert line
    return json.loads(line.removeprefix(b"data: "))
