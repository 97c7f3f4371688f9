"""Says how well an MSMD directory is aligned, and draws random pairs to look at.

    python -m tfrecords_tools.inspect --msmd=DIR [--pictures=DIR] [--pairs=20] [--seed=0]

The table has, for each piece, the share of notes that a note head shows and of note heads (neither
tied nor without a system) that a note plays. A picture is right when the circled note heads, in
the middle of the snippet, are what starts to sound in the middle of the excerpt: right of the
arrows, which mark the bands of their pitches.
"""

from absl import flags

from tempo_invariant import commands

FLAGS = flags.FLAGS
flags.DEFINE_string("msmd", None, "Directory in the published MSMD layout.", required=True)
flags.DEFINE_string("pictures", None, "Directory for pairs.png; none is drawn if not given.")
flags.DEFINE_integer("pairs", 20, "How many random pairs to draw.", lower_bound=1)
flags.DEFINE_integer("seed", 0, "Chooses the pairs.", lower_bound=0)
flags.DEFINE_list("pieces", [], "Only these pieces; all, if empty.")
flags.DEFINE_integer("worst", 10, "How many of the worst aligned pieces to list.", lower_bound=0)


def main() -> None:
    """Runs the command."""
    from tfrecords_tools import inspection

    report = inspection.inspect_msmd(FLAGS.msmd, FLAGS.pieces)
    print(report.table(FLAGS.worst))
    if FLAGS.pictures:
        path = inspection.draw_pairs(
            FLAGS.msmd, FLAGS.pictures, list(report.pieces), FLAGS.pairs, FLAGS.seed
        )
        print(f"{FLAGS.pairs} random pairs: {path}")


if __name__ == "__main__":
    commands.run(main, __doc__)
