"""Numbers for Prometheus: what was asked, how it ended, and of how few kinds the labels are."""

import urllib.request

import grpc
import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tempo_invariant.errors import UserError
from tests.server_calls import IMAGE, NAME, Caller, free_port, make_request, make_server, wait_until


def read(port: int, path: str = "/metrics") -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    with urllib.request.urlopen(f"http://localhost:{port}{path}") as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def ports(base_path):
    metrics_port = free_port()
    server = make_server(base_path, metrics_port=metrics_port)
    server.start()
    yield server.port, metrics_port
    server.stop()


def test_calls_are_counted_by_signature_and_code_and_so_are_rows(ports):
    port, metrics_port = ports
    caller = Caller(port)
    caller.predict(image=np.concatenate([IMAGE] * 3))
    caller.predict(image=np.concatenate([IMAGE] * 4))
    for name in ("\x1b[0m", "x" * 1000):  # labels of strangers would be kept for ever
        with pytest.raises(grpc.RpcError):
            caller.prediction.Predict(make_request(name, image=IMAGE))
    with pytest.raises(grpc.RpcError):
        caller.predict(image=IMAGE[0])
    wait_until(lambda: read(metrics_port)[("serving_requests_in_flight",)] == 0)
    found = read(metrics_port, "/monitoring/prometheus/metrics")
    requests = {key[1:]: n for key, n in found.items() if key[0] == "serving_requests_total"}
    # The labels come in the order of their names: code, method, signature.
    assert requests == {
        ("OK", "Predict", "embed_sheet"): 2,
        ("INVALID_ARGUMENT", "Predict", "embed_sheet"): 1,
        ("FAILED_PRECONDITION", "Predict", "unknown"): 2,
    }
    assert found["serving_rows_total", "embed_sheet"] == 7
    assert found["serving_model_version", NAME] == 3
    assert found["serving_request_seconds_count", "Predict", "embed_sheet"] == 3
    assert 0 < found["serving_request_seconds_sum", "Predict", "embed_sheet"] < 60
    assert found[("process_resident_memory_bytes",)] > 2**26


def test_calls_that_are_turned_away_are_counted(base_path):
    metrics_port = free_port()
    server = make_server(base_path, metrics_port=metrics_port, arrival_seconds=0.1)
    server.start()
    slow = Caller(server.port).channel.stream_unary("/tensorflow.serving.PredictionService/Predict")
    held = iter(lambda: wait_until(lambda: False, 5), None)
    with pytest.raises(grpc.RpcError, match="did not arrive within 0.1 s") as raised:
        slow(held)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    key = "serving_rejections_total", "DEADLINE_EXCEEDED"
    wait_until(lambda: key in read(metrics_port), 10)  # counted once the answer is on its way
    assert read(metrics_port)[key] == 1
    server.stop()


def test_a_port_that_is_taken_is_one_line_and_a_stopped_server_leaves_it(base_path):
    metrics_port = free_port()
    server = make_server(base_path, metrics_port=metrics_port)
    server.start()
    with pytest.raises(UserError, match=f"cannot listen on localhost:{metrics_port}: Address"):
        make_server(base_path, metrics_port=metrics_port).start()
    server.stop()
    after = make_server(base_path, metrics_port=metrics_port)
    after.start()
    assert read(metrics_port)["serving_model_version", NAME] == 3
    after.stop()
