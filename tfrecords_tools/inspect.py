"""Reports how well MSMD is aligned: `python -m tfrecords_tools.inspect --msmd=DIR`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.scores import msmd
from tfrecords_tools.records.splits import read_splits

USAGE = """Reports how well an MSMD directory is aligned, and draws random pairs to look at.

    tempo-invariant inspect --msmd=DIR [--pictures=DIR] [--report=JSON] [--split=YAML]

The table has, for each piece, the share of notes that a note head shows and of note heads (neither
tied nor without a system) that a note plays; how many of the onsets the spectral flux of the audio
confirms within a frame (and would confirm 5 frames off, or where nothing is struck); and what is
wrong with the order of systems and the place of note heads. With a split file it ends with the
numbers of the data set.

A picture is right when the circled note heads, in the middle of the snippet, are what starts to
sound in the middle of the excerpt: right of the arrows, which mark the bands of their pitches.
"""


flag_sets.define_msmd_flag(msmd.list_pieces)
commands.define_output(
    "pictures", None, "Directory for pairs.png; none is drawn if not given.", directory=True
)
flags.DEFINE_integer("pairs", 20, "Number of random pairs to draw.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Seed for the choice of pairs.", lower_bound=0)
flags.DEFINE_list("pieces", [], "Only these pieces; all, if empty.")
flags.DEFINE_integer("worst", 10, "Number of the worst aligned pieces to list.", lower_bound=0)
commands.define_output("report", None, "JSON file for the whole report.")
commands.define_input(
    "split",
    "",
    "YAML files with lists of pieces train, valid and test, with commas.",
    many=True,
    check=lambda path: read_splits([path]),
)
flags.DEFINE_integer("jobs", None, "Processes; one per core if not given.", lower_bound=1)


def main() -> None:
    """Runs the command."""
    from tfrecords_tools.inspection import counts, pictures, tables

    args = flags.FLAGS
    split = read_splits(args.split) if args.split else None
    report = counts.inspect_msmd(args.msmd, args.pieces, args.jobs)
    print(tables.table(report, args.worst))
    if split:
        print("\n" + tables.dataset_table(report, split))
    if args.report:
        report.write(args.report)
        print(f"report: {args.report}")
    if args.pictures:
        path = pictures.draw_pairs(
            args.msmd, args.pictures, list(report.pieces), args.pairs, args.seed
        )
        print(f"{args.pairs} random pairs: {path}")


if __name__ == "__main__":
    commands.run(main, USAGE)
