"""Makes an index of scores or of recordings: `python -m tempo_invariant.index --scores=...`."""

from absl import flags

from tempo_invariant import commands, flag_sets, samples
from tempo_invariant.errors import UserError, printable

USAGE = """Makes an index of scores, or of recordings, for `tempo-invariant identify`.

    tempo-invariant index --scores=sample --output=sample-index
    tempo-invariant index --scores=my_scores
    tempo-invariant index --recordings=music --output=indices/music

--scores is a folder of folders of scores: PDF files and page images; MusicXML, MEI, kern and ABC;
LilyPond files. Every file is a score, and every folder of images one of several pages; it has the
name of its path, Chopin/op28/04. Of files of one name the LilyPond file is used, or else the
MusicXML. --scores may be a tar or zip archive of such a folder, a single file, an MSMD directory,
or a directory of records. LilyPond files are programs: index only those that you trust.
The index is NAME-index beside the scores NAME, if nothing else is said.
"""

commands.define_input(
    "scores", None, 'Scores to index, or "sample" for those of this package.', words=samples.SCORES
)
commands.define_input("recordings", None, "Audio file, or directory of them, to index instead.")
commands.define_output(
    "output",
    None,
    "Directory of the index, to be made; default: NAME-index beside the scores.",
    directory=True,
)
flags.DEFINE_list("documents", [], "Only the scores of these names; all, if empty.")
flags.DEFINE_string("split", None, "Split of the records to index; default: all.")
flags.DEFINE_integer("step", 25, "Distance of snippets in page pixels.", 1)
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_boolean("pages", True, "Keep page images, to be shown with answers.")
flags.DEFINE_boolean("verbose", False, "Say how many vectors there are, too.")
flags.DEFINE_boolean("strict", False, "A recording that is damaged is left out.")
flag_sets.define_model_flags()


def main() -> None:
    """Makes the index and says what is in it."""
    values = flags.FLAGS
    if bool(values.scores) == bool(values.recordings):
        raise UserError("give one of --scores and --recordings")
    output = flag_sets.output(values.scores or values.recordings, "index")
    from tempo_invariant.retrieval import embedders, indexing

    embedder = embedders.open_embedder(**flag_sets.model_choice())

    if values.scores:
        index, problems = indexing.index_scores(
            embedder,
            values.scores,
            output,
            values.step,
            values.split,
            values.documents,
            values.pages,
        )
    else:
        index, problems = indexing.index_recordings(
            embedder, values.recordings, output, values.hop, values.gain_db, values.strict
        )
    kind, count = "score" if values.scores else "recording", len(index.documents)
    left_out = f", {len(problems)} left out" if problems else ""
    print(f"{printable(str(index.path))}: {count:,d} {kind}{'s' * (count != 1)}{left_out}")
    if values.verbose:
        print(f"{len(index.places):,d} vectors, search: {index.neighbours.description}")


if __name__ == "__main__":
    commands.run(main, USAGE)
