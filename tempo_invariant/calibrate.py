"""Fits what a model's confidence is made of: `python -m tempo_invariant.calibrate --index=...`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import UserError

USAGE = """Fits the confidence of answers, for a model that ships, and writes it beside its weights.

    tempo-invariant query-set --msmd=data/msmd --pieces=@pieces.txt --output=queries \\
        --seconds=3,10,20,60,0 --excerpts=2 --expression=1
    tempo-invariant calibrate --pretrained=best --index=indices/all --queries=queries

The pieces of the queries are among those of the index, which was made with the model. With whole
recordings (a length of 0) it is fitted for the other direction as well: their pages, asked of them.
"""

flags.DEFINE_string("pretrained", "best", "Name of the model.")
commands.define_input("index", None, "Index of many scores.", required=True)
commands.define_input("queries", None, "Query sets.", required=True, many=True)
commands.define_output(
    "keep",
    None,
    "Directory for indices of the recordings, which are used again from there.",
    directory=True,
)


def main() -> None:
    """Fits, writes and prints what is to be expected of it."""
    values = flags.FLAGS
    from tempo_invariant import json_objects
    from tempo_invariant.evaluation import calibration, query_sets
    from tempo_invariant.model import pretrained
    from tempo_invariant.retrieval import certainty, embedders, library

    with commands.naming("pretrained"):
        directory = pretrained.find(values.pretrained)
    with commands.naming("index"):
        index = library.load(values.index, "sheets")
    with commands.naming("queries"):
        queries = [query for path in values.queries for query in query_sets.read(path)]
    if missing := {query.piece for query in queries} - set(index.documents):
        raise UserError(f"{values.index}: holds no score {min(missing)!r}")
    embedder = embedders.open_embedder("pretrained", values.pretrained)
    index.check_model(embedder)
    for kind, asked in calibration.ask_both_ways(embedder, index, queries, values.keep):
        fitted, table = calibration.fit(asked)
        json_objects.save(directory / certainty.FILES[kind], fitted)
        print(f"{directory / certainty.FILES[kind]}\n{table}")


if __name__ == "__main__":
    commands.run(main, USAGE)
