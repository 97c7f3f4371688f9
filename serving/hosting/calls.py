"""Receives every call: its message in time, its errors as statuses, its numbers, its log line."""

import asyncio
import contextlib
import dataclasses
import logging
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from typing import Any

import grpc
import tensorflow as tf

from serving.hosting.messages import parse
from serving.hosting.metrics import Metrics
from serving.hosting.request_validation import RequestError, graph_error_line, invalid
from tempo_invariant.errors import one_line

_CODES = {code.value[0]: code for code in grpc.StatusCode}
_TURNED_AWAY = (
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
)
_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class CallLimits:
    """What calls may hold.

    Args:
        arrival_seconds: Time within which the message of a call has to arrive, in seconds.
        max_bytes: The most that the messages of all calls in hand may take.
    """

    arrival_seconds: float = 10.0
    max_bytes: int = 2**30


@dataclasses.dataclass
class _Call:
    """What metrics and log tell of a call."""

    method: str
    begun: float = dataclasses.field(default_factory=time.perf_counter)
    signature: str = ""
    size: int = 0
    code: grpc.StatusCode = grpc.StatusCode.CANCELLED
    message: str = ""


class CallHandling(grpc.aio.ServerInterceptor):
    """Stands before the services.

    It reads the one message of a call itself: gRPC would wait for it without end, and answer
    INTERNAL where it cannot be parsed.

    Args:
        metrics: The numbers to keep.
        signatures: Function that returns the names of the signatures that there are.
        limits: What calls may hold.
    """

    def __init__(
        self, metrics: Metrics, signatures: Callable[[], Collection[str]], limits: CallLimits
    ):
        self._metrics = metrics
        self._signatures = signatures
        self._limits = limits
        self._bytes = 0

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Replaces the handler of a method by one that gets the message as bytes."""
        handler = await continuation(handler_call_details)
        if handler is None:  # no such method: gRPC answers
            return handler
        method = handler_call_details.method.rpartition("/")[2]
        request_type = type(handler.request_deserializer(b""))
        answer = handler.unary_stream if handler.response_streaming else handler.unary_unary

        async def serve(_messages: Any, context: grpc.aio.ServicerContext) -> Any:
            return await self._serve(_Call(method), request_type, answer, context)

        kind = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
        return kind(serve, response_serializer=handler.response_serializer)

    async def _serve(
        self, call: _Call, request_type: type, answer: Any, context: grpc.aio.ServicerContext
    ) -> Any:
        with self._recorded(call, context.peer()):
            try:
                data = await self._receive(context)
                call.size = len(data)
                with self._holding(call.size):
                    request = parse(request_type, data)
                    del data
                    call.signature = self._signature(request)
                    response = await answer(request, context)
                call.code = grpc.StatusCode.OK
                return response
            except grpc.aio.BaseError as error:  # gRPC sees to it: the client has gone, or
                if isinstance(error, grpc.aio.AbortError):  # the service has said how the call ends
                    call.code = context.code()
                raise
            except Exception as error:
                call.code, call.message = _status(error)
            await context.abort(call.code, call.message)

    async def _receive(self, context: grpc.aio.ServicerContext) -> bytes:
        try:
            async with asyncio.timeout(self._limits.arrival_seconds):
                data = await context.read()
        except TimeoutError as error:
            raise RequestError(
                grpc.StatusCode.DEADLINE_EXCEEDED,
                f"the request did not arrive within {self._limits.arrival_seconds:g} s",
            ) from error
        if data is grpc.aio.EOF:
            raise invalid("the call has no message")
        return data

    @contextlib.contextmanager
    def _holding(self, size: int) -> Iterator[None]:
        if self._bytes + size > self._limits.max_bytes:
            raise RequestError(
                grpc.StatusCode.RESOURCE_EXHAUSTED,
                f"requests in hand take more than {self._limits.max_bytes} bytes; try again later",
            )
        self._bytes += size
        try:
            yield
        finally:
            self._bytes -= size

    def _signature(self, request: Any) -> str:
        """Returns a name for metrics and log: one of few, whatever clients think of."""
        spec = getattr(request, "model_spec", None)
        name = getattr(spec, "signature_name", "")
        return name if not name or name in self._signatures() else "unknown"

    @contextlib.contextmanager
    def _recorded(self, call: _Call, peer: str) -> Iterator[None]:
        self._metrics.in_flight.inc()
        try:
            yield
        finally:
            seconds = time.perf_counter() - call.begun
            self._metrics.in_flight.dec()
            self._metrics.requests.labels(call.method, call.signature, call.code.name).inc()
            self._metrics.seconds.labels(call.method, call.signature).observe(seconds)
            if call.code in _TURNED_AWAY:
                self._metrics.rejections.labels(call.code.name).inc()
            name = f"{call.method} {call.signature}".rstrip()
            text = f": {call.message}" if call.message else ""
            _log.debug(
                "%s %s %d bytes %.1f ms %s%s",
                peer,
                name,
                call.size,
                1000 * seconds,
                call.code.name,
                text,
            )


def _status(error: Exception) -> tuple[grpc.StatusCode, str]:
    """Returns the code and the line that a client gets for an error."""
    if isinstance(error, RequestError):
        return error.code, one_line(error.message)
    if isinstance(error, tf.errors.OpError):
        return _CODES.get(error.error_code, grpc.StatusCode.INTERNAL), graph_error_line(error)
    # A defect: the client gets a status, the log the stack.
    _log.error("a request failed", exc_info=error)
    return grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {graph_error_line(error)}"
