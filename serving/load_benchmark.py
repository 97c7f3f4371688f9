"""Measures a server under load: `python -m serving.load_benchmark --server=localhost:8500`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.files import write_json

USAGE = """Asks a server from many clients at once, malformed requests among theirs.

    tempo-invariant load-benchmark --server=localhost:8500 --pid=$(pgrep -f model_base_path)

Every answer is compared with that to the same input sent alone. Use it on a server of your own.
Exit code 1 if an answer was lost or wrong, or a malformed request got none.
"""

flags.DEFINE_string("server", "localhost:8500", "HOST:PORT of the gRPC server.")
flags.DEFINE_string("model_name", "tempo_invariant", "The model's name at the server.")
flags.DEFINE_integer("clients", 64, "Clients that ask at the same time.", 1)
flags.DEFINE_integer("requests", 2_000, "Requests of all of them together.", 1)
flags.DEFINE_integer("inputs", 16, "Different recordings, and as many snippets.", 1)
flags.DEFINE_integer("bad_requests", 200, "Malformed requests beside the others.", 0)
flags.DEFINE_float("seconds", 300.0, "After this no further request is sent.", 0)
flags.DEFINE_integer("pid", None, "Process of the server, to read its memory.")
flags.DEFINE_integer("seed", 0, "Seed for inputs and their order.")
commands.define_output("output", None, "JSON file to write.")


def main() -> None:
    """Measures, prints, and writes the JSON."""
    import os

    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
    from serving.load import measurement
    from tempo_invariant.errors import UserError

    values = flags.FLAGS
    load = measurement.Load(
        server=values.server,
        model_name=values.model_name,
        clients=values.clients,
        requests=values.requests,
        inputs=values.inputs,
        bad_requests=values.bad_requests,
        seconds=values.seconds,
        process=values.pid,
        seed=values.seed,
    )
    report = measurement.measure(load)
    print(measurement.table(report))
    if values.output:
        write_json(values.output, report)
    if report["wrong"] or report["lost"] or set(report["bad"]) & set(measurement.UNANSWERED):
        raise UserError("answers were lost or wrong, or the server fell silent")


if __name__ == "__main__":
    commands.run(main, USAGE)
