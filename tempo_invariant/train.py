"""Trains a model: `python -m tempo_invariant.train --flagfile=bl_at.flags`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.config import Experiment, ModelConfig, TrainingConfig
from tempo_invariant.data import schema
from tempo_invariant.errors import UserError
from tempo_invariant.training.requirements import requirements
from tempo_invariant.variations import Augmentation

USAGE = """Trains the two encoders on records; started again, it goes on where it was interrupted.

    tempo-invariant train --flagfile=bl_at.flags
    tempo-invariant train --flagfile=bl.flags --data=data/records --output=runs/bl
    tempo-invariant train --flagfile=small.flags --data=data/records_near --data_weights=
"""

for _settings in (ModelConfig, TrainingConfig, Augmentation):
    flag_sets.define_fields(_settings)
flags.FLAGS.set_default("temperature", 0.07)  # counts for the softmax loss; others have none
commands.define_output(
    "output", None, "Run directory, made or continued.", required=True, directory=True
)
flags.DEFINE_enum(
    "strategy",
    "mirrored",
    ["default", "mirrored", "multi_worker"],
    "Distribution: one device, all devices of this machine, or the cluster in TF_CONFIG.",
)


def read_experiment() -> Experiment:
    """Makes an experiment of the flags.

    Raises:
        UserError: Two of them do not fit each other.
    """
    model, training = flag_sets.read_fields(ModelConfig), flag_sets.read_fields(TrainingConfig)
    if training["loss"] != "softmax":
        model["temperature"] = 0.0
    training["augmentation"] = flag_sets.read_fields(Augmentation)
    return Experiment.from_fields(model, training)


def check(experiment: Experiment) -> None:
    """Makes sure that there is what the experiment needs, before TensorFlow is loaded.

    Raises:
        UserError: There is not; the message names the flag. Where one of several directories lacks
            records, it says how to do without them.
    """
    for name, fulfil in requirements(experiment, flags.FLAGS.output).items():
        with commands.naming(name):
            try:
                fulfil()
            except UserError as error:
                if name != "data" or len(schema.directories(experiment.training.data)) == 1:
                    raise
                text = f"{error}; or train on one alone: --data=DIR --data_weights="
                raise UserError(text) from error


def main() -> None:
    """Trains the experiment of the flags."""
    experiment, output = read_experiment(), flags.FLAGS.output
    check(experiment)
    from tempo_invariant.training import loop

    result = loop.train(experiment, output, flags.FLAGS.strategy)
    print(
        f"{output}: {result['epochs']} epochs, best MRR {result['best_mrr']:.3f} "
        f"in epoch {result['best_epoch']}\n"
        f"next: tempo-invariant {experiment.next_command} --run={output}"
    )


if __name__ == "__main__":
    commands.run(main, USAGE)
