"""Converts an MSMD directory, rebuilt or downloaded, to TFRecord shards.

    python -m tfrecords_tools.convert --msmd=DIR --output=DIR [--split=YAML]
        [--test_soundfont=MuseScore_General] [--train_soundfonts=A,B]

Without a split file, pieces go 80/10/10 to train, valid and test by a hash of their names.
"""

from absl import flags

from tempo_invariant import commands
from tfrecords_tools.running.beam import RUNNER_HELP, RUNNER_OPTION_HELP, Runner

FLAGS = flags.FLAGS
flags.DEFINE_string("msmd", None, "Directory in the published MSMD layout.", required=True)
flags.DEFINE_string("output", None, "Directory for shards and dataset_info.json.", required=True)
flags.DEFINE_string("split", None, "YAML file with lists of pieces train, valid and test.")
flags.DEFINE_list("train_soundfonts", [], "Only soundfonts of train and valid; all, if empty.")
flags.DEFINE_string(
    "test_soundfont", "", "The only soundfont of the test split, which train and valid never hold."
)
flags.DEFINE_float("shard_megabytes", 64, "Size at which a shard is closed.", lower_bound=0.001)
flags.DEFINE_integer("workers", None, "Processes; one per processor core if not given.")
flags.DEFINE_string("runner", None, RUNNER_HELP)
flags.DEFINE_multi_string("runner_option", [], RUNNER_OPTION_HELP)


def main() -> None:
    """Runs the command."""
    from tfrecords_tools.records import conversion

    report = conversion.convert(
        FLAGS.msmd,
        FLAGS.output,
        split_path=FLAGS.split,
        selection=conversion.Selection(tuple(FLAGS.train_soundfonts), FLAGS.test_soundfont),
        shard_megabytes=FLAGS.shard_megabytes,
        workers=FLAGS.workers,
        runner=Runner(FLAGS.runner, tuple(FLAGS.runner_option)) if FLAGS.runner else None,
    )
    print(report.table())


if __name__ == "__main__":
    commands.run(main, __doc__)
