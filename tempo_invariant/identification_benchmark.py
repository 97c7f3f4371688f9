"""Measures identification: `python -m tempo_invariant.identification_benchmark --msmd=...`."""

from pathlib import Path

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.files import write_json
from tempo_invariant.model import choices

USAGE = """Plays pieces of an MSMD directory and counts how often the right score is found.

    tempo-invariant identification-benchmark --msmd=data/msmd --pieces=@pieces.txt \\
        --run=runs/bl_at --tempo=0.66,1.0,1.5 --seconds=0,10 --soundfont=FluidR3_GM.sf2
    tempo-invariant identification-benchmark --msmd=data/msmd --pieces=@pieces.txt \\
        --run=runs/bl_at --degraded --expression=1
    tempo-invariant identification-benchmark --queries=concerts --scores=scans \\
        --run=runs/bl_at
    tempo-invariant identification-benchmark --queries=concerts --index=indices/all \\
        --left_out=@pieces.txt

Both directions: the score of a recording among all scores, and the recording of a score, and of its
middle page if they are whole, among the recordings of all pieces; ranked by votes and by sequence.
A score or page that cannot be read counts as wrong. A query set (--queries) holds what
query-set played, or real recordings; --scores may be scans, or what photographs wrote. With --index
the verdicts about them are counted: about known ones, and unknown ones, whose piece is not in the
index or is left out. Excerpts are asked with the scores of the index as well, and whole recordings
(a length of 0) with pages of them.
"""

flag_sets.define_query_flags()
commands.define_input("index", None, "Index of scores, to measure its verdicts.")
flags.DEFINE_list("left_out", [], "With --index: names of scores that are passed over, or @FILE.")
commands.define_input(
    "same", None, "With --index: file of names of pieces, in each line those of one music."
)
flags.DEFINE_boolean("odd_sounds", False, "With --index: asks noise, tones and clicks as well.")
flags.DEFINE_boolean("all_scores", False, "All scores are in the index, not only the pieces'.")
flags.DEFINE_list("seconds", ["0", "10"], "Lengths of what is played; 0: all.")
flags.DEFINE_integer("excerpts", 1, "Number of excerpts of a length from each piece.", 1)
flags.DEFINE_boolean("degraded", False, "As a phone: a room, noise, quiet, MP3, out of tune.")
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_integer("seed", 0, "Seed for the places of excerpts, and for rooms and noise.", 0)
commands.define_output(
    "keep",
    None,
    "Directory for indices and the query set, which are used again from there.",
    directory=True,
)
commands.define_output("output", None, "File for the results as JSON.")
flag_sets.define_model_flags()


def main() -> None:
    """Measures and prints a table."""
    values = flags.FLAGS
    from tempo_invariant.evaluation import identification, known_unknown, query_sets
    from tempo_invariant.retrieval import late_embedder, library

    choice = flag_sets.query_choice(
        query_sets.check, "seconds", "excerpts", "degraded", "seed", scores_needed=not values.index
    )
    keep = Path(values.keep) if values.keep else None
    with query_sets.opened(**choice, keep=keep and keep / "queries") as queries:
        if values.index:
            with commands.naming("index"):
                index = library.load(values.index, "sheets")
            embedder = late_embedder.open_later(
                **flag_sets.model_choice(choices.check, index.source)
            )
            left_out = flag_sets.read_names(values.left_out)
            lines = flag_sets.read_names([f"@{values.same}"]) if values.same else []
            same = [line.split() for line in lines]
            asked = queries, left_out, values.hop, keep, values.odd_sounds, same
            reports = known_unknown.run(embedder, index, *asked)
            print(known_unknown.table(reports))
        else:
            embedder = late_embedder.open_later(**flag_sets.model_choice(choices.check))
            scores = values.scores or values.msmd
            reports = identification.run(
                embedder, scores, queries, values.all_scores, values.hop, keep
            )
            print(identification.table(reports))
    if values.output:
        write_json(values.output, reports)


if __name__ == "__main__":
    commands.run(main, USAGE)
