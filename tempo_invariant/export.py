"""Exports a trained run: `python -m tempo_invariant.export --run=runs/bl_at --output=exports/x`."""

import os

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.errors import UserError
from tempo_invariant.model import choices, pretrained

USAGE = """Writes a run as a SavedModel for TensorFlow Serving, and checks it after reloading.

    tempo-invariant export --run=runs/bl_at --output=exports/tempo_invariant
    tempo-invariant export --pretrained=bl_at_lc --output=exports/tempo_invariant
"""

flag_sets.define_run_flags()
commands.define_output(
    "output",
    None,
    "Directory of the versions; its name is the model's name.",
    required=True,
    directory=True,
)
flags.DEFINE_integer("version", None, "Number of this version; default: the next one.", 1)


def main() -> None:
    """Loads the run, exports it and says where it is."""
    values = flags.FLAGS.flag_values_dict()
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    if backend != "tensorflow":
        raise UserError(f"export needs the TensorFlow backend, and KERAS_BACKEND is {backend!r}")
    run = pretrained.resolve(**flag_sets.run_choice(choices.check))
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # so that both sides of the check compute alike
    from tempo_invariant.model import runs, saved_model

    experiment = runs.load_experiment(run)
    model = runs.load_model(run, values["weights"])
    path, difference = saved_model.export(
        model,
        experiment.to_json(),
        values["output"],
        values["version"],
        experiment.model.staves,
        experiment.knows_present,
    )
    print(f"{path} (largest difference after reloading: {difference:.1e})")


if __name__ == "__main__":
    commands.run(main, USAGE)
