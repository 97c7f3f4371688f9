"""Makes TFRecord shards of an MSMD directory: `python -m tfrecords_tools.convert --msmd=DIR`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.beam_runner import RUNNER_HELP, RUNNER_OPTION_HELP, Runner
from tempo_invariant.geometry import PRINTED, STAVES
from tempo_invariant.scores import msmd
from tfrecords_tools.records.splits import read_splits

USAGE = """Converts an MSMD directory, rebuilt or downloaded, to TFRecord shards.

    tempo-invariant convert --msmd=DIR --output=DIR [--split=YAML,YAML]
        [--test_soundfont=MuseScore_General] [--train_soundfonts=A,B]

Systems whose staves stand far apart leave the snippets; with --staves=near they are brought to a
height that fits, for models that are trained with --staves=near, too.
Without a split file, pieces go 80/10/10 to train, valid and test by a hash of their names.
"""


flag_sets.define_msmd_flag(msmd.list_pieces)
commands.define_output(
    "output", None, "Directory for shards and dataset_info.json.", required=True, directory=True
)
commands.define_input(
    "split",
    "",
    "YAML files with lists of pieces train, valid and test, with commas.",
    many=True,
    check=lambda path: read_splits([path]),
)
flags.DEFINE_list("train_soundfonts", [], "Only soundfonts of train and valid; all, if empty.")
flags.DEFINE_string(
    "test_soundfont", "", "The only soundfont of the test split, which train and valid never hold."
)
flags.DEFINE_enum(
    "staves",
    PRINTED,
    STAVES,
    "Distance of a piano's two staves in snippets: that of the models that the records are for.",
)
flags.DEFINE_float("shard_megabytes", 64, "Size at which a shard is closed.", lower_bound=0.001)
flags.DEFINE_integer("workers", None, "Processes; one per processor core if not given.", 1)
flags.DEFINE_string("runner", None, RUNNER_HELP)
flags.DEFINE_multi_string("runner_option", [], RUNNER_OPTION_HELP)


def main() -> None:
    """Runs the command."""
    from tfrecords_tools.records import conversion

    args = flags.FLAGS
    report = conversion.convert(
        args.msmd,
        args.output,
        split_paths=args.split,
        selection=conversion.Selection(tuple(args.train_soundfonts), args.test_soundfont),
        shard_megabytes=args.shard_megabytes,
        workers=args.workers,
        runner=Runner(args.runner, tuple(args.runner_option)) if args.runner else None,
        staves=args.staves,
    )
    print(report.table())


if __name__ == "__main__":
    commands.run(main, USAGE)
