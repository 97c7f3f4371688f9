"""Asks a server which snippets match a recording: `python -m serving.query --audio=FILE`."""

import os

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import printable

USAGE = """Ranks the snippets in a directory for one excerpt of a recording.

    tempo-invariant query --server=localhost:8500 --audio=query.wav --sheets=snippets

The server is TensorFlow Serving or `tempo-invariant server`, with an export of this project.
"""

flags.DEFINE_string("server", "localhost:8500", "HOST:PORT of the gRPC server.")
flags.DEFINE_string("model_name", "tempo_invariant", "The model's name at the server.")
commands.define_input("audio", None, "The recording, of any format and rate.", required=True)
commands.define_input("sheets", None, "Directory of PNG snippets, 200 x 160 pixels.", required=True)
flags.DEFINE_float("at", None, "Middle of the excerpt in seconds; default: of the recording.")
flags.DEFINE_float("timeout", 60.0, "Seconds to wait for one answer of the server.", 0.001)
flags.DEFINE_float("wait", 0.0, "Seconds to wait for a server that is just starting.", 0)
flags.DEFINE_integer("top", 5, "How many snippets to show.", 1)
commands.define_output(
    "picture", None, "File for a picture of excerpt, attention and snippets.", picture=True
)


def main() -> None:
    """Asks, prints the ranking, and draws it if a picture is wanted."""
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # one small request needs no GPU
    from serving.querying import search
    from tempo_invariant.retrieval.client import EmbeddingClient

    values = flags.FLAGS
    with EmbeddingClient(values.server, values.model_name, values.timeout, values.wait) as client:
        answer = search.query(client, values.audio, values.sheets, values.at)
    matches = answer.matches[: values.top]
    print(answer.heading(values.audio))
    print(search.table(matches))
    if values.picture:
        from serving.querying import picture

        picture.draw(answer, matches, values.picture)
        print(f"picture: {printable(values.picture)}")


if __name__ == "__main__":
    commands.run(main, USAGE)
