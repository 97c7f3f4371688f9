"""Measures the training input: `python -m tempo_invariant.pipeline_benchmark --data=DIR`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.files import write_json

USAGE = """Measures what the training input costs: speed per core, memory, evenness of sampling.

    python -m tempo_invariant.pipeline_benchmark --data=data/records --output=pipeline.json
"""

flags.DEFINE_string("data", None, "Directory of TFRecord shards.", required=True)
flags.DEFINE_enum("split", "train", ["train", "valid", "test"], "Which pieces.")
flags.DEFINE_integer("batch_size", 100, "Pairs a batch.", 1)
flags.DEFINE_multi_integer("frames", [84, 168], "Length of an excerpt (may be repeated).", 1)
flags.DEFINE_integer("pairs", 20_000, "Pairs to measure on, after a warm-up of a tenth.", 1)
flags.DEFINE_integer("sampled", 500_000, "Draws that the test of even sampling counts.", 1)
flags.DEFINE_float(
    "memory_mib", None, "Read a larger split from its shards; default: as in training.", 0
)
flags.DEFINE_integer("seed", 0, "Of the draws.")
flags.DEFINE_string("output", None, "JSON file to write.")


def main() -> None:
    """Measures, prints the table and writes the JSON."""

    from tempo_invariant.evaluation import speed

    values = flags.FLAGS.flag_values_dict()
    names = ("data", "split", "batch_size", "frames", "pairs", "sampled")
    report = speed.measure(**{name: values[name] for name in (*names, "memory_mib", "seed")})
    print(speed.table(report))
    if values["output"]:
        write_json(values["output"], report)


if __name__ == "__main__":
    commands.run(main, USAGE)
