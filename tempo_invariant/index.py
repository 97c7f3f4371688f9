"""Makes an index of scores or of recordings: `python -m tempo_invariant.index --scores=...`."""

import logging

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import embedders

USAGE = """Makes an index of scores, or of recordings, for `python -m tempo_invariant.identify`.

    python -m tempo_invariant.index --scores=data/msmd --output=indices/scores --run=runs/bl_at
    python -m tempo_invariant.index --recordings=music --output=indices/music --run=runs/bl_at

--scores is an MSMD directory, a directory of records, LilyPond files (one, a directory or a tar
archive; they are programs: only those that you trust), or PDF files and page images (one, or a
directory in which every file is a score and every folder of images a score of several pages).
"""

flags.DEFINE_string("scores", None, "Scores to index.")
flags.DEFINE_string("recordings", None, "Audio file, or directory of them, to index instead.")
flags.DEFINE_string("output", None, "Directory of the index, to be made.", required=True)
flags.DEFINE_list("documents", [], "Only the scores of these names; all, if empty.")
flags.DEFINE_string("split", None, "Split of the records to index; default: all.")
flags.DEFINE_integer("step", 25, "Distance of snippets in page pixels.", 1)
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_boolean("pages", True, "Keep page images, to be shown with answers.")
commands.define_model_flags()


def main() -> None:
    """Makes the index and says what is in it."""
    values = flags.FLAGS
    if bool(values.scores) == bool(values.recordings):
        raise UserError("give one of --scores and --recordings")
    logging.basicConfig(format="%(message)s", force=True)
    embedder = embedders.open_embedder(**commands.model_choice())
    from tempo_invariant.retrieval import indexing

    if values.scores:
        index, problems = indexing.index_scores(
            embedder,
            values.scores,
            values.output,
            values.step,
            values.split,
            values.documents,
            values.pages,
        )
    else:
        index, problems = indexing.index_recordings(
            embedder, values.recordings, values.output, values.hop, values.gain_db
        )
    print(
        f"{index.path}: {len(index.documents)} {index.kind}, {len(index.places):,d} vectors "
        f"({index.neighbours.description}), {len(problems)} left out"
    )


if __name__ == "__main__":
    commands.run(main, USAGE)
