"""Builds an MSMD directory of scores: `python -m tfrecords_tools.build_msmd --scores=DIR`."""

import contextlib
import itertools
from typing import TYPE_CHECKING

from absl import flags

from tempo_invariant import commands, extras, flag_sets
from tempo_invariant.beam_runner import RUNNER_HELP, RUNNER_OPTION_HELP, Runner
from tempo_invariant.errors import UserError

if TYPE_CHECKING:
    from tfrecords_tools.msmd.pieces import BuildOptions

USAGE = """Builds an MSMD directory of scores that say which notes they have.

    tempo-invariant build-msmd --scores=mutopia.tar.gz --output=data/msmd

LilyPond files, MusicXML, MEI, Humdrum **kern and ABC are sought in folders of folders; a LilyPond
file that others include, or without music of its own, is no piece. Music for a piano and others is
built as the piano part alone. The piece Chopin__op28__04 is made of Chopin/op28/04.ly. The pages,
note heads, performances and their alignment are written in the layout of the published data set.
Finished pieces are skipped; other sounds or tempi are added to them. LilyPond files are programs:
build only from sources that you trust.
"""


commands.define_input(
    "scores",
    None,
    'Score, folder of scores, archive of one, or "sample" for those of this package.',
    required=True,
    words={"sample": "sample"},
)
commands.define_output("output", None, "MSMD directory to write.", required=True, directory=True)
commands.define_input(
    "pieces", None, "Table piece<TAB>lilypond_file; by default PIECES.tsv among the scores."
)
flags.DEFINE_multi_string("names", [], "Build this piece only (may be repeated, or a @FILE).")
flags.DEFINE_integer("limit", None, "Largest number of pieces to build.", lower_bound=1)
flags.DEFINE_multi_string(
    "soundfont", [], "Soundfont (.sf2; may be repeated); TimGM6mb if not given."
)
flags.DEFINE_multi_integer(
    "preset", [0], "General MIDI program (may be repeated).", lower_bound=0, upper_bound=127
)
flags.DEFINE_list("tempo", ["1.0"], "Speeds relative to the notated one, with commas.")
flags.DEFINE_list(
    "expression", ["0"], "Seeds of expressive playing, with commas; 0 plays as notated."
)
flags.DEFINE_list(
    "instrument", ["0"], "Seeds of tuning and pedal noise, with commas; 0: the soundfont as it is."
)
flags.DEFINE_list("room", ["0"], "Seeds of rooms and the microphone's place, with commas; 0: none.")
flags.DEFINE_list("ink", ["bold", "thin"], "How pages are drawn; the first goes to img/.")
flags.DEFINE_integer(
    "look",
    0,
    "Seed by which MusicXML, MEI, kern and ABC are engraved each with fonts, sizes, distances of "
    "its own; 0: all alike.",
    lower_bound=0,
)
flags.DEFINE_float(
    "staff_distance",
    1.0,
    "How many times as far apart as usual the staves of a system are engraved.",
    lower_bound=0.5,
    upper_bound=4,
)
flags.DEFINE_integer("jobs", None, "Processes; one per core if not given.", lower_bound=1)
flags.DEFINE_string("runner", None, RUNNER_HELP)
flags.DEFINE_multi_string("runner_option", [], RUNNER_OPTION_HELP)
flags.DEFINE_float(
    "timeout", 180.0, "Processor seconds that engraving a score may take.", lower_bound=1.0
)


def _options() -> "BuildOptions":
    """Returns what the flags ask for."""
    from tfrecords_tools.msmd.pieces import INKS, BuildOptions
    from tfrecords_tools.music.performing import Sound
    from tfrecords_tools.music.synthesis import check_soundfont, default_soundfont

    args = flags.FLAGS
    tempi = flag_sets.read_numbers("tempo")
    if not all(0.05 <= tempo <= 20 for tempo in tempi):
        raise UserError(f"--tempo={','.join(args.tempo)}: must be between 0.05 and 20")
    if not args.ink or set(args.ink) - set(INKS):
        raise UserError(f"--ink={','.join(args.ink)}: expected some of {', '.join(INKS)}")
    soundfonts = args.soundfont or [str(default_soundfont())]
    with commands.naming("soundfont"):
        for soundfont in soundfonts:
            check_soundfont(soundfont)
    seeds = [_seeds(flag) for flag in ("expression", "instrument", "room")]
    if any(seeds[-1]):
        extras.require("pyroomacoustics", "--room")
    combinations = itertools.product(soundfonts, args.preset, *seeds)
    sounds = tuple(Sound(*combination) for combination in combinations)
    return BuildOptions(
        sounds, tuple(tempi), tuple(args.ink), args.timeout, args.look, args.staff_distance
    )


def _seeds(flag: str) -> list[int]:
    """Returns the numbers of a flag, each once."""
    seeds = sorted(set(flag_sets.read_numbers(flag, int)))
    if seeds[0] < 0:
        raise UserError(f"--{flag}={','.join(flags.FLAGS[flag].value or [])}: must be 0 or more")
    return seeds


def main() -> None:
    """Builds what the flags ask for."""
    from tempo_invariant.scores.sources import open_scores, select
    from tfrecords_tools.msmd.batch import build

    args = flags.FLAGS
    options = _options()
    runner = Runner(args.runner, tuple(args.runner_option)) if args.runner else None
    with contextlib.ExitStack() as stack:
        with commands.naming("scores", "pieces"):
            sources = stack.enter_context(open_scores(args.scores, args.pieces))
        with commands.naming("names"):
            chosen = select(sources, flag_sets.read_names(args.names), args.limit)
        report = build(chosen, args.output, options, args.jobs, runner)
    print(report.table())
    if not report.built:
        raise UserError(f"none of the {len(report.failed)} pieces could be built")


if __name__ == "__main__":
    commands.run(main, USAGE)
