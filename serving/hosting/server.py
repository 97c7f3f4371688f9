"""Runs the services on a port: limits, health, and an end that loses no request."""

import dataclasses
import logging
import os
import signal
import socket
import threading
from concurrent import futures
from types import FrameType

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.hosting.request_validation import InputLimits
from serving.hosting.services import Admission, ModelService, PredictionService
from serving.hosting.versions import LoadedVersion, ModelStore
from tempo_invariant.errors import UserError

_SPARE_THREADS = 8
"""Threads for status, metadata and health, beyond those that predictions may hold."""

_SPARE_CALLS = 64
"""Calls that gRPC may hold beyond the predictions; the next ones get RESOURCE_EXHAUSTED."""

_CLOSE_SECONDS = 1.0
"""How long answers may take to leave once the predictions have finished."""

_HEALTH_NAMES = ("", "tensorflow.serving.PredictionService", "tensorflow.serving.ModelService")


@dataclasses.dataclass(frozen=True)
class ServerConfig:
    """How a model is served.

    Args:
        model_base_path: The directory of the version directories.
        model_name: The model's name in requests.
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        max_message_bytes: The largest message in bytes, received or sent, and the most that one
            decoded input may take.
        max_batch_size: The most rows in a request.
        max_concurrent_requests: Number of predictions that may run or wait; further ones
            are turned away.
        workers: Number of predictions that run at the same time.
        versions_kept: Number of the newest versions that are served.
        poll_seconds: Time between two looks for new versions, in seconds.
        drain_seconds: Time that requests in hand may take to finish at the end, in seconds.
    """

    model_base_path: str
    model_name: str = "tempo_invariant"
    host: str = "localhost"
    port: int = 8500
    max_message_bytes: int = 64 * 2**20
    max_batch_size: int = 256
    max_concurrent_requests: int = 128
    workers: int = os.cpu_count() or 1
    versions_kept: int = 1
    poll_seconds: float = 2.0
    drain_seconds: float = 30.0


class ModelServer:
    """A model on a port.

    Args:
        config: What to serve, where, and within which limits.

    Raises:
        UserError: There is no version that can be loaded, or the port is taken.
    """

    def __init__(self, config: ServerConfig):
        self.config = config
        limits = InputLimits(config.max_message_bytes, config.max_batch_size)
        self.store = ModelStore(
            config.model_base_path,
            config.model_name,
            config.versions_kept,
            lambda directory: LoadedVersion(directory, limits),
        )
        self._admission = Admission(config.workers, config.max_concurrent_requests)
        self._health = health.HealthServicer()
        self._server = _make_server(config)
        self._add_services()
        self.port = _bind(self._server, config.host, config.port)

    def start(self) -> None:
        """Listens, loads and warms up the model, and only then reports that it is serving.

        Raises:
            UserError: There is no version that can be loaded.
        """
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._server.start()
        try:
            self.store.refresh()
            self._check_loaded()
        except BaseException:
            self._server.stop(0)
            raise
        self.store.start_polling(self.config.poll_seconds)
        self._set_health(health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """Takes no new request, lets those in hand finish, and ends.

        New requests get UNAVAILABLE, which clients try again elsewhere; gRPC's own way of
        stopping would cancel those that are still on their way in.
        """
        self._health.enter_graceful_shutdown()
        if not self._admission.close(self.config.drain_seconds):
            logging.warning("requests are cancelled after %g s", self.config.drain_seconds)
        self._server.stop(_CLOSE_SECONDS).wait()
        self.store.stop()

    def run_until_signal(self) -> None:
        """Starts, and stops on SIGTERM or SIGINT; a second SIGINT ends the process at once."""
        signalled = threading.Event()

        def on_signal(number: int, _frame: FrameType | None) -> None:
            if signalled.is_set() and number == signal.SIGINT:
                os._exit(128 + number)
            signalled.set()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, on_signal)
        self.start()
        address = f"{self.config.host}:{self.port}"
        logging.info("serving %s on %s", self.config.model_name, address)
        signalled.wait()
        logging.info("stopping: waiting for the requests in hand")
        self.stop()
        logging.info("stopped")

    def _add_services(self) -> None:
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self.store, self._admission), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(
            ModelService(self.store), self._server
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)

    def _set_health(self, status: int) -> None:
        for name in _HEALTH_NAMES:
            self._health.set(name, status)

    def _check_loaded(self) -> None:
        path = self.config.model_base_path
        statuses = self.store.statuses
        if not statuses:
            raise UserError(
                f"{path} has no model: expected a directory with a number for "
                "a name (python -m tempo_invariant.export makes one)"
            )
        try:
            self.store.get()
        except Exception as error:
            newest = max(statuses)
            raise UserError(
                f"version {newest} in {path} cannot be loaded: {statuses[newest].error}"
            ) from error


def _make_server(config: ServerConfig) -> grpc.Server:
    return grpc.server(
        futures.ThreadPoolExecutor(config.max_concurrent_requests + _SPARE_THREADS),
        maximum_concurrent_rpcs=config.max_concurrent_requests + _SPARE_CALLS,
        options=[
            ("grpc.max_receive_message_length", config.max_message_bytes),
            ("grpc.max_send_message_length", config.max_message_bytes),
            ("grpc.so_reuseport", 0),
        ],
    )


def _bind(server: grpc.Server, host: str, port: int) -> int:
    # gRPC is content with one of the addresses that a name stands for: check them all first.
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        return server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or "gRPC could not bind"
        raise UserError(f"cannot listen on {host}:{port}: {reason}") from error
