"""Asks a server whether it is serving: `python -m serving.health --server=localhost:8500`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import UserError, one_line

USAGE = """Asks a gRPC server whether it is serving, for the health checks of containers.

    tempo-invariant health --server=localhost:8500

It uses the standard health service of gRPC. Exit code 0 if the server is serving, else 1.
"""

flags.DEFINE_string("server", "localhost:8500", "HOST:PORT of the gRPC server.")
flags.DEFINE_string("service", "", "Name of one service; the server as a whole if not given.")
flags.DEFINE_float("timeout", 5.0, "Seconds to wait for the answer.", 0.001)


def main() -> None:
    """Asks and prints the status."""
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
    print(status)


if __name__ == "__main__":
    commands.run(main, USAGE)
