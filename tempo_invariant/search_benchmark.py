"""Measures the search: `python -m tempo_invariant.search_benchmark --vectors=10000000`."""

from absl import flags

from tempo_invariant import commands

USAGE = """Builds an index of synthetic vectors; measures its speed, and its recall against exact.

    tempo-invariant search-benchmark --vectors=10000000

Ten million vectors take about 3 GB of memory.
"""

flags.DEFINE_integer("vectors", 10_000_000, "Number of vectors.", 1)
flags.DEFINE_integer("queries", 1000, "Number of queries.", 1)
flags.DEFINE_integer("size", 32, "Number of dimensions.", 2)
flags.DEFINE_integer("exact_limit", None, "Largest number that is searched exhaustively.", 0)
flags.DEFINE_integer("seed", 0, "Seed for vectors and queries.", 0)


def main() -> None:
    """Measures and prints."""
    from tempo_invariant.evaluation import search
    from tempo_invariant.retrieval import neighbours

    values = flags.FLAGS
    limit = neighbours.EXACT_LIMIT if values.exact_limit is None else values.exact_limit
    measured = search.measure(values.vectors, values.queries, values.size, limit, values.seed)
    print(search.text(measured))


if __name__ == "__main__":
    commands.run(main, USAGE)
