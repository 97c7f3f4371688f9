"""Serves an exported model over gRPC, with the services of TensorFlow Serving.

python -m serving.server --model_base_path=exports/tempo_invariant
"""

import logging
import os

from absl import flags

from tempo_invariant import commands

_BASE_PATH = flags.DEFINE_string(
    "model_base_path", None, "Directory of the exported versions of the model.", required=True
)
_NAME = flags.DEFINE_string("model_name", "tempo_invariant", "The model's name in requests.")
_HOST = flags.DEFINE_string("host", "localhost", "Address to listen on; 0.0.0.0 is every one.")
_PORT = flags.DEFINE_integer("port", 8500, "Port to listen on.", lower_bound=0, upper_bound=65535)
_MESSAGE_MB = flags.DEFINE_integer(
    "max_message_mb", 64, "The largest message in MiB, in either direction.", 1, 2047
)
_BATCH = flags.DEFINE_integer("max_batch_size", 256, "The most rows in a request.", lower_bound=1)
_CONCURRENT = flags.DEFINE_integer(
    "max_concurrent_requests",
    128,
    "Predictions that may run or wait; further ones get RESOURCE_EXHAUSTED.",
    lower_bound=1,
)
_WORKERS = flags.DEFINE_integer(
    "workers",
    min(os.cpu_count() or 1, 4),
    "Predictions that run at the same time; one of a full batch takes a gigabyte.",
    lower_bound=1,
)
_VERSIONS = flags.DEFINE_integer(
    "versions", 1, "How many of the newest versions are served.", lower_bound=1
)
_POLL = flags.DEFINE_float(
    "poll_seconds", 2.0, "How often to look for a new version.", lower_bound=0.05
)
_DRAIN = flags.DEFINE_float(
    "drain_seconds", 30.0, "How long requests may take to finish at the end.", lower_bound=0
)
_ARRIVAL = flags.DEFINE_float(
    "arrival_seconds",
    10.0,
    "How long the message of a request may take to arrive.",
    lower_bound=0.05,
)
_METRICS_PORT = flags.DEFINE_integer(
    "metrics_port",
    None,
    "Port for Prometheus, over HTTP at /metrics; none if not given.",
    lower_bound=0,
    upper_bound=65535,
)
_LOG_LEVEL = flags.DEFINE_enum(
    "log_level",
    "info",
    ["debug", "info", "warning", "error"],
    "What is logged: debug has a line for every request, info has what becomes of versions.",
)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("serving").setLevel(_LOG_LEVEL.value.upper())
    # A client that leaves while its answer is sent would be an error with a stack.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    from serving.hosting.server import ModelServer, ServerConfig

    config = ServerConfig(
        model_base_path=_BASE_PATH.value,
        model_name=_NAME.value,
        host=_HOST.value,
        port=_PORT.value,
        max_message_bytes=_MESSAGE_MB.value * 2**20,
        max_batch_size=_BATCH.value,
        max_concurrent_requests=_CONCURRENT.value,
        workers=_WORKERS.value,
        versions_kept=_VERSIONS.value,
        poll_seconds=_POLL.value,
        drain_seconds=_DRAIN.value,
        arrival_seconds=_ARRIVAL.value,
        metrics_port=_METRICS_PORT.value,
    )
    ModelServer(config).run_until_signal()


if __name__ == "__main__":
    commands.run(main, __doc__)
