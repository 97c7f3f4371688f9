"""Embeds recordings and sheet snippets through a server: TensorFlow Serving or `serving.server`."""

import dataclasses
import json
import time
from collections.abc import Iterable, Iterator, Mapping

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import meta_graph_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import (
    KNOWS_PRESENT_OUTPUT,
    NEAR,
    PRINTED,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
    SYSTEM_HEIGHT_OUTPUT,
)

TIMEOUT_SECONDS = 60.0
SHEET_BATCH = 64
"""Snippets in a request: 2 MiB, half of gRPC's default limit on messages."""

_STARTING = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND)
"""What a server answers before it has loaded the model."""

_RETRY = {
    "methodConfig": [
        {
            "name": [{"service": "tensorflow.serving.PredictionService"}],
            "retryPolicy": {
                "maxAttempts": 5,
                "initialBackoff": "0.1s",
                "maxBackoff": "2s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}


@dataclasses.dataclass(frozen=True)
class ModelDescription:
    """What a server says of its model.

    Attributes:
        version: Number of the version.
        frames: Length of the audio window in spectrogram frames.
        embedding_size: Number of dimensions of the shared space.
        staves: Distance of a piano's staves in the snippets that it takes, see `geometry.STAVES`.
        knows_present: Whether it was trained with excerpts whose future is missing.
    """

    version: int
    frames: int
    embedding_size: int
    staves: str
    knows_present: bool


class EmbeddingClient:
    """One model of one server; every answer comes from the version that was there at first.

    Args:
        address: HOST:PORT of the server.
        model_name: Name of the model at the server.
        timeout_seconds: Longest time that one answer may take, in seconds.
        wait_seconds: Time to wait for a server that is just starting, in seconds.

    Raises:
        UserError: Nobody answers, or the model is not one of ours.
    """

    def __init__(
        self,
        address: str,
        model_name: str = "tempo_invariant",
        timeout_seconds: float = TIMEOUT_SECONDS,
        wait_seconds: float = 0.0,
    ):
        try:
            f"{address}{model_name}".encode()  # neither gRPC nor its messages take other text
        except UnicodeEncodeError as error:
            raise UserError(f"{model_name} at {address}: names must be text in UTF-8") from error
        self._address = address
        self._model_name = model_name
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.insecure_channel(
            address,
            [
                ("grpc.max_send_message_length", -1),
                ("grpc.max_receive_message_length", -1),
                ("grpc.service_config", json.dumps(_RETRY)),
            ],
        )
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        try:
            self.model = self._describe_when_ready(time.monotonic() + wait_seconds)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "EmbeddingClient":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def embed_audio(self, pcm: np.ndarray) -> dict[str, np.ndarray]:
        """Embeds the middle window of each recording.

        Args:
            pcm: The recordings, float32 [batch, samples], mono at 22,050 Hz, full scale +-1.

        Returns:
            "embedding", float32 [batch, size], unit length; "attention", float32 [batch, frames],
            sums to one; "spectrogram", float32 [batch, 92, frames], what was attended to.

        Raises:
            UserError: The server does not answer, or refuses.
        """
        return self._predict("embed_audio", pcm=np.asarray(pcm, np.float32))

    def embed_sheets(self, images: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Embeds snippets, a batch of them in a request, as they come.

        Args:
            images: The snippets, uint8 [160, 200] each, grey.

        Yields:
            float32 [size] for each image, unit length.

        Raises:
            UserError: The server does not answer, or refuses.
        """
        batch: list[np.ndarray] = []
        for image in images:
            batch.append(image)
            if len(batch) == SHEET_BATCH:
                yield from self._predict("embed_sheet", image=np.stack(batch))["embedding"]
                batch = []
        if batch:
            yield from self._predict("embed_sheet", image=np.stack(batch))["embedding"]

    def _predict(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest()
        request.model_spec.name = self._model_name
        request.model_spec.version.value = self.model.version
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        try:
            response = self._stub.Predict(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                raise UserError(
                    f"the server at {self._address} has replaced version {self.model.version} of "
                    f"{self._model_name!r}; ask again"
                ) from error
            raise self._user_error(error) from error
        try:
            return {name: tf.make_ndarray(proto) for name, proto in response.outputs.items()}
        except (TypeError, ValueError) as error:
            raise UserError(
                f"the server at {self._address} gives an answer that cannot be read: "
                f"{one_line(error)}"
            ) from error

    def _describe_when_ready(self, deadline: float) -> ModelDescription:
        """Describes the model, if need be only when the server has loaded it."""
        while True:
            try:
                return self._describe()
            except UserError as error:
                code = getattr(error.__cause__, "code", lambda: None)()
                if code not in _STARTING or time.monotonic() >= deadline:
                    raise
                time.sleep(0.5)

    def _describe(self) -> ModelDescription:
        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        request.model_spec.name = self._model_name
        try:
            response = self._stub.GetModelMetadata(request, timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                raise UserError(
                    f"the server at {self._address} has no model {self._model_name!r}"
                ) from error
            raise self._user_error(error) from error
        signatures = get_model_metadata_pb2.SignatureDefMap()
        try:
            response.metadata["signature_def"].Unpack(signatures)
            return _description(response.model_spec.version.value, signatures.signature_def)
        except (DecodeError, ValueError) as error:
            raise UserError(
                f"the model {self._model_name!r} at {self._address} is not an export of this "
                f"project: {one_line(error)}"
            ) from error

    def _user_error(self, error: grpc.RpcError) -> UserError:
        code, details = error.code(), one_line(error.details() or "no details")
        if code == grpc.StatusCode.UNAVAILABLE:
            return UserError(f"no server answers at {self._address} ({details})")
        if code == grpc.StatusCode.DEADLINE_EXCEEDED:
            return UserError(f"{self._address} gave no answer in {self._timeout_seconds:g} s")
        return UserError(f"the server at {self._address} refuses: {code.name}: {details}")


def _description(
    version: int, signatures: Mapping[str, meta_graph_pb2.SignatureDef]
) -> ModelDescription:
    """Returns what the signatures of a model say; raises `ValueError` if it is no export."""
    for name in ("embed_audio", "embed_sheet"):
        if name not in signatures:
            raise ValueError(f"it has no signature {name}")
    image = _shape(signatures["embed_sheet"].inputs, "image")
    if image != [-1, SNIPPET_HEIGHT, SNIPPET_WIDTH]:
        raise ValueError(f"embed_sheet takes images of shape {image}")
    outputs = signatures["embed_audio"].outputs
    frames = _shape(outputs, "attention")[-1]
    size = _shape(outputs, "embedding")[-1]
    if frames < 1 or size < 1 or _shape(signatures["embed_audio"].inputs, "pcm") != [-1, -1]:
        raise ValueError("embed_audio has other shapes")
    near = SYSTEM_HEIGHT_OUTPUT in signatures["embed_sheet"].outputs
    return ModelDescription(
        version, frames, size, NEAR if near else PRINTED, KNOWS_PRESENT_OUTPUT in outputs
    )


def _shape(tensors: Mapping[str, meta_graph_pb2.TensorInfo], name: str) -> list[int]:
    if name not in tensors:
        raise ValueError(f"it has no tensor {name}")
    return [dim.size for dim in tensors[name].tensor_shape.dim] or [-1]
