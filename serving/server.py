"""Serves an export over gRPC: `python -m serving.server --model_base_path=...`."""

import logging
import os

from absl import flags

from tempo_invariant import commands
from tempo_invariant.model.versions import check_versions

USAGE = """Serves an exported model over gRPC, with the services of TensorFlow Serving.

    tempo-invariant export --output=exports/tempo_invariant
    tempo-invariant server --model_base_path=exports/tempo_invariant --port=8500

New versions are found while it runs. It ends on SIGTERM or SIGINT, once its requests are answered.
"""

commands.define_input(
    "model_base_path",
    None,
    "Directory of the exported versions of the model.",
    required=True,
    check=check_versions,
)
flags.DEFINE_string("model_name", "tempo_invariant", "The model's name in requests.")
flags.DEFINE_string("host", "localhost", "Address to listen on; 0.0.0.0 is every one.")
flags.DEFINE_integer("port", 8500, "Port to listen on.", lower_bound=0, upper_bound=65535)
flags.DEFINE_integer(
    "max_message_mb", 64, "The largest message in MiB, in either direction.", 1, 2047
)
flags.DEFINE_integer("max_batch_size", 256, "The most rows in a request.", lower_bound=1)
flags.DEFINE_integer(
    "max_concurrent_requests",
    128,
    "Predictions that may run or wait; further ones get RESOURCE_EXHAUSTED.",
    lower_bound=1,
)
flags.DEFINE_integer(
    "workers",
    min(os.cpu_count() or 1, 4),
    "Predictions that run at the same time; one of a full batch takes a gigabyte.",
    lower_bound=1,
)
flags.DEFINE_integer("versions", 1, "How many of the newest versions are served.", lower_bound=1)
flags.DEFINE_float("poll_seconds", 2.0, "How often to look for a new version.", lower_bound=0.05)
flags.DEFINE_float(
    "drain_seconds", 30.0, "How long requests may take to finish at the end.", lower_bound=0
)
flags.DEFINE_float(
    "arrival_seconds",
    10.0,
    "How long the message of a request may take to arrive.",
    lower_bound=0.05,
)
flags.DEFINE_integer(
    "metrics_port",
    None,
    "Port for Prometheus, over HTTP at /metrics; none if not given.",
    lower_bound=0,
    upper_bound=65535,
)
flags.DEFINE_enum(
    "log_level",
    "info",
    ["debug", "info", "warning", "error"],
    "What is logged: debug has a line for every request, info has what becomes of versions.",
)


def main() -> None:
    """Serves until SIGTERM or SIGINT."""
    values = flags.FLAGS
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", force=True)
    logging.getLogger("serving").setLevel(values.log_level.upper())
    # A client that leaves while its answer is sent would be an error with a stack.
    logging.getLogger("grpc").setLevel(logging.CRITICAL)
    from serving.hosting.server import ModelServer, ServerConfig

    config = ServerConfig(
        model_base_path=values.model_base_path,
        model_name=values.model_name,
        host=values.host,
        port=values.port,
        max_message_bytes=values.max_message_mb * 2**20,
        max_batch_size=values.max_batch_size,
        max_concurrent_requests=values.max_concurrent_requests,
        workers=values.workers,
        versions_kept=values.versions,
        poll_seconds=values.poll_seconds,
        drain_seconds=values.drain_seconds,
        arrival_seconds=values.arrival_seconds,
        metrics_port=values.metrics_port,
    )
    ModelServer(config).run_until_signal()


if __name__ == "__main__":
    commands.run(main, USAGE)
