"""Plays pieces into a query set: `python -m tfrecords_tools.query_set --msmd=DIR`."""

import dataclasses
import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.errors import printable
from tempo_invariant.scores import msmd
from tempo_invariant.wording import counted

if TYPE_CHECKING:
    from tempo_invariant.evaluation.conditions import Condition

USAGE = """Plays pieces of an MSMD directory into a query set, which the benchmarks read.

    tempo-invariant query-set --msmd=data/msmd --pieces=@pieces.txt --output=queries \\
        --tempo=0.66,1.0 --seconds=10,0 --soundfont=FluidR3_GM.sf2

The folder holds recordings, when their note heads are struck, and queries.json. What was rendered
before is not rendered again. Conditions other than tempo, expression and that of a phone come from
a JSON file: a list of objects with some of name, group, tempo, soundfont, preset, expression,
seconds, gain_db, degradation and ink, see tempo_invariant.evaluation.conditions.
"""


flag_sets.define_msmd_flag(msmd.list_pieces)
commands.define_output(
    "output", None, "Folder to write, or to go on with.", required=True, directory=True
)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
commands.define_input("conditions", None, "JSON file of conditions, in place of those below.")
commands.define_input("soundfont", None, "Soundfont (.sf2); TimGM6mb if not given.")
flags.DEFINE_list("preset", ["0"], "General MIDI programs; 0 is a piano.")
flags.DEFINE_list("tempo", ["1.0"], "Speeds relative to the notated one.")
flags.DEFINE_list("expression", ["0"], "Seeds of expressive playing; 0 plays as notated.")
flags.DEFINE_list("seconds", ["0"], "Lengths of what is played; 0: all.")
flags.DEFINE_integer("excerpts", 1, "Number of excerpts of a length from each piece.", 1)
flags.DEFINE_boolean("degraded", False, "As a phone: a room, noise, quiet, MP3, out of tune.")
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_integer("seed", 0, "Seed for the places of excerpts, and for rooms and noise.", 0)


def _conditions() -> list["Condition"]:
    """Returns the conditions that the flags ask for, named by what differs between them."""
    from tempo_invariant import json_objects
    from tempo_invariant.audio.degradation import AS_PLAYED, PHONE
    from tempo_invariant.evaluation.conditions import Condition
    from tfrecords_tools.music.synthesis import default_soundfont

    args = flags.FLAGS
    if args.conditions:
        with commands.naming("conditions"):
            return json_objects.load(list[Condition], Path(args.conditions))
    seconds, tempi = flag_sets.read_numbers("seconds"), flag_sets.read_numbers("tempo")
    seeds, presets = (flag_sets.read_numbers(name, int) for name in ("expression", "preset"))
    shared = {
        "soundfont": args.soundfont or str(default_soundfont()),
        "gain_db": args.gain_db,
        "degradation": PHONE if args.degraded else AS_PLAYED,
    }
    combinations = dict.fromkeys(itertools.product(seconds, presets, tempi, seeds))
    made = [
        Condition("", tempo=tempo, preset=preset, expression=seed, seconds=length, **shared)
        for length, preset, tempo, seed in combinations
    ]
    return [dataclasses.replace(condition, name=condition.text) for condition in made]


def main() -> None:
    """Writes what the flags ask for."""
    from tfrecords_tools.queries import playing

    args = flags.FLAGS
    with commands.naming("pieces"):
        pieces = msmd.choose_pieces(args.msmd, flag_sets.read_names(args.pieces))
    conditions = _conditions()
    count = playing.write(args.msmd, pieces, conditions, args.output, args.seed, args.excerpts)
    queries = "1 query" if count == 1 else f"{count:,d} queries"
    print(printable(f"{queries} of {counted(len(pieces), 'piece')} in {args.output}"))


if __name__ == "__main__":
    commands.run(main, USAGE)
