"""Averages a run with what it began with: `python -m tempo_invariant.average --run=runs/best`."""

from absl import flags

from tempo_invariant import commands

USAGE = """Averages the weights of a run with those of the run that its training began with.

    tempo-invariant average --run=runs/best

The share of either is the one that validates best; the average becomes the run's refined weights.
"""

commands.define_input("run", None, "Directory of the run.", required=True)
commands.define_input("other", None, "Another run; default: the one whose weights it began with.")
commands.define_input("data", None, "Directory of records; default: what the run was trained on.")


def main() -> None:
    """Averages and prints what each share is worth."""
    values = flags.FLAGS
    from tempo_invariant.training import averaging

    print(averaging.summary(averaging.average(values.run, values.other, values.data)))


if __name__ == "__main__":
    commands.run(main, USAGE)
