"""Thousands of hostile requests to a server, which then answers a right one and has not grown."""

import struct
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2
from tensorflow.core.framework import types_pb2
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

from tests import fuzzing, tiny_saved_model
from tests.server_calls import IMAGE, NAME, SERVING, Caller, free_port, make_request, wait_until

ROUNDS = 500
MESSAGE_MIB = 16
GROWTH_MIB = 100
PEAK_MIB = 4 * 1024

PREDICTION = "/tensorflow.serving.PredictionService/"
STATUS = "/tensorflow.serving.ModelService/GetModelStatus"
HEALTH = "/grpc.health.v1.Health/Check"

ANSWERS = {
    "OK",
    "INVALID_ARGUMENT",
    "NOT_FOUND",
    "FAILED_PRECONDITION",
    "UNIMPLEMENTED",
    "RESOURCE_EXHAUSTED",
}
NUMBERS = (-(2**63), -1, 0, 1, 2, 255, 256, 257, 2**31 - 1, 2 * 10**9, 2**32, 2**62, 2**63 - 1)
NAMES = ("", "other", "\0", "\x1b[31m", "a\nb", "é" * 1000, "x" * 2**20, "../../etc", "{}", "%s")
WAV_FIELDS = [(field, 2**16) for field in ("kind", "channels", "frame", "bits")]
WAV_FIELDS += [(field, 2**32) for field in ("all", "chunk", "rate", "second", "size")]
PCM = np.zeros([2, 300], np.float32)

Message = tuple[str, bytes]
Generator = np.random.Generator


def choose(generator: Generator, values):
    return values[generator.integers(len(values))]


def wav(sound: bytes = bytes(400), **said: int) -> bytes:
    """A sound file, whose header may say anything."""
    right = {"all": 36 + len(sound), "chunk": 16, "kind": 1, "channels": 1, "rate": 22050}
    right |= {"second": 44100, "frame": 2, "bits": 16, "size": len(sound)}
    numbers = [*(right | said).values()]
    chunks = struct.pack("<4sI4s4s", b"RIFF", numbers[0], b"WAVE", b"fmt ")
    chunks += struct.pack("<IHHIIHH", *numbers[1:-1])
    return chunks + struct.pack("<4sI", b"data", numbers[-1]) + sound


def predict(signature: str, **inputs) -> Message:
    return PREDICTION + "Predict", make_request(signature, **inputs).SerializeToString()


def right_messages() -> list[Message]:
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    status = get_model_status_pb2.GetModelStatusRequest()
    metadata.model_spec.name = status.model_spec.name = NAME
    return [
        predict("embed_audio", pcm=PCM),
        predict("embed_audio_file", wav=[wav(), wav()]),
        predict("embed_sheet", image=IMAGE),
        (PREDICTION + "GetModelMetadata", metadata.SerializeToString()),
        (STATUS, status.SerializeToString()),
        (HEALTH, health_pb2.HealthCheckRequest(service=NAME).SerializeToString()),
    ]


RIGHT = right_messages()
REQUESTS = (
    *[predict_pb2.PredictRequest] * 3,
    get_model_metadata_pb2.GetModelMetadataRequest,
    get_model_status_pb2.GetModelStatusRequest,
)
"""The types of the first of them, those that name a model."""

TOO_LONG = (PREDICTION + "Predict", bytes((MESSAGE_MIB + 1) * 2**20))


def wrong_bytes(generator: Generator) -> Message:
    method, data = choose(generator, RIGHT)
    return method, fuzzing.damaged(data, int(generator.integers(2**31)))


def noise(generator: Generator) -> Message:
    method, _ = choose(generator, RIGHT)
    return method, generator.bytes(generator.integers(0, 3000))


def absurd_shape(generator: Generator) -> Message:
    signature, name, value = choose(
        generator, [("embed_audio", "pcm", 0.5), ("embed_audio_file", "wav", wav()[:60])]
    )
    tensor = tf.make_tensor_proto([value])
    del tensor.tensor_shape.dim[:]
    for _ in range(choose(generator, [1, 1, 2, 2, 3, 300])):
        tensor.tensor_shape.dim.add(size=int(choose(generator, NUMBERS)))
    tensor.tensor_shape.unknown_rank = bool(generator.random() < 0.1)
    return predict(signature, **{name: tensor})


def wrong_type(generator: Generator) -> Message:
    tensor = tf.make_tensor_proto(PCM)
    tensor.dtype = int(choose(generator, [*types_pb2.DataType.values()]))
    if generator.random() < 0.5:
        tensor.ClearField("tensor_content")
        tensor.int64_val.extend([2**62] * int(generator.integers(0, 2000)))
        tensor.float_val.extend([float("nan")] * int(generator.integers(0, 2000)))
    return predict(*choose(generator, [["embed_audio"], ["embed_sheet"], [""]]), pcm=tensor)


def repeated_string(generator: Generator) -> Message:
    """Rows that share one sound file of a megabyte: the last value stands for all others."""
    tensor = tf.make_tensor_proto([wav(bytes(2**20))])
    tensor.tensor_shape.dim[0].size = int(generator.integers(MESSAGE_MIB, 257))
    return predict("embed_audio_file", wav=tensor)


def many_fields(generator: Generator) -> Message:
    """Empty strings, resources and variants: a hundred bytes each in memory, two on the way."""
    tensor = choose(generator, [b"\x42\x00", b"\x72\x00", b"\x7a\x00"]) * 2**19
    size = b"\x80\x80\x40"  # 2**20
    entry = b"\x0a\x01a\x12" + size + tensor
    return PREDICTION + "Predict", b"\x12" + b"\x87\x80\x40" + entry


