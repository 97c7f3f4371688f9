"""The TensorFlow Serving configuration, parsed as the server's own message types."""

from pathlib import Path

import pytest
import yaml
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format
from google.protobuf import wrappers_pb2 as _wrappers  # noqa: F401  (registers the wrapper types)
from tensorflow_serving.config import model_server_config_pb2

CONFIG = Path(__file__).parents[2] / "serving" / "config"
FIELD = descriptor_pb2.FieldDescriptorProto
INT64 = ".google.protobuf.Int64Value"

# Fields of tensorflow_serving/servables/tensorflow/session_bundle_config.proto and
# tensorflow_serving/config/monitoring_config.proto, which the Python package does not contain.
MESSAGES = {
    "BatchingParameters": [
        ("max_batch_size", INT64),
        ("batch_timeout_micros", INT64),
        ("max_enqueued_batches", INT64),
        ("num_batch_threads", INT64),
        ("thread_pool_name", ".google.protobuf.StringValue"),
        ("allowed_batch_sizes", "repeated int64"),
        ("pad_variable_length_inputs", "bool"),
    ],
    "PrometheusConfig": [("enable", "bool"), ("path", "string")],
    "MonitoringConfig": [("prometheus_config", ".test.PrometheusConfig")],
}


@pytest.fixture(scope="module")
def messages():
    file = descriptor_pb2.FileDescriptorProto(name="test.proto", package="test", syntax="proto3")
    file.dependency.append("google/protobuf/wrappers.proto")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for number, (field_name, kind) in enumerate(fields, start=1):
            repeated = kind.startswith("repeated ")
            field = message.field.add(name=field_name, number=number)
            field.label = FIELD.LABEL_REPEATED if repeated else FIELD.LABEL_OPTIONAL
            if kind.startswith("."):
                field.type, field.type_name = FIELD.TYPE_MESSAGE, kind
            else:
                field.type = FIELD.Type.Value("TYPE_" + kind.split()[-1].upper())
    pool = descriptor_pool.Default()
    pool.Add(file)
    return {
        name: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"test.{name}"))
        for name in MESSAGES
    }


def test_the_model_is_served_with_two_versions_under_the_name_of_its_export():
    text = (CONFIG / "models.config").read_text()
    config = text_format.Parse(text, model_server_config_pb2.ModelServerConfig())
    (model,) = config.model_config_list.config
    assert model.name == "tempo_invariant"
    assert Path(model.base_path).name == model.name
    assert model.model_platform == "tensorflow"
    assert model.model_version_policy.latest.num_versions == 2


def test_batches_are_bounded_and_never_padded_in_time(messages):
    text = (CONFIG / "batching_parameters.txt").read_text()
    parameters = text_format.Parse(text, messages["BatchingParameters"]())
    sizes = list(parameters.allowed_batch_sizes)
    # TensorFlow Serving refuses sizes that do not ascend to max_batch_size.
    assert sizes == sorted(set(sizes)) and sizes[-1] == parameters.max_batch_size.value
    assert parameters.max_enqueued_batches.value > 0
    assert 0 < parameters.batch_timeout_micros.value <= 10_000
    assert not parameters.pad_variable_length_inputs


def test_a_misspelt_field_would_be_noticed(messages):
    with pytest.raises(text_format.ParseError, match="max_batch_sise"):
        text_format.Parse("max_batch_sise { value: 1 }", messages["BatchingParameters"]())


def test_metrics_are_on(messages):
    text = (CONFIG / "monitoring.config").read_text()
    config = text_format.Parse(text, messages["MonitoringConfig"]())
    assert config.prometheus_config.enable
    assert config.prometheus_config.path.startswith("/monitoring/")


def test_compose_mounts_what_its_flags_name():
    service = yaml.safe_load((CONFIG / "compose.yaml").read_text())["services"]
    service = service["tensorflow-serving"]
    flags = dict(flag.removeprefix("--").split("=") for flag in service["command"])
    mounts = dict(volume.rsplit(":", 2)[1::-1] for volume in service["volumes"])
    assert mounts["/config"] == "." and mounts["/models"].endswith("exports}")
    for name in ("model_config_file", "batching_parameters_file", "monitoring_config_file"):
        folder, _, file = flags[name].rpartition("/")
        assert folder == "/config" and (CONFIG / file).is_file()
    assert flags["enable_batching"] == "true"
    # The gRPC port is reachable from this machine only.
    assert "127.0.0.1:8500:8500" in service["ports"]
