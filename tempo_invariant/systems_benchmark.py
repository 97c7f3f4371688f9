"""Measures system detection: `python -m tempo_invariant.systems_benchmark --msmd=data/msmd`."""

from absl import flags

from tempo_invariant import commands

USAGE = """Finds systems on pages without annotation and compares with the engraver's positions.

    tempo-invariant systems-benchmark --msmd=data/msmd --pages=200 --degraded

A system is right when it is found once, its box covers at least 0.8 of the union with the true
one, and top and bottom are less than a staff space off.
"""

commands.define_input("msmd", None, "Directory in MSMD's layout.", required=True)
flags.DEFINE_integer("pages", 200, "Number of pages, drawn at random.", 1)
flags.DEFINE_bool("degraded", False, "Rotate (to 3 degrees), shade, blur, ... the pages first.")
flags.DEFINE_integer("seed", 0, "Seed for the choice of pages and their degradation.", 0)
flags.DEFINE_string("ink", "bold", "Rendering of the pages.")
commands.define_output(
    "pictures", None, "Directory for pictures of the pages with errors.", directory=True
)


def main() -> None:
    """Measures and prints the report."""
    from tempo_invariant.evaluation import system_detection

    values = flags.FLAGS
    report = system_detection.measure(
        values.msmd, values.pages, values.degraded, values.seed, values.ink, values.pictures
    )
    print(report.table())


if __name__ == "__main__":
    commands.run(main, USAGE)
