"""Makes a model that ships: `python -m tempo_invariant.package_model --run=runs/bl --name=bl`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.data import schema
from tempo_invariant.model import pretrained, runs

USAGE = """Writes a trained run as a model that ships with the package, with its model card.

    tempo-invariant package-model --run=runs/bl_at --name=bl_at --data=data/records

It goes to the package's directory `pretrained/NAME` and is used as `--pretrained=NAME`. The card
takes its results from those evaluations in the run directory that are about these weights: run
`tempo-invariant evaluate --run=RUN` first.
"""

commands.define_input(
    "run", None, "Directory of the run.", required=True, check=runs.load_experiment
)
flags.DEFINE_string("name", None, "Name of the model.", required=True)
flags.DEFINE_string("weights", None, "Weights: best, refined or a file; default: refined if there.")
commands.define_input(
    "data",
    None,
    "Directories of the records that it was trained on, for the card, and for what tells how near "
    "the model holds a snippet to everything: without that it identifies less well.",
    many=True,
)


def main() -> None:
    """Packages the model and says what its card holds."""
    values = flags.FLAGS
    pretrained.check_new(values.name)
    runs.weights_path(values.run, values.weights)
    data = ",".join(values.data or ())
    if data:
        with commands.naming("data"):
            schema.check_data(data, runs.load_experiment(values.run).model.staves)
    from tempo_invariant.training import model_card, packaging

    path, card, others = packaging.package(values.run, values.name, values.weights, data or None)
    print(f"{path}\n{model_card.summary(card, others)}")
    print(
        f"all that ship: {', '.join(pretrained.names())}, {pretrained.total_bytes() / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    commands.run(main, USAGE)
