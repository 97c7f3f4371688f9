"""Measures alignment: `python -m tempo_invariant.follow_benchmark --msmd=...`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.files import write_json
from tempo_invariant.model import choices

USAGE = """Plays pieces of an MSMD directory, follows them through their scores, measures errors.

    tempo-invariant follow-benchmark --msmd=data/msmd --pieces=@pieces.txt \\
        --run=runs/bl_at --tempo=0.66,1.0,1.5 --expression=0,1 --soundfont=FluidR3_GM.sf2
    tempo-invariant follow-benchmark --queries=concerts --scores=scans --run=runs/bl_at

Errors are taken at every window from the first onset to the last: between the time at which a place
is shown and that at which it sounds, and along the joined systems in page pixels. A query set
(--queries) holds what query-set played, or real recordings.
"""

flag_sets.define_query_flags()
flags.DEFINE_integer("hop", 2, "Distance of windows in spectrogram frames of 1/20 s.", 1, 10)
flags.DEFINE_integer("step", 10, "Distance of snippets in page pixels.", 1, 100)
flags.DEFINE_float(
    "leap_cost", 2.0, "Cost of a repeat or a leap, in seconds of perfect similarity.", 0.0
)
flags.DEFINE_integer("seed", 0, "Seed for the bootstrap resampling.", 0)
commands.define_output("output", None, "File for the results as JSON.")
flag_sets.define_model_flags()


def main() -> None:
    """Measures and prints a table."""
    values = flags.FLAGS
    from tempo_invariant.evaluation import following, query_sets
    from tempo_invariant.retrieval import late_embedder
    from tempo_invariant.retrieval.score_alignment import Costs

    choice = flag_sets.query_choice(query_sets.check)
    model = flag_sets.model_choice(choices.check)
    with query_sets.opened(**choice) as queries:
        reports = following.run(
            late_embedder.open_later(**model),
            values.scores or values.msmd,
            queries,
            values.hop,
            values.step,
            Costs(leap=values.leap_cost),
            values.seed,
        )
    print(following.table(reports))
    if values.output:
        write_json(values.output, reports)


if __name__ == "__main__":
    commands.run(main, USAGE)
