"""Requests over real gRPC on loopback, good and bad, to a server of a tiny SavedModel."""

import threading
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    get_model_status_pb2,
)

from tests import tiny_saved_model
from tests.server_calls import (
    IMAGE,
    LIMIT_BYTES,
    NAME,
    SECONDS,
    SERVING,
    Caller,
    Gate,
    make_request,
    make_server,
    wait_until,
)


@pytest.fixture(scope="module")
def caller(base_path):
    server = make_server(base_path)
    server.start()
    yield Caller(server.port)
    server.stop()


def test_predicts_every_row_of_a_batch_and_says_which_version_did(caller):
    images = np.stack([np.full([160, 200], grey, np.uint8) for grey in (0, 51, 255)])
    response = caller.predict(image=images)
    embedding = tf.make_ndarray(response.outputs["embedding"])
    np.testing.assert_allclose(embedding, [[0, 3], [0.2, 3], [1, 3]], atol=1e-6)
    assert response.model_spec.version.value == 3
    assert response.model_spec.signature_name == "embed_sheet"


def test_output_filter_selects_outputs(caller):
    request = make_request("embed_audio", pcm=np.ones([2, 50], np.float32))
    request.output_filter.append("attention")
    response = caller.prediction.Predict(request)
    assert list(response.outputs) == ["attention"]
    np.testing.assert_allclose(
        tf.make_ndarray(response.outputs["attention"]), np.full([2, 4], 0.25)
    )


def test_metadata_tells_names_types_and_shapes(caller):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = NAME
    response = caller.prediction.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert set(signatures.signature_def) == {"embed_audio", "embed_audio_file", "embed_sheet"}
    image = signatures.signature_def["embed_sheet"].inputs["image"]
    assert image.dtype == tf.uint8.as_datatype_enum
    assert [dim.size for dim in image.tensor_shape.dim] == [-1, 160, 200]
    attention = signatures.signature_def["embed_audio"].outputs["attention"]
    assert [dim.size for dim in attention.tensor_shape.dim] == [-1, tiny_saved_model.FRAMES]


def bomb() -> object:
    """A tensor of a few bytes that declares 10 gigabytes."""
    proto = tf.make_tensor_proto(np.zeros([1, 1], np.float32))
    proto.ClearField("tensor_content")
    proto.tensor_shape.dim[0].size = 250
    proto.tensor_shape.dim[1].size = 10_000_000
    proto.float_val.append(1.0)
    return proto


def short_content() -> object:
    """A tensor with fewer bytes than its shape needs."""
    proto = tf.make_tensor_proto(np.zeros([2, 8], np.float32))
    proto.tensor_content = proto.tensor_content[:-4]
    return proto


def strings(declared: int, *values: bytes) -> object:
    """A tensor of a few strings that declares any number of them; the last one is repeated."""
    proto = tf.make_tensor_proto(list(values))
    proto.tensor_shape.dim[0].size = declared
    return proto


def wav(samples: int) -> bytes:
    return tf.audio.encode_wav(np.zeros([samples, 1], np.float32), 22050).numpy()


PCM = np.zeros([1, 100], np.float32)
TOO_LARGE = f"takes more than {LIMIT_BYTES} bytes"


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        (
            "embed_sheet",
            {"image": IMAGE[:, :, :100]},
            r"shape \[any, 160, 200\], got \[1, 160, 100\]",
        ),
        ("embed_sheet", {"image": IMAGE[0]}, r"got \[160, 200\]"),
        ("embed_sheet", {"image": IMAGE.astype(np.float32)}, "must be uint8, got float32"),
        ("embed_sheet", {}, "input 'image' is missing"),
        (
            "embed_sheet",
            {"image": IMAGE, "picture": IMAGE},
            "input 'picture' is not in the signature",
        ),
        ("embed_audio", {"pcm": PCM.astype(str)}, "must be float32, got string"),
        ("embed_audio", {"pcm": np.full([1, 9], np.nan, np.float32)}, "pcm must be finite"),
        ("embed_audio", {"pcm": bomb()}, TOO_LARGE),
        ("embed_audio_file", {"wav": strings(2 * 10**9, b"")}, "at most 256 rows, got 2000000000"),
        ("embed_audio_file", {"wav": strings(256, wav(4000))}, TOO_LARGE),
        ("embed_audio_file", {"wav": strings(2, wav(9), wav(9), wav(9))}, "cannot be decoded"),
        ("embed_audio_file", {"wav": [wav(9), wav(9)[:-1]]}, "Data too short"),
        ("embed_audio_file", {"wav": [b"RI\xff\xfe" + wav(9)[4:]]}, "Expected RIFF but found RI"),
        ("embed_audio_file", {"wav": [wav(9)[:20] + b"\0" + wav(9)[21:]]}, "Bad audio format"),
        ("embed_audio", {"pcm": np.zeros([257, 1], np.float32)}, "at most 256 rows, got 257"),
        ("embed_audio", {"pcm": short_content()}, "needs 64 bytes of content, got 60"),
    ],
)
def test_bad_inputs_are_invalid_arguments_in_one_line(caller, signature, inputs, message):
    with pytest.raises(grpc.RpcError, match=message) as raised:
        caller.predict(signature, **inputs)
    assert raised.value.code() == grpc.StatusCode.INVALID_ARGUMENT
    assert raised.value.details().isprintable()


