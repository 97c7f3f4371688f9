"""Runs the services on a port: limits, health, and an end that loses no request."""

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.hosting.admission import Admission
from serving.hosting.calls import CallHandling, CallLimits
from serving.hosting.metrics import Metrics
from serving.hosting.request_validation import InputLimits
from serving.hosting.services import ModelService, PredictionService
from serving.hosting.versions import LoadedVersion, ModelStore
from tempo_invariant.errors import UserError, one_line, printable
from tempo_invariant.model.versions import no_version

Result = TypeVar("Result")
_log = logging.getLogger(__name__)

_OPTIONS: tuple[tuple[str, int], ...] = (
    ("grpc.so_reuseport", 0),
    # One connection cannot open all the calls there may be.
    ("grpc.max_concurrent_streams", 512),
    # Connections of clients that have gone, or that have nothing to say, are closed.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_connection_idle_ms", 600_000),
    ("grpc.server_handshake_timeout_ms", 10_000),
)

_MAX_OPEN_CALLS = 8_192
"""Calls of any kind that may be open, most of them waiting for a message; they take no thread."""

_MESSAGES_IN_HAND = 16
"""How many messages of the largest size may be in hand; smaller ones take less."""

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
        arrival_seconds: Time within which the message of a call has to arrive, in seconds.
        metrics_port: Port for Prometheus; 0 takes a free one, None: no metrics.
    """

    model_base_path: str
    model_name: str = "tempo_invariant"
    host: str = "localhost"
    port: int = 8500
    max_message_bytes: int = 64 * 2**20
    max_batch_size: int = 256
    max_concurrent_requests: int = 128
    workers: int = 2
    versions_kept: int = 1
    poll_seconds: float = 2.0
    drain_seconds: float = 30.0
    arrival_seconds: float = 10.0
    metrics_port: int | None = None


class _EventLoop:
    """An event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="grpc", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Returns what a coroutine returns once it has run there."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Ends the loop and its thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class ModelServer:
    """A model on a port.

    Calls are received by an event loop, so that open ones take no thread, and predictions run in
    threads of their own.

    Args:
        config: What to serve, where, and within which limits.

    Raises:
        UserError: The port is taken.
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
        self.metrics = Metrics(printable(config.model_name), lambda: self.store.newest or 0)
        self._admission = Admission(config.workers, config.max_concurrent_requests)
        self._loop = _EventLoop()
        self._stop_metrics: Callable[[], None] = lambda: None
        try:
            self._server, self._health, self.port = self._loop.run(self._make_server())
        except BaseException:
            self._loop.close()
            raise

    def start(self) -> None:
        """Listens, loads and warms up the model, and only then reports that it is serving.

        Raises:
            UserError: There is no version that can be loaded, or the port for metrics is taken.
        """
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._loop.run(self._server.start())
        try:
            if self.config.metrics_port is not None:
                self._stop_metrics = self.metrics.serve(self.config.host, self.config.metrics_port)
            self._load()
        except BaseException:
            self._close(0)
            raise
        self.store.start_polling(self.config.poll_seconds)
        self._set_health(health_pb2.HealthCheckResponse.SERVING)

    def stop(self) -> None:
        """Takes no new request, lets those in hand finish, and ends.

        New requests get UNAVAILABLE, which clients try again elsewhere; gRPC's own way of
        stopping would cancel those that are still on their way in.
        """
        self._loop.run(self._health.enter_graceful_shutdown())
        if not self._admission.close(self.config.drain_seconds):
            _log.warning("requests are cancelled after %g s", self.config.drain_seconds)
        self._close(_CLOSE_SECONDS)
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
        _log.info("serving %s on %s", self.config.model_name, address)
        signalled.wait()
        _log.info("stopping: waiting for the requests in hand")
        self.stop()
        _log.info("stopped")

    async def _make_server(self) -> tuple[grpc.aio.Server, health.aio.HealthServicer, int]:
        largest = self.config.max_message_bytes
        handling = CallHandling(
            self.metrics,
            lambda: self.store.signatures,
            CallLimits(self.config.arrival_seconds, _MESSAGES_IN_HAND * largest),
        )
        server = grpc.aio.server(
            interceptors=[handling],
            maximum_concurrent_rpcs=_MAX_OPEN_CALLS,
            options=[
                *_OPTIONS,
                ("grpc.max_receive_message_length", largest),
                ("grpc.max_send_message_length", largest),
            ],
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            PredictionService(self.store, self._admission, self.metrics), server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(ModelService(self.store), server)
        servicer = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
        return server, servicer, _bind(server, self.config.host, self.config.port)

    def _set_health(self, status: int) -> None:
        for name in _HEALTH_NAMES:
            self._loop.run(self._health.set(name, status))

    def _close(self, seconds: float) -> None:
        self._loop.run(self._server.stop(seconds))
        self._loop.close()
        self._stop_metrics()

    def _load(self) -> None:
        path = self.config.model_base_path
        try:
            self.store.refresh()
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({one_line(error)})") from error
        statuses = self.store.statuses
        if not statuses:
            raise no_version(path)
        if self.store.newest is None:
            newest = max(statuses)
            raise UserError(
                f"version {newest} in {path} cannot be loaded: {statuses[newest].error}"
            )


def _bind(server: grpc.aio.Server, host: str, port: int) -> int:
    # gRPC is content with one of the addresses that a name stands for: check them all first.
    try:
        for family, kind, protocol, _, address in socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        ):
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
        return server.add_insecure_port(f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
    except (OSError, RuntimeError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "gRPC could not bind"
        raise UserError(f"cannot listen on {host}:{port}: {reason}") from error
