"""Refits the projection of a run: `python -m tempo_invariant.refine --run=runs/bl_at`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.model import runs
from tempo_invariant.training.requirements import check_refinement

USAGE = """Refits the CCA projection of a trained run on many training pairs at once.

    tempo-invariant refine --run=runs/bl_at
"""

commands.define_input(
    "run", None, "Directory of the run.", required=True, check=runs.load_experiment
)
commands.define_input("data", None, "Directory of records; default: what the run was trained on.")
flags.DEFINE_integer("pairs", 25_000, "Number of training pairs to fit to.", 100)
flags.DEFINE_bool("augment", True, "Draw and augment the pairs as in training.")
flags.DEFINE_string("weights", "best", "Weights to begin with: best or a file.")


def main() -> None:
    """Refines and prints what changed."""
    names = ("run", "data", "pairs", "augment", "weights")
    values = flags.FLAGS.flag_values_dict()
    runs.weights_path(values["run"], values["weights"])
    with commands.naming("data"):
        experiment, _ = runs.load_experiment_and_data(values["run"], values["data"])
    with commands.naming("run"):
        check_refinement(experiment, values["run"])
    from tempo_invariant.training import refinement

    print(refinement.summary(refinement.refine(**{name: values[name] for name in names})))


if __name__ == "__main__":
    commands.run(main, USAGE)