def test_a_string_is_repeated_as_often_as_the_shape_says(caller):
    response = caller.predict("embed_audio_file", wav=strings(3, wav(200)))
    np.testing.assert_array_equal(tf.make_ndarray(response.outputs["embedding"]), [[0.0, 3.0]] * 3)


def test_unknown_names_get_the_codes_of_tensorflow_serving(caller):
    codes = grpc.StatusCode

    def code(call, *arguments) -> grpc.StatusCode:
        with pytest.raises(grpc.RpcError) as raised:
            call(*arguments)
        return raised.value.code()

    stub = caller.prediction
    request = make_request("embed_sheet", image=IMAGE)
    request.model_spec.name = "other"
    assert code(stub.Predict, request) == codes.NOT_FOUND
    request = make_request("embed_sheet", image=IMAGE)
    request.model_spec.version.value = 77
    assert code(stub.Predict, request) == codes.NOT_FOUND
    request.model_spec.version_label = "stable"
    assert code(stub.Predict, request) == codes.INVALID_ARGUMENT
    assert code(stub.Predict, make_request("embed_video", pcm=PCM)) == codes.FAILED_PRECONDITION
    request = make_request("embed_sheet", image=IMAGE)
    request.output_filter.append("colour")
    assert code(stub.Predict, request) == codes.INVALID_ARGUMENT
    status = get_model_status_pb2.GetModelStatusRequest()
    status.model_spec.name = "other"
    assert code(caller.model.GetModelStatus, status) == codes.NOT_FOUND
    metadata = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["colour"])
    metadata.model_spec.name = NAME
    assert code(stub.GetModelMetadata, metadata) == codes.INVALID_ARGUMENT
    classify = classification_pb2.ClassificationRequest()
    assert code(stub.Classify, classify) == codes.UNIMPLEMENTED


@pytest.mark.parametrize("name", [b"\xff\xfeny", b"\x1b[2J\n", b"x" * 10**5])
def test_names_of_any_bytes_are_answered_in_a_printable_line(caller, name):
    right = make_request("embed_sheet", image=IMAGE)
    right.model_spec.name = "?" * len(name)
    call = caller.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    with pytest.raises(grpc.RpcError) as raised:
        call(right.SerializeToString().replace(b"?" * len(name), name), timeout=SECONDS)
    text = name.isascii()
    codes = grpc.StatusCode
    assert raised.value.code() == (codes.NOT_FOUND if text else codes.INVALID_ARGUMENT)
    assert raised.value.details().isprintable() and len(raised.value.details()) <= 200


def test_damaged_messages_are_invalid_arguments(caller):
    generator = np.random.default_rng(7)
    call = caller.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    good = make_request("embed_audio", pcm=PCM).SerializeToString()
    for _ in range(60):
        message = bytearray(good)
        for position in generator.integers(0, 60, size=generator.integers(1, 6)):
            message[position] = generator.integers(256)
        try:
            call(bytes(message), timeout=SECONDS)
        except grpc.RpcError as error:
            assert error.code() in (
                grpc.StatusCode.INVALID_ARGUMENT,
                grpc.StatusCode.NOT_FOUND,
                grpc.StatusCode.FAILED_PRECONDITION,
            )
    assert caller.shift() == 3.0


