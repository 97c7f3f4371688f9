"""Checks a predict request against the signature it names before any of it reaches TensorFlow."""

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from tempo_invariant.errors import one_line

_MAX_RANK = 254
"""The most dimensions that TensorFlow's tensors have."""

_STRING_BYTES = 24
"""What a string takes in a tensor of TensorFlow beside its characters."""


class RequestError(Exception):
    """A request that is answered with a status code other than OK.

    Args:
        code: The status of the answer.
        message: One line for the client.
    """

    def __init__(self, code: grpc.StatusCode, message: str):
        super().__init__(message)
        self.code = code
        self.message = message


@dataclasses.dataclass(frozen=True)
class InputLimits:
    """What one request may ask for.

    Args:
        max_bytes: The most that one decoded input may take. A tensor message can declare a shape
            far larger than the values it carries, so the limit on messages is not enough.
        max_rows: The largest batch. A row of one sample takes a megabyte in the model.
    """

    max_bytes: int = 64 * 2**20
    max_rows: int = 256


def invalid(message: str) -> RequestError:
    """Returns the error for a request that no model of any kind could answer."""
    return RequestError(grpc.StatusCode.INVALID_ARGUMENT, message)


def decode_inputs(
    inputs: Mapping[str, tensor_pb2.TensorProto],
    signature: meta_graph_pb2.SignatureDef,
    limits: InputLimits,
) -> dict[str, np.ndarray]:
    """Decodes the inputs of a request, each of the type and shape that the signature declares.

    Args:
        inputs: The tensors of the request by name.
        signature: The signature that the model declares.
        limits: The most that a request may ask for.

    Returns:
        One array per input of the signature.

    Raises:
        RequestError: INVALID_ARGUMENT, naming the input and what is wrong with it.
    """
    check_names("input", inputs, signature.inputs)
    missing = sorted(set(signature.inputs) - set(inputs))
    if missing:
        raise invalid(f"input {missing[0]!r} is missing")
    shapes = {name: _shape(name, inputs[name], signature.inputs[name]) for name in inputs}
    # Before anything is unpacked: a tensor of a few bytes can declare any number of rows.
    rows = {shape[0] for shape in shapes.values() if shape}
    if len(rows) > 1:
        raise invalid(f"inputs have batches of different sizes: {sorted(rows)}")
    if max(rows, default=0) > limits.max_rows:
        raise invalid(f"a batch has at most {limits.max_rows} rows, got {max(rows)}")
    return {name: _decode(name, inputs[name], shapes[name], limits.max_bytes) for name in inputs}


def check_names(kind: str, names: Iterable[str], declared: Iterable[str]) -> None:
    """Refuses names that the signature does not declare.

    Args:
        kind: The word "input" or "output", for the message.
        names: The names in the request.
        declared: The names in the signature.

    Raises:
        RequestError: INVALID_ARGUMENT for the first unknown name.
    """
    unknown = sorted(set(names) - set(declared))
    if unknown:
        expected = ", ".join(sorted(declared))
        raise invalid(f"{kind} {unknown[0]!r} is not in the signature (expected: {expected})")


def _shape(name: str, proto: tensor_pb2.TensorProto, info: meta_graph_pb2.TensorInfo) -> list[int]:
    """Returns the shape that a tensor declares, if it and the type are as in the signature."""
    if proto.dtype != info.dtype:
        raise invalid(
            f"input {name!r} must be {_type_name(info.dtype)}, got {_type_name(proto.dtype)}"
        )
    if proto.tensor_shape.unknown_rank or len(proto.tensor_shape.dim) > _MAX_RANK:
        raise invalid(f"input {name!r} has no shape that a tensor can have")
    expected = [dim.size for dim in info.tensor_shape.dim]
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if any(size < 0 for size in shape):
        raise invalid(f"input {name!r} has no complete shape")
    if not info.tensor_shape.unknown_rank and not _matches(shape, expected):
        wanted = ", ".join("any" if size < 0 else str(size) for size in expected)
        raise invalid(f"input {name!r} must have shape [{wanted}], got {shape}")
    return shape


def _decode(
    name: str, proto: tensor_pb2.TensorProto, shape: list[int], max_bytes: int
) -> np.ndarray:
    decoded_bytes = _decoded_bytes(proto, math.prod(shape))
    if decoded_bytes > max_bytes:
        raise invalid(f"input {name!r} of shape {shape} takes more than {max_bytes} bytes")
    if proto.tensor_content and len(proto.tensor_content) != decoded_bytes:
        raise invalid(
            f"input {name!r} of shape {shape} needs {decoded_bytes} bytes of content, "
            f"got {len(proto.tensor_content)}"
        )
    try:
        return tf.make_ndarray(proto)
    except (TypeError, ValueError, IndexError) as error:
        raise invalid(f"input {name!r} cannot be decoded: {graph_error_line(error)}") from error


def _decoded_bytes(proto: tensor_pb2.TensorProto, elements: int) -> int:
    """Returns the size of a tensor, in which the last value stands for all that are left out."""
    if proto.dtype != types_pb2.DT_STRING:
        return elements * tf.dtypes.as_dtype(proto.dtype).size
    values = proto.string_val
    repeated = max(elements - len(values), 0) * len(values[-1] if values else b"")
    return sum(map(len, values)) + repeated + elements * _STRING_BYTES


def _matches(shape: list[int], expected: list[int]) -> bool:
    return len(shape) == len(expected) and all(
        wanted in (-1, size) for size, wanted in zip(shape, expected, strict=True)
    )


def _type_name(value: int) -> str:
    try:
        return tf.dtypes.as_dtype(value).name
    except TypeError:
        return f"type {value}"


def graph_error_line(error: Exception | str) -> str:
    """Returns what an exception says as one line, without TensorFlow's header and stack."""
    text = re.sub(r"\s*\[\[\{\{.*?\}\}\]\]|\s*\[Op:\w+\].*", "", str(error))
    lines = text.strip().splitlines()
    return one_line(lines[-1] if lines else type(error).__name__)
