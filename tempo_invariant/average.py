"""Averages a run with what it began with: `python -m tempo_invariant.average --run=runs/best`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.model import choices, runs
from tempo_invariant.training.requirements import check_averaging

USAGE = """Averages the weights of a run with those of the run that its training began with.

    tempo-invariant average --run=runs/best

The share of either is the one that validates best; the average becomes the run's refined weights.
"""

commands.define_input(
    "run", None, "Directory of the run.", required=True, check=lambda run: choices.check("run", run)
)
flags.DEFINE_string(
    "other", None, "Another run, or model that ships; default: the one that it began with."
)
commands.define_input("data", None, "Directory of records; default: what the run was trained on.")


def main() -> None:
    """Averages and prints what each share is worth."""
    values = flags.FLAGS
    with commands.naming("data"):
        experiment, _ = runs.load_experiment_and_data(values.run, values.data)
    with commands.naming("run"):
        other = check_averaging(experiment, values.run, values.other)
    with commands.naming("other"):
        choices.locate(other)
    from tempo_invariant.training import averaging

    print(averaging.summary(averaging.average(values.run, values.other, values.data)))


if __name__ == "__main__":
    commands.run(main, USAGE)
