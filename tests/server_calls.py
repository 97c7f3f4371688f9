"""A server around a tiny SavedModel, and its client's side: what tests of the server share."""

import socket
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.hosting.server import ModelServer, ServerConfig
from serving.hosting.versions import LoadedVersion

NAME = "tiny"
LIMIT_BYTES = 2**20
SECONDS = 300.0
"""Longer than anything takes, even on a machine that does much else."""

SERVING = health_pb2.HealthCheckResponse.SERVING

IMAGE = np.zeros([1, 160, 200], np.uint8)


class Caller:
    """The stubs of one server."""

    def __init__(self, port: int):
        self.channel = grpc.insecure_channel(
            f"localhost:{port}",
            [("grpc.max_send_message_length", -1), ("grpc.max_reconnect_backoff_ms", 500)],
        )
        self.prediction = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.model = model_service_pb2_grpc.ModelServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)

    def predict(self, signature: str = "embed_sheet", version: int | None = None, **inputs):
        request = make_request(signature, **inputs)
        if version is not None:
            request.model_spec.version.value = version
        return self.prediction.Predict(request, timeout=SECONDS)

    def shift(self) -> float:
        response = self.predict(image=np.zeros([1, 160, 200], np.uint8))
        return tf.make_ndarray(response.outputs["embedding"])[0, 1]

    def statuses(self) -> dict[int, int]:
        request = get_model_status_pb2.GetModelStatusRequest()
        request.model_spec.name = NAME
        response = self.model.GetModelStatus(request, timeout=SECONDS)
        return {status.version: status.state for status in response.model_version_status}


def make_request(signature: str, **inputs) -> predict_pb2.PredictRequest:
    request = predict_pb2.PredictRequest()
    request.model_spec.name = NAME
    request.model_spec.signature_name = signature
    for name, value in inputs.items():
        is_proto = isinstance(value, tf.make_tensor_proto(0).__class__)
        request.inputs[name].CopyFrom(value if is_proto else tf.make_tensor_proto(value))
    return request


def make_server(base_path: Path, **settings) -> ModelServer:
    defaults = {"model_name": NAME, "port": 0, "max_message_bytes": LIMIT_BYTES, "poll_seconds": 60}
    return ModelServer(ServerConfig(str(base_path), **(defaults | settings)))


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return probe.getsockname()[1]


class Gate:
    """Holds every prediction back until it is opened."""

    def __init__(self, monkeypatch):
        self.open = threading.Event()
        self.entered = threading.Semaphore(0)
        predict = LoadedVersion.predict

        def held(version, request):
            self.entered.release()
            assert self.open.wait(SECONDS)
            return predict(version, request)

        monkeypatch.setattr(LoadedVersion, "predict", held)

    def admits(self, caller: Caller) -> bool:
        """Whether a further request is let in, to wait like the others."""
        further = caller.prediction.Predict.future(make_request("embed_sheet", image=IMAGE))
        while not further.done():
            if self.entered.acquire(timeout=0.02):
                return True
        assert further.code() == grpc.StatusCode.UNAVAILABLE
        return False


def wait_until(condition, seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.02)
