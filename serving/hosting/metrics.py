"""What Prometheus may ask a server."""

from collections.abc import Callable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    start_http_server,
)

from tempo_invariant.errors import UserError

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """The numbers of one server.

    Args:
        model_name: The model's name in requests.
        newest_version: Function that returns the number of the version that answers, 0 for none.
    """

    def __init__(self, model_name: str, newest_version: Callable[[], int]):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "serving_requests",
            "Calls that have ended, by method, signature and status.",
            ["method", "signature", "code"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "serving_request_seconds",
            "Time from the beginning of a call to its answer.",
            ["method", "signature"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.rows = Counter(
            "serving_rows",
            "Rows of the batches that were answered.",
            ["signature"],
            registry=self.registry,
        )
        self.in_flight = Gauge(
            "serving_requests_in_flight", "Calls that have not ended.", registry=self.registry
        )
        self.rejections = Counter(
            "serving_rejections",
            "Calls that were turned away because there was no room or no time for them.",
            ["code"],
            registry=self.registry,
        )
        version = Gauge(
            "serving_model_version",
            "Version that answers requests which name none.",
            ["model"],
            registry=self.registry,
        )
        version.labels(model_name).set_function(newest_version)

    def serve(self, host: str, port: int) -> Callable[[], None]:
        """Answers HTTP requests of any path on a port; the function that it returns ends that.

        Raises:
            UserError: The port is taken.
        """
        try:
            server, thread = start_http_server(port, host, self.registry)
        except OSError as error:
            raise UserError(f"cannot listen on {host}:{port}: {error.strerror}") from error

        def stop() -> None:
            server.shutdown()
            server.server_close()
            thread.join()

        return stop
