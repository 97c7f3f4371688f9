"""Measures alignment: `python -m tempo_invariant.follow_benchmark --msmd=...`."""

import itertools

from absl import flags

from tempo_invariant import commands
from tempo_invariant.files import write_json
from tempo_invariant.retrieval import embedders

USAGE = """Plays pieces of an MSMD directory, follows them through their scores, measures errors.

    python -m tempo_invariant.follow_benchmark --msmd=data/msmd --pieces=@test_pieces \\
        --run=runs/bl_at --tempo=0.66,1.0,1.5 --expression=0,1 --soundfont=FluidR3_GM.sf2

Errors are taken at every window from the first onset to the last: between the time at which a place
is shown and that at which it sounds, and along the joined systems in page pixels.
"""

flags.DEFINE_string("msmd", None, "MSMD directory that build_msmd made.", required=True)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
flags.DEFINE_list("tempo", ["1.0"], "Speeds relative to the notated one.")
flags.DEFINE_list("expression", ["0"], "Seeds of expressive playing; 0 plays as notated.")
flags.DEFINE_string("soundfont", None, "Soundfont (.sf2); TimGM6mb if not given.")
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_integer("hop", 2, "Distance of windows in spectrogram frames of 1/20 s.", 1, 10)
flags.DEFINE_integer("step", 10, "Distance of snippets in page pixels.", 1, 100)
flags.DEFINE_float(
    "leap_cost", 2.0, "What a repeat or a leap costs, in seconds of perfect similarity.", 0.0
)
flags.DEFINE_string("output", None, "File for the results as JSON.")
commands.define_model_flags()


def main() -> None:
    """Measures and prints a table."""
    values = flags.FLAGS
    from tempo_invariant.errors import UserError
    from tempo_invariant.evaluation import following
    from tempo_invariant.retrieval.course import Costs
    from tempo_invariant.scores import msmd

    present = msmd.list_pieces(values.msmd)
    pieces = commands.read_names(values.pieces) or present
    unknown = sorted(set(pieces) - set(present))
    if unknown:
        raise UserError(f"{values.msmd}: holds no piece {unknown[0]!r}")
    try:
        tempi = [float(text) for text in values.tempo]
        seeds = [int(text) for text in values.expression]
    except ValueError as error:
        raise UserError(f"--tempo and --expression take numbers ({error})") from error
    conditions = [
        following.Condition(values.soundfont, tempo, seed, values.gain_db)
        for tempo, seed in itertools.product(tempi, seeds)
    ]
    costs = Costs(leap=values.leap_cost)
    reports = following.run(
        embedders.open_embedder(**commands.model_choice()),
        values.msmd,
        pieces,
        conditions,
        values.hop,
        values.step,
        costs,
    )
    print(following.table(reports))
    if values.output:
        write_json(values.output, reports)


if __name__ == "__main__":
    commands.run(main, USAGE)
