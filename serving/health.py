"""Asks a server whether it is serving: `python -m serving.health --server=localhost:8500`."""

import time

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import UserError, one_line

USAGE = """Asks a gRPC server whether it is serving, for the health checks of containers.

    tempo-invariant health --server=localhost:8500

It uses the standard health service of gRPC. Exit code 0 if the server is serving, else 1; with
--wait, as soon as it is, or when the time is over.
"""

_PAUSE_SECONDS = 0.2

flags.DEFINE_string("server", "localhost:8500", "HOST:PORT of the gRPC server.")
flags.DEFINE_string("service", "", "Name of one service; the server as a whole if not given.")
flags.DEFINE_float("timeout", 5.0, "Seconds to wait for one answer of the server.", 0.001)
flags.DEFINE_float("wait", 0.0, "Seconds to wait for a server that is just starting.", 0)


def main() -> None:
    """Asks, again and again if need be, and prints the status."""
    deadline = time.monotonic() + flags.FLAGS.wait
    while True:
        try:
            print(_ask())
            return
        except UserError as error:
            if isinstance(error.__cause__, ValueError) or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def _ask() -> str:
    """Returns the status of a server that is serving.

    Raises:
        UserError: It is not, does not answer, or its name is no text.
    """
    import grpc
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    values = flags.FLAGS
    try:
        request = health_pb2.HealthCheckRequest(service=values.service)
        with grpc.insecure_channel(values.server) as channel:
            response = health_pb2_grpc.HealthStub(channel).Check(request, timeout=values.timeout)
    except ValueError as error:  # neither gRPC nor its messages take other text
        raise UserError("--server and --service must be text in UTF-8") from error
    except grpc.RpcError as error:
        reason = one_line(error.details() or "no details")
        raise UserError(f"{values.server}: {error.code().name} ({reason})") from error
    status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
    if response.status != health_pb2.HealthCheckResponse.SERVING:
        raise UserError(f"{values.server}: {status}")
    return status


if __name__ == "__main__":
    commands.run(main, USAGE)
