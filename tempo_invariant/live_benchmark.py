"""Measures live following: `python -m tempo_invariant.live_benchmark --index=...`."""

from pathlib import Path

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.files import write_json
from tempo_invariant.model import choices

USAGE = """Plays pieces as if they were played just now, and measures the cursor on their scores.

    tempo-invariant live-benchmark --msmd=data/msmd --pieces=@test_pieces --index=indices/msmd \\
        --tempo=0.66,1.0,1.5 --expression=1 --soundfont=MuseScore_General.sf2
    tempo-invariant live-benchmark --queries=concerts --index=indices/scans --given
    tempo-invariant live-benchmark --queries=concerts --index=indices/scans --given \\
        --altered=jump,stop,repeat --figure=errors.png

The piece is given, or unknown at the start among all scores of the index. At every onset the error
of the cursor, as it is shown at that moment, is in seconds: between the time at which what it shows
is played and now. Where no cursor is shown in the right score, the error is infinite. A query set
(--queries) holds what query-set played, or real recordings.
"""

flag_sets.define_query_flags()
commands.define_input("index", None, "Index of scores, which holds the pieces.", required=True)
flags.DEFINE_boolean("given", False, "The listener is told which piece is played.")
flags.DEFINE_list("seconds", ["0"], "Lengths of what is played, from anywhere in it; 0: all.")
flags.DEFINE_integer("excerpts", 1, "Number of excerpts of a length from each piece.", 1)
flags.DEFINE_boolean("degraded", False, "As a phone: a room, noise, quiet, MP3, out of tune.")
flags.DEFINE_float("most", 0.0, "Only so many seconds of each recording are heard; 0: all.", 0)
flags.DEFINE_float("skip", 10.0, "Seconds at the start that the second count leaves out.", 0)
flags.DEFINE_float("block", 0.1, "Length of the blocks of sound in seconds.", 0.01, 10)
flags.DEFINE_list("altered", [], "What is played wrongly besides: jump (8 bars), stop, repeat.")
flags.DEFINE_integer("seed", 0, "Seed for the alterations and for the bootstrap resampling.", 0)
commands.define_output("keep", None, "Folder for the query set, used again.", directory=True)
commands.define_output("output", None, "File for the results as JSON.")
commands.define_output("figure", None, "Picture of the error over time.", picture=True)
flag_sets.define_model_flags()


def main() -> None:
    """Measures, prints a table and draws the curve."""
    values = flags.FLAGS
    from tempo_invariant.errors import UserError
    from tempo_invariant.evaluation import alterations, live, query_sets
    from tempo_invariant.retrieval import late_embedder, library

    if unknown := sorted(set(values.altered) - set(alterations.KINDS)):
        known = ", ".join(alterations.KINDS)
        raise UserError(f"--altered={unknown[0]}: must be some of {known}")
    choice = flag_sets.query_choice(
        query_sets.check, "seconds", "excerpts", "degraded", scores_needed=False
    )
    settings = live.LiveSettings(
        values.given, values.block, values.skip, values.most, tuple(values.altered), values.seed
    )
    with commands.naming("index"):
        index = library.load(values.index, "sheets")
    embedder = late_embedder.open_later(**flag_sets.model_choice(choices.check, index.source))
    with query_sets.opened(**choice, keep=Path(values.keep) if values.keep else None) as queries:
        reports = live.run(embedder, index, queries, settings)
    print(live.table(reports))
    if values.output:
        write_json(values.output, reports)
    if values.figure:
        from tempo_invariant.evaluation import live_figure

        live_figure.draw(reports, values.figure)


if __name__ == "__main__":
    commands.run(main, USAGE)
