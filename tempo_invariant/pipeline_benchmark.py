"""Measures the training input: `python -m tempo_invariant.pipeline_benchmark --data=DIR`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.data import schema
from tempo_invariant.files import write_json

USAGE = """Measures what the training input costs: speed per core, memory, evenness of sampling.

    tempo-invariant pipeline-benchmark --data=data/records --output=pipeline.json
"""

commands.define_input(
    "data", None, "Directory of TFRecord shards.", required=True, check=schema.check_data
)
flags.DEFINE_enum("split", "train", ["train", "valid", "test"], "Split whose pieces are taken.")
flags.DEFINE_integer("batch_size", 100, "Pairs a batch.", 1)
flags.DEFINE_multi_integer("frames", [84, 168], "Length of an excerpt (may be repeated).", 1)
flags.DEFINE_integer("pairs", 20_000, "Pairs to measure on, after a warm-up of a tenth.", 1)
flags.DEFINE_integer("sampled", 500_000, "Draws that the test of even sampling counts.", 1)
flags.DEFINE_float(
    "memory_mib", None, "Read a larger split from its shards; default: as in training.", 0
)
flags.DEFINE_integer("seed", 0, "Seed for the draws.")
commands.define_output("output", None, "JSON file to write.")


def main() -> None:
    """Measures, prints the table and writes the JSON."""
    from tempo_invariant.data.corpus import MEMORY_MIB, load_corpus
    from tempo_invariant.evaluation import speed

    values = flags.FLAGS
    limit = MEMORY_MIB if values.memory_mib is None else values.memory_mib
    corpus = load_corpus(values.data, values.split, limit)
    report = {"data": values.data, "split": values.split} | speed.measure(
        corpus, values.batch_size, values.frames, values.pairs, values.sampled, values.seed
    )
    print(speed.table(report))
    if values.output:
        write_json(values.output, report)


if __name__ == "__main__":
    commands.run(main, USAGE)
