"""The load test finds what is wrong with a server, and nothing wrong with a right one."""

import itertools
import os

import numpy as np
import pytest

from serving.hosting.versions import LoadedVersion
from serving.load import measurement
from serving.load.measurement import Load
from tempo_invariant.errors import UserError
from tests import tiny_saved_model
from tests.server_calls import NAME, make_server


@pytest.fixture
def server(tmp_path):
    tiny_saved_model.save(tmp_path, 3)
    server = make_server(tmp_path)
    server.start()
    yield server
    server.stop()


def make_load(server, **settings) -> Load:
    few = {"clients": 8, "requests": 80, "inputs": 4, "bad_requests": 40, "process": os.getpid()}
    return Load(f"localhost:{server.port}", NAME, **(few | settings))


def test_every_answer_is_right_and_bad_requests_get_a_status(server):
    report = measurement.measure(make_load(server))
    assert (report["answered"], report["wrong"], report["lost"]) == (80, 0, {})
    assert sum(report["bad"].values()) == 40
    assert not set(report["bad"]) & set(measurement.UNANSWERED)
    assert report["bad"]["INVALID_ARGUMENT"] > 10
    times = report["milliseconds"]
    assert 0 < times["50"] <= times["90"] <= times["99"]
    assert len(report["memory_mib"]) == 5 and min(report["memory_mib"]) > 50
    text = measurement.table(report)
    assert "80 answered, 0 wrong, 0 lost" in text and "INVALID_ARGUMENT" in text


def test_wrong_and_lost_answers_are_counted(server, monkeypatch):
    # One answer takes one number, however many threads of the server ask at once.
    predict, numbers = LoadedVersion.predict, itertools.count(1)

    def unreliable(version, request):
        number = next(numbers)
        outputs = predict(version, request)
        if number > 30 and number % 10 == 0:
            outputs["embedding"] = outputs["embedding"] + 0.01
        if number > 30 and number % 10 == 5:
            raise RuntimeError("out of luck")
        return outputs

    monkeypatch.setattr(LoadedVersion, "predict", unreliable)
    report = measurement.measure(make_load(server, bad_requests=0))
    # 8 of the 88 calls are questions asked alone; between the 31st and the 88th one in ten each.
    assert report["wrong"] == 5
    [(reason, count)] = report["lost"].items()
    assert "RuntimeError: out of luck" in reason and count == 6
    assert report["answered"] == 80 - 5 - 6


def test_nothing_is_sent_when_time_is_up(server):
    report = measurement.measure(make_load(server, seconds=0.0))
    assert (report["answered"], report["unsent"], report["bad"]) == (0, 80, {})


def test_nobody_there_is_one_line():
    with pytest.raises(UserError, match="no server answers at localhost:1"):
        measurement.measure(Load("localhost:1", clients=1))


def test_bad_messages_are_of_every_kind_and_fixed_by_the_seed():
    def messages():
        return [
            measurement.bad_message(np.random.default_rng([0, number]), NAME)
            for number in range(40)
        ]

    first = messages()
    assert first == messages()
    assert sum(b"\x89PNG" in message for message in first) > 0
    assert sum(b"RIFF" in message for message in first) > 0
    assert max(map(len, first)) < 2**20
