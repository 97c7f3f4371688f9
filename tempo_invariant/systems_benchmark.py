"""Measures system detection: `python -m tempo_invariant.systems_benchmark --msmd=data/msmd`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.scores import msmd

USAGE = """Finds systems on pages without annotation and compares with the engraver's positions.

    tempo-invariant systems-benchmark --msmd=data/msmd --pages=200 --degraded
    tempo-invariant systems-benchmark --msmd=data/msmd --pages=200 --warped --degraded

A system is right when it is found once, its box covers at least 0.8 of the union with the true
one, and top and bottom are less than a staff space off along its whole width. The systems of two
pages on a sheet are in reading order, too. --warped, --degraded, --two_up and --turned may be
combined; what they do is drawn at random for every page.
"""

flag_sets.define_msmd_flag(msmd.list_pieces)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
flags.DEFINE_integer("pages", 200, "Number of pages, drawn at random.", 1)
flags.DEFINE_bool("degraded", False, "Rotate (to 3 degrees), shade, blur, ... the pages first.")
flags.DEFINE_bool("warped", False, "Photograph them first as pages of an open book, aslant.")
flags.DEFINE_bool("two_up", False, "Put two of them side by side.")
flags.DEFINE_bool("turned", False, "Turn them by 90, 180 or 270 degrees.")
flags.DEFINE_integer("seed", 0, "Seed for the choice of pages and their degradation.", 0)
flags.DEFINE_string("ink", "bold", "Rendering of the pages.")
commands.define_output(
    "pictures", None, "Directory for pictures of the pages with errors.", directory=True
)


def main() -> None:
    """Measures and prints the report."""
    from tempo_invariant.evaluation import system_detection
    from tempo_invariant.evaluation.altered_pages import Alterations

    values = flags.FLAGS
    alterations = Alterations(values.warped, values.degraded, values.two_up, values.turned)
    report = system_detection.measure(
        values.msmd,
        values.pages,
        alterations,
        values.seed,
        values.ink,
        values.pictures,
        flag_sets.read_names(values.pieces),
    )
    print(report.table())


if __name__ == "__main__":
    commands.run(main, USAGE)
