"""Measures libraries by size: `python -m tempo_invariant.library_size_benchmark --index=...`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.files import write_json
from tempo_invariant.model import choices

USAGE = """Counts how often the right score comes first, by the number of scores in the library.

    tempo-invariant query-set --msmd=data/msmd --pieces=@pieces.txt --expression=1 \\
        --seconds=10 --excerpts=5 --output=queries
    tempo-invariant library-size-benchmark --index=all-index --queries=queries --keep=kept \\
        --figure=curve.png
    tempo-invariant library-size-benchmark --index=all-index --queries=queries --keep=kept \\
        --size=10000

Up to the size of the index that is counted, for all libraries that hold the right score; beyond, it
is extrapolated. --size brings the index to so many scores with some drawn from a model of its own.
"""

commands.define_input("index", None, "Index of scores that index made.", required=True)
commands.define_input("queries", None, "Query set.", required=True)
commands.define_output(
    "keep",
    None,
    "Directory for indices of recordings, used again from there.",
    required=True,
    directory=True,
)
flags.DEFINE_integer("size", 0, "Number of scores to bring the library to; 0: as it is.", 0)
commands.define_output("output", None, "File for the results as JSON.")
commands.define_output("figure", None, "Picture of the curves.", picture=True)
flag_sets.define_model_flags()


def main() -> None:
    """Measures, prints a table and draws the curve."""
    values = flags.FLAGS
    from tempo_invariant.evaluation import library_size, query_sets
    from tempo_invariant.retrieval import embedders, library

    with commands.naming("index"):
        index = library.load(values.index, "sheets")
    with commands.naming("queries"):
        queries = query_sets.read(values.queries)
    embedder = embedders.open_embedder(**flag_sets.model_choice(choices.check, index.source))
    index.check_model(embedder)
    reports = library_size.run(embedder, index, queries, values.keep, values.size)
    print(library_size.table(reports))
    if values.output:
        write_json(values.output, reports)
    if values.figure:
        from tempo_invariant.evaluation import library_size_figure

        library_size_figure.draw(reports, values.figure)


if __name__ == "__main__":
    commands.run(main, USAGE)