def wrong_wav(generator: Generator) -> Message:
    field, top = choose(generator, [*WAV_FIELDS])
    files = [
        wav(**{field: int(choose(generator, [0, 1, 3, top // 2 - 1, top // 2, top - 1]))}),
        fuzzing.damaged(wav(), int(generator.integers(2**31))),
        generator.bytes(generator.integers(0, 3000)),
    ]
    rows = [choose(generator, files) for _ in range(generator.integers(1, 20))]
    return predict("embed_audio_file", wav=rows)


def unknown(generator: Generator) -> Message:
    """Names, versions and labels that nobody has, some of them not UTF-8."""
    (method, data), kind = choose(generator, [*zip(RIGHT, REQUESTS, strict=False)])
    request = kind.FromString(data)
    spec = request.model_spec
    spec.name = choose(generator, [NAME, NAME, *NAMES])
    spec.signature_name = choose(generator, ["embed_audio", *NAMES])
    spec.version.value = choose(generator, NUMBERS)
    if generator.random() < 0.2:
        spec.version_label = choose(generator, NAMES)
    if kind is predict_pb2.PredictRequest:
        request.inputs[choose(generator, NAMES)].CopyFrom(tf.make_tensor_proto(PCM))
        request.output_filter.append(choose(generator, NAMES))
    data = request.SerializeToString()
    return method, data.replace(NAME.encode(), b"\xff\xc0ny") if generator.random() < 0.2 else data


def metadata(generator: Generator) -> Message:
    request = get_model_metadata_pb2.GetModelMetadataRequest()
    request.model_spec.name = NAME
    count = choose(generator, [0, 1, 2, 20_000])
    request.metadata_field.extend([choose(generator, ["signature_def", *NAMES[:-5]])] * count)
    return PREDICTION + "GetModelMetadata", request.SerializeToString()


def wrong_method(generator: Generator) -> Message:
    service = choose(generator, [PREDICTION, "/", "/a/", STATUS + "/"])
    methods = ["Classify", "Regress", "MultiInference", "Nothing", "", "predict", "\xe9"]
    return service + choose(generator, methods), choose(generator, RIGHT)[1]


def nothing(generator: Generator) -> Message:
    return choose(generator, RIGHT)[0], b""


KINDS: list[Callable[[Generator], Message]] = [
    wrong_bytes,
    noise,
    absurd_shape,
    wrong_type,
    repeated_string,
    many_fields,
    wrong_wav,
    unknown,
    metadata,
    wrong_method,
    nothing,
]


def send(channel: grpc.Channel, message: Message) -> str:
    """Returns the code of the answer, whose text is one line that can be printed."""
    method, data = message
    try:
        channel.unary_unary(method)(data, timeout=60)
    except grpc.RpcError as error:
        assert (error.details() or "").isprintable()
        return error.code().name
    return "OK"


class Streams:
    """Calls that never get their message, and calls that are given up as soon as they are made."""

    def __init__(self, channel: grpc.Channel):
        self._channel = channel
        self._over = threading.Event()

    def open(self, count: int) -> list[grpc.Future]:
        call = self._channel.stream_unary(PREDICTION + "Predict")
        return [call.future(self._nothing()) for _ in range(count)]

    def give_up(self, message: Message) -> None:
        self._channel.unary_unary(message[0]).future(message[1]).cancel()

    def close(self) -> None:
        self._over.set()

    def _nothing(self) -> Iterator[bytes]:
        self._over.wait()
        yield from ()


@pytest.fixture
def server(tmp_path) -> Iterator[tuple[int, int]]:
    """Port and process of a server."""
    tiny_saved_model.save(tmp_path, 3, shift=3.0)
    port, log = free_port(), tmp_path / "log"
    arguments = [f"--model_base_path={tmp_path}", f"--model_name={NAME}", f"--port={port}"]
    arguments += [f"--max_message_mb={MESSAGE_MIB}", "--arrival_seconds=5"]
    with log.open("w") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "serving.server", *arguments],
            stderr=stream,
            cwd=Path(__file__).parents[2],
        )
    wait_until(lambda: f"serving {NAME}" in log.read_text())
    yield port, process.pid
    process.terminate()
    assert process.wait(60) == 0
    assert "Traceback" not in log.read_text()


def memory_mib(process: int, field: str = "RssAnon") -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith(field))


@pytest.mark.slow
def test_a_server_outlives_thousands_of_hostile_requests(server):
    port, process = server
    caller = Caller(port)
    streams = Streams(caller.channel)
    codes: Counter[tuple[str, str]] = Counter()
    memory = []
    for number in range(ROUNDS):
        if number % (ROUNDS // 5) == 0:
            streams.open(50)
            codes["too long", send(caller.channel, TOO_LONG)] += 1
            memory.append(memory_mib(process))
        for kind in KINDS:
            generator = np.random.default_rng([number, KINDS.index(kind)])
            message = kind(generator)
            codes[kind.__name__, send(caller.channel, message)] += 1
            streams.give_up(message)
    memory.append(memory_mib(process))
    peak = memory_mib(process, "VmHWM")
    print(f"\n{codes.total()} requests; MiB: {memory}, at most {peak}")
    for (kind, code), count in sorted(codes.items()):
        print(f"{kind:16} {code:20} {count}")
    assert {code for _, code in codes} <= ANSWERS
    assert codes.total() >= 5_000
    assert peak < PEAK_MIB and memory[-1] - memory[2] < GROWTH_MIB
    assert caller.shift() == 3.0
    found = tf.make_ndarray(caller.predict("embed_audio", pcm=PCM + 0.5).outputs["embedding"])
    np.testing.assert_allclose(found, [[0.5, 3.0]] * 2)
    assert caller.health.Check(health_pb2.HealthCheckRequest()).status == SERVING
    streams.close()
