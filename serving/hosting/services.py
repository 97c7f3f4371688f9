"""The gRPC services of TensorFlow Serving, answered from a `ModelStore`."""

import logging
import threading
from collections.abc import Callable
from typing import Any

import grpc
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from serving.hosting.request_validation import RequestError, graph_error_line, invalid
from serving.hosting.versions import DEFAULT_SIGNATURE, LoadedVersion, ModelStore

_CODES = {code.value[0]: code for code in grpc.StatusCode}
SIGNATURE_FIELD = "signature_def"


class Admission:
    """Bounds the work in hand: some requests run, some wait, the rest is turned away at once.

    Args:
        running: Number of requests that may run at the same time.
        admitted: Number of requests that may run or wait at the same time.
    """

    def __init__(self, running: int, admitted: int):
        self._running = threading.BoundedSemaphore(running)
        self._limit = admitted
        self._changed = threading.Condition()
        self._admitted = 0
        self._closed = False

    def run(self, work: Callable[[], Any], seconds: float | None) -> Any:
        """Returns what `work` returns, once it is its turn.

        Args:
            work: The function to call, without arguments.
            seconds: Longest time to wait for its turn, in seconds; None: without end.

        Raises:
            RequestError: UNAVAILABLE after `close`, RESOURCE_EXHAUSTED if too many wait already,
                DEADLINE_EXCEEDED if its turn came too late.
        """
        self._enter()
        try:
            if not self._running.acquire(timeout=_wait_seconds(seconds)):
                raise RequestError(grpc.StatusCode.DEADLINE_EXCEEDED, "waited too long for a turn")
            try:
                return work()
            finally:
                self._running.release()
        finally:
            self._leave()

    def close(self, seconds: float) -> bool:
        """Admits nothing more and waits for what was admitted.

        Args:
            seconds: Longest time to wait, in seconds.

        Returns:
            Whether everything has finished.
        """
        with self._changed:
            self._closed = True
            return self._changed.wait_for(lambda: not self._admitted, seconds)

    def _enter(self) -> None:
        with self._changed:
            if self._closed:
                raise RequestError(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            if self._admitted == self._limit:
                raise RequestError(
                    grpc.StatusCode.RESOURCE_EXHAUSTED,
                    f"more than {self._limit} requests at the same time; try again later",
                )
            self._admitted += 1

    def _leave(self) -> None:
        with self._changed:
            self._admitted -= 1
            self._changed.notify_all()


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`; the rest of the service answers UNIMPLEMENTED.

    Args:
        store: The model.
        admission: The limit on concurrent predictions.
    """

    def __init__(self, store: ModelStore, admission: Admission):
        self._store = store
        self._admission = admission

    def Predict(self, request: predict_pb2.PredictRequest, context: grpc.ServicerContext) -> Any:
        """Runs one signature on the tensors of the request."""
        work = lambda: self._predict(request)  # noqa: E731
        return _answer(context, lambda: self._admission.run(work, context.time_remaining()))

    def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: grpc.ServicerContext
    ) -> Any:
        """Returns the signatures of a version, as the metadata field `signature_def`."""
        return _answer(context, lambda: self._metadata(request))

    def Classify(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answers UNIMPLEMENTED."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this model has no classify signature")

    def Regress(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answers UNIMPLEMENTED."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this model has no regress signature")

    def MultiInference(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answers UNIMPLEMENTED."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this model has no classify signature")

    def _predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        version = _find_version(self._store, request.model_spec)
        outputs = version.predict(request)
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, self._store.name, version.number)
        response.model_spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        return response

    def _metadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != SIGNATURE_FIELD:
                raise invalid(f"Metadata field {field} is not supported")
        version = _find_version(self._store, request.model_spec)
        signatures = get_model_metadata_pb2.SignatureDefMap()
        for name, definition in version.signature_defs.items():
            signatures.signature_def[name].CopyFrom(definition)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        _fill_spec(response.model_spec, self._store.name, version.number)
        response.metadata[SIGNATURE_FIELD].Pack(signatures)
        return response


class ModelService(model_service_pb2_grpc.ModelServiceServicer):
    """`GetModelStatus` for every version that the store has seen.

    Args:
        store: The model.
    """

    def __init__(self, store: ModelStore):
        self._store = store

    def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: grpc.ServicerContext
    ) -> Any:
        """Returns state and error of one version, or of all of them."""
        return _answer(context, lambda: self._status(request))

    def HandleReloadConfigRequest(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Answers UNIMPLEMENTED: the server has one model, given when it starts."""
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "this server has one model")

    def _status(
        self, request: get_model_status_pb2.GetModelStatusRequest
    ) -> get_model_status_pb2.GetModelStatusResponse:
        spec = request.model_spec
        statuses = dict(self._store.statuses) if spec.name == self._store.name else {}
        version = spec.version.value if spec.HasField("version") else None
        if version is not None:
            statuses = {key: value for key, value in statuses.items() if key == version}
        if not statuses:
            which = "any versions" if version is None else f"version {version}"
            raise RequestError(
                grpc.StatusCode.NOT_FOUND, f"Could not find {which} of model {spec.name}"
            )
        response = get_model_status_pb2.GetModelStatusResponse()
        for number in sorted(statuses, reverse=True):
            status = response.model_version_status.add(version=number, state=statuses[number].state)
            if statuses[number].error:
                status.status.error_code = grpc.StatusCode.UNKNOWN.value[0]
                status.status.error_message = statuses[number].error
        return response


def _find_version(store: ModelStore, spec: model_pb2.ModelSpec) -> LoadedVersion:
    if spec.name != store.name:
        raise RequestError(
            grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({spec.name})"
        )
    if spec.version_label:
        raise invalid(f"Unrecognized servable version label: {spec.version_label}")
    return store.get(spec.version.value if spec.HasField("version") else None)


def _fill_spec(spec: model_pb2.ModelSpec, name: str, version: int) -> None:
    spec.name = name
    spec.version.value = version


def _answer(context: grpc.ServicerContext, work: Callable[[], Any]) -> Any:
    """Returns what `work` returns, or ends the call with the status that its error stands for."""
    try:
        return work()
    except RequestError as error:
        code, message = error.code, error.message
    except tf.errors.OpError as error:
        code, message = (
            _CODES.get(error.error_code, grpc.StatusCode.INTERNAL),
            graph_error_line(error),
        )
    except Exception as error:  # a defect: the client gets a status, the log the stack
        logging.exception("a request failed")
        code, message = (
            grpc.StatusCode.INTERNAL,
            f"{type(error).__name__}: {graph_error_line(error)}",
        )
    context.abort(code, message)


def _wait_seconds(seconds: float | None) -> float:
    return threading.TIMEOUT_MAX if seconds is None else min(max(seconds, 0), threading.TIMEOUT_MAX)
