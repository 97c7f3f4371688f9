"""Photographs pages: `python -m tfrecords_tools.photographs --msmd=DIR --output=DIR`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.scores import msmd

USAGE = """Photographs the pages of an MSMD directory, as those of an open book on a table.

    tempo-invariant photographs --msmd=data/msmd --pieces=@pieces.txt --output=photographs
    tempo-invariant identification-benchmark --scores=photographs --queries=queries

The output is a new folder that holds a folder of pages for each piece, PIECE/01.png for the first
page; index reads each of them as a score. What is done to a page is drawn at random: it is what
systems-benchmark --warped --degraded does to it with the same seed.
"""


flag_sets.define_msmd_flag(msmd.list_pieces)
commands.define_output(
    "output", None, "New directory for the pictures.", required=True, directory=True
)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
flags.DEFINE_bool("warped", True, "Bend the pages towards the fold, and look at them aslant.")
flags.DEFINE_bool("degraded", True, "Rotate (to 3 degrees), shade, blur, ... the pictures.")
flags.DEFINE_integer("seed", 0, "Seed for what is done to each page.", 0)


def main() -> None:
    """Runs the command."""
    from tempo_invariant.evaluation.altered_pages import Alterations
    from tfrecords_tools.queries import photographing

    args = flags.FLAGS
    count = photographing.photograph(
        args.msmd,
        args.output,
        flag_sets.read_names(args.pieces),
        Alterations(args.warped, args.degraded),
        args.seed,
    )
    print(f"{count} pages in {args.output}")


if __name__ == "__main__":
    commands.run(main, USAGE)
