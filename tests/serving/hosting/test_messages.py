"""Messages are parsed when their fields are few, whatever their bytes."""

import grpc
import numpy as np
import pytest
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import predict_pb2

from serving.hosting.messages import MAX_FIELDS, parse
from serving.hosting.request_validation import RequestError
from tests import fuzzing
from tests.server_calls import make_request


def parse_request(data: bytes) -> predict_pb2.PredictRequest:
    return parse(predict_pb2.PredictRequest, data)


def test_a_request_comes_out_as_it_went_in():
    request = make_request("embed_audio", pcm=np.arange(10**6, dtype=np.float32)[None])
    request.model_spec.version.value = 2**63 - 1
    request.inputs["names"].string_val.extend([b"\xff" * 200] * 256)
    assert parse_request(request.SerializeToString()) == request
    assert parse_request(b"") == predict_pb2.PredictRequest()


@pytest.mark.parametrize("field", ["string_val", "resource_handle_val", "variant_val"])
def test_fields_are_counted_in_messages_within_messages(field):
    def request(count: int) -> predict_pb2.PredictRequest:
        request = predict_pb2.PredictRequest()
        values = getattr(request.inputs["a"], field)
        for _ in range(count):
            values.append(b"") if field == "string_val" else values.add()
        return request

    # The entry of the map, its key and its value are three more.
    assert parse_request(request(MAX_FIELDS - 3).SerializeToString())
    with pytest.raises(RequestError, match="PredictRequest has more than 10000 fields") as raised:
        parse_request(request(MAX_FIELDS - 2).SerializeToString())
    assert raised.value.code == grpc.StatusCode.INVALID_ARGUMENT


def test_what_protobuf_parses_is_parsed_alike_and_the_rest_is_refused():
    data = make_request("embed_audio", pcm=np.ones([2, 3], np.float32)).SerializeToString()
    parsed = 0
    for damaged in fuzzing.damaged_each(data):
        try:
            found = parse_request(damaged)
        except RequestError as error:
            assert error.message == "the request is not a PredictRequest message"
            continue
        parsed += 1
        assert found == predict_pb2.PredictRequest.FromString(damaged)
    assert 20 < parsed < 480


@pytest.mark.parametrize("data", [b"\xff", b"\x80" * 20, b"\x0b\x0c", b"\x0a\x03\x0a\x01\xff"])
def test_bytes_that_are_no_message_are_refused(data):
    with pytest.raises(DecodeError):
        predict_pb2.PredictRequest.FromString(data[:1] if data[0] == 0x0B else data)
    with pytest.raises(RequestError, match="not a PredictRequest message"):
        parse_request(data)