def test_a_message_over_the_limit_is_refused_and_the_next_one_answered(caller):
    with pytest.raises(grpc.RpcError) as raised:
        caller.predict("embed_audio", pcm=np.zeros([1, LIMIT_BYTES // 4 + 1], np.float32))
    assert raised.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    caller.predict("embed_audio", pcm=np.zeros([1, LIMIT_BYTES // 4 - 1000], np.float32))


def test_many_clients_at_once_all_get_their_own_answers(base_path):
    server = make_server(base_path)
    server.start()

    def ask(client: int) -> list[float]:
        caller = Caller(server.port)
        answers = []
        for grey in (client, client + 64, client + 128):
            response = caller.predict(image=np.full([1, 160, 200], grey, np.uint8))
            answers.append(255 * tf.make_ndarray(response.outputs["embedding"])[0, 0])
        caller.channel.close()
        return answers

    with futures.ThreadPoolExecutor(64) as pool:
        found = np.array(list(pool.map(ask, range(64))))
    expected = np.arange(64)[:, None] + np.array([0, 64, 128])
    np.testing.assert_allclose(found, expected, atol=1e-3)
    server.stop()


def test_more_requests_than_admitted_are_turned_away_and_the_others_answered(
    base_path, monkeypatch
):
    server = make_server(base_path, max_concurrent_requests=3, workers=1)
    server.start()
    caller = Caller(server.port)
    gate = Gate(monkeypatch)
    with futures.ThreadPoolExecutor(8) as pool:
        calls = [pool.submit(caller.shift) for _ in range(8)]
        refused = _first_finished(calls, 5)
        # Five of eight are refused while the one that runs and the two that wait are held.
        assert all(
            call.exception().code() == grpc.StatusCode.RESOURCE_EXHAUSTED for call in refused
        )
        request = health_pb2.HealthCheckRequest()
        assert caller.health.Check(request, timeout=SECONDS).status == SERVING
        gate.open.set()
        answered = [call.result(SECONDS) for call in calls if call not in refused]
    assert answered == [3.0] * 3
    server.stop()


def _first_finished(calls: list, count: int) -> list:
    wait_until(lambda: sum(call.done() for call in calls) >= count)
    return [call for call in calls if call.done()]


@pytest.mark.parametrize("method", ["health.Watch", "Predict"])
def test_open_streams_of_one_client_do_not_lock_the_others_out(base_path, method):
    server = make_server(base_path)
    server.start()
    one = grpc.insecure_channel(f"localhost:{server.port}", [("grpc.use_local_subchannel_pool", 1)])
    over = threading.Event()
    if method == "Predict":  # its message never comes
        call = one.stream_unary("/tensorflow.serving.PredictionService/Predict")
        streams = [call.future(iter(over.wait, True)) for _ in range(250)]
    else:
        watch = health_pb2_grpc.HealthStub(one).Watch
        streams = [watch(health_pb2.HealthCheckRequest()) for _ in range(250)]
        assert all(next(stream).status == SERVING for stream in streams)
    wait_until(lambda: server.metrics.in_flight.collect()[0].samples[0].value == 250)
    other = Caller(server.port)
    assert other.shift() == 3.0
    request = health_pb2.HealthCheckRequest()
    assert other.health.Check(request, timeout=SECONDS).status == SERVING
    assert not any(stream.done() for stream in streams)
    over.set()
    one.close()
    server.stop()


def test_messages_in_hand_are_bounded_by_their_bytes(base_path, monkeypatch):
    server = make_server(base_path)
    server.start()
    caller = Caller(server.port)
    gate = Gate(monkeypatch)
    large = make_request("embed_audio", pcm=np.zeros([1, LIMIT_BYTES // 4 - 1000], np.float32))
    calls = [caller.prediction.Predict.future(large) for _ in range(17)]
    [refused] = _first_finished(calls, 1)  # sixteen of the largest size are in hand
    assert refused.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "requests in hand take more than" in refused.details()
    gate.open.set()
    assert sum(call.exception(SECONDS) is None for call in calls) == 16
    server.stop()


def test_a_request_that_waits_past_its_deadline_is_given_up(base_path, monkeypatch):
    server = make_server(base_path, max_concurrent_requests=4, workers=1)
    server.start()
    caller = Caller(server.port)
    gate = Gate(monkeypatch)
    first = caller.prediction.Predict.future(make_request("embed_sheet", image=IMAGE))
    assert gate.entered.acquire(timeout=SECONDS)
    with pytest.raises(grpc.RpcError) as raised:
        caller.prediction.Predict(make_request("embed_sheet", image=IMAGE), timeout=0.2)
    assert raised.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    gate.open.set()
    assert first.result(SECONDS).model_spec.version.value == 3
    server.stop()
