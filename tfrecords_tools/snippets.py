"""Writes sheet snippets as images: `python -m tfrecords_tools.snippets --msmd=DIR`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.geometry import PRINTED, STAVES
from tempo_invariant.scores import msmd

USAGE = """Cuts sheet snippets at note heads from an MSMD directory and writes them as PNG files.

    tempo-invariant snippets --msmd=DIR --output=DIR [--pieces=A,B] [--every=4]
        [--limit=1000]

Each is 160 x 200 page pixels, one per distinct onset, and named PIECE_pPAGE_sSYSTEM_xCOLUMN.png;
names.json says for each file which piece, page, system and column of the page it shows.
"""


flag_sets.define_msmd_flag(msmd.list_pieces)
commands.define_output(
    "output", None, "Directory for the PNG files and names.json.", required=True, directory=True
)
flags.DEFINE_list("pieces", [], "Only these pieces; all, if empty.")
flags.DEFINE_integer("every", 1, "Step from one onset to the next that is cut.", lower_bound=1)
flags.DEFINE_integer(
    "limit", None, "Largest number of snippets, evenly spaced over all.", lower_bound=1
)
flags.DEFINE_string("ink", None, "Rendering of the page; the first one, if not given.")
flags.DEFINE_enum(
    "staves", PRINTED, STAVES, "Distance of a piano's two staves: that of the model to be asked."
)


def main() -> None:
    """Runs the command."""
    from tfrecords_tools.records import snippet_files

    args = flags.FLAGS
    count, problems = snippet_files.write_snippets(
        args.msmd,
        args.output,
        pieces=args.pieces,
        every=args.every,
        limit=args.limit,
        ink=args.ink,
        staves=args.staves,
    )
    for problem in problems:
        print(f"skipped: {problem}")
    print(f"{count} snippets in {args.output}")


if __name__ == "__main__":
    commands.run(main, USAGE)
