"""The gRPC services of TensorFlow Serving, answered from a `ModelStore`."""

from typing import Any, TypeAlias

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

from serving.hosting.admission import Admission
from serving.hosting.metrics import Metrics
from serving.hosting.request_validation import RequestError, invalid
from serving.hosting.versions import DEFAULT_SIGNATURE, LoadedVersion, ModelStore

Context: TypeAlias = grpc.aio.ServicerContext
SIGNATURE_FIELD = "signature_def"


class PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    """`Predict` and `GetModelMetadata`; the rest of the service answers UNIMPLEMENTED.

    Args:
        store: The model.
        admission: The limit on concurrent predictions.
        metrics: The numbers, of which the rows are counted here.
    """

    def __init__(self, store: ModelStore, admission: Admission, metrics: Metrics):
        self._store = store
        self._admission = admission
        self._metrics = metrics

    async def Predict(
        self, request: predict_pb2.PredictRequest, context: Context
    ) -> predict_pb2.PredictResponse:
        """Runs one signature on the tensors of the request."""
        return await self._admission.run(context.peer(), lambda: self._predict(request))

    async def GetModelMetadata(
        self, request: get_model_metadata_pb2.GetModelMetadataRequest, context: Context
    ) -> get_model_metadata_pb2.GetModelMetadataResponse:
        """Returns the signatures of a version, as the metadata field `signature_def`."""
        return self._metadata(request)

    async def Classify(self, request: Any, context: Context) -> Any:
        """Answers UNIMPLEMENTED."""
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, "this model has no classify signature")

    async def Regress(self, request: Any, context: Context) -> Any:
        """Answers UNIMPLEMENTED."""
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, "this model has no regress signature")

    async def MultiInference(self, request: Any, context: Context) -> Any:
        """Answers UNIMPLEMENTED."""
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, "this model has no classify signature")

    def _predict(self, request: predict_pb2.PredictRequest) -> predict_pb2.PredictResponse:
        version = _find_version(self._store, request.model_spec)
        outputs = version.predict(request)
        response = predict_pb2.PredictResponse()
        _fill_spec(response.model_spec, self._store.name, version.number)
        response.model_spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(tf.make_tensor_proto(value))
        rows = next(iter(outputs.values())).shape[:1]
        self._metrics.rows.labels(response.model_spec.signature_name).inc(sum(rows))
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

    async def GetModelStatus(
        self, request: get_model_status_pb2.GetModelStatusRequest, context: Context
    ) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns state and error of one version, or of all of them."""
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

    async def HandleReloadConfigRequest(self, request: Any, context: Context) -> Any:
        """Answers UNIMPLEMENTED: the server has one model, given when it starts."""
        raise RequestError(grpc.StatusCode.UNIMPLEMENTED, "this server has one model")


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
