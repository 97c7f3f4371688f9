"""Draws training curves: `python -m tempo_invariant.training_curves --runs=a,b --output=c.png`."""

from absl import flags

from tempo_invariant import commands

USAGE = """Draws validation MRR, R@1 and loss of runs over the pairs that they were trained on.

    tempo-invariant training-curves --runs=runs/bl,runs/bl_at --output=curves.png

A dot marks the best epoch, whose weights a run keeps. Models that ship have their history too:
--runs=tempo_invariant/pretrained/best.
"""

commands.define_input("runs", None, "Directories of runs.", required=True, many=True)
flags.DEFINE_list("names", [], "Names of the runs; default: those of the directories.")
commands.define_output("output", None, "Picture.", required=True, picture=True)


def main() -> None:
    """Draws the curves and says which epochs were the best."""
    values = flags.FLAGS
    from tempo_invariant.training import curves

    with commands.naming("runs"):
        histories = curves.read(values.runs, values.names)
    curves.draw(histories, values.output)
    print(curves.summary(histories))


if __name__ == "__main__":
    commands.run(main, USAGE)
