"""Measures identification: `python -m tempo_invariant.identification_benchmark --msmd=...`."""

import itertools

from absl import flags

from tempo_invariant import commands
from tempo_invariant.files import write_json
from tempo_invariant.retrieval import embedders

USAGE = """Plays pieces of an MSMD directory and counts how often the right score is found.

    python -m tempo_invariant.identification_benchmark --msmd=data/msmd --pieces=@test_pieces \\
        --run=runs/bl_at --tempo=0.66,1.0,1.5 --seconds=0,10 --soundfont=FluidR3_GM.sf2
    python -m tempo_invariant.identification_benchmark --msmd=data/msmd --pieces=@test_pieces \\
        --run=runs/bl_at --degraded --expression=1

Both directions: the score of a recording among all scores, and the recording of a score among the
recordings of all pieces; ranked by votes and by sequence.
"""

flags.DEFINE_string("msmd", None, "MSMD directory that build_msmd made.", required=True)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
flags.DEFINE_boolean("all_scores", False, "All scores of --msmd are in the index.")
flags.DEFINE_list("tempo", ["1.0"], "Speeds relative to the notated one.")
flags.DEFINE_list("seconds", ["0", "10"], "Lengths of what is played; 0: all.")
flags.DEFINE_string("soundfont", None, "Soundfont (.sf2); TimGM6mb if not given.")
flags.DEFINE_list(
    "expression", ["0"], "Seeds of expressive playing, each another pianist; 0 plays as notated."
)
flags.DEFINE_boolean("degraded", False, "As a phone: a room, noise, quiet, MP3, out of tune.")
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_integer("seed", 0, "Of the places of excerpts, and of rooms and noise.")
flags.DEFINE_string("keep", None, "Directory for the indices, which are used again from there.")
flags.DEFINE_string("output", None, "File for the results as JSON.")
commands.define_model_flags()


def main() -> None:
    """Measures and prints a table."""
    values = flags.FLAGS
    from tempo_invariant.errors import UserError
    from tempo_invariant.evaluation import identification
    from tempo_invariant.scores import msmd

    present = msmd.list_pieces(values.msmd)
    pieces = commands.read_names(values.pieces) or present
    unknown = sorted(set(pieces) - set(present))
    if unknown:
        raise UserError(f"{values.msmd}: holds no piece {unknown[0]!r}")
    try:
        lengths = [float(text) for text in values.seconds]
        tempi = [float(text) for text in values.tempo]
        seeds = [int(text) for text in values.expression]
    except ValueError as error:
        raise UserError(f"--seconds, --tempo and --expression take numbers ({error})") from error
    conditions = [
        identification.Condition(
            soundfont=values.soundfont,
            tempo=tempo,
            seconds=seconds,
            gain_db=values.gain_db,
            hop_frames=values.hop,
            seed=values.seed,
            expression=expression,
            degraded=values.degraded,
        )
        for seconds, expression, tempo in itertools.product(lengths, seeds, tempi)
    ]
    others = sorted(set(present) - set(pieces)) if values.all_scores else []
    reports = identification.run(
        embedders.open_embedder(**commands.model_choice()),
        values.msmd,
        pieces,
        conditions,
        others,
        keep=values.keep,
    )
    print(identification.table(reports))
    if values.output:
        write_json(values.output, reports)


if __name__ == "__main__":
    commands.run(main, USAGE)
