"""Makes an index of scores or of recordings: `python -m tempo_invariant.index --scores=...`."""

from absl import flags

from tempo_invariant import commands, flag_sets, samples, worker_processes
from tempo_invariant.beam_runner import RUNNER_HELP, RUNNER_OPTION_HELP, Runner
from tempo_invariant.errors import UserError, printable
from tempo_invariant.model import choices
from tempo_invariant.wording import counted

USAGE = """Makes an index of scores, or of recordings, for `tempo-invariant identify`.

    tempo-invariant index --scores=sample --index=sample-index
    tempo-invariant index --scores=my_scores
    tempo-invariant index --recordings=music --index=indices/music
    tempo-invariant index --list --index=my_scores-index

--scores is a folder of folders of scores: PDF files and page images; MusicXML, MEI, kern, and ABC
of one voice; LilyPond files. Every file is a score, and every folder of images one of several
pages; it has the name of its path, Chopin/op28/04. Of files of one name the LilyPond file is used,
or else the MusicXML. --scores may be a tar or zip archive of such a folder, a single file, an MSMD
directory, or a directory of records. LilyPond files are programs: index only those that you trust.
The index is NAME-index beside the scores NAME, if nothing else is said.

An index that is there already is brought up to date: what is new is added, what has changed is
replaced, and with --prune what is gone is dropped. The same command goes on after an interruption.
"""

commands.define_input(
    "scores", None, 'Scores to index, or "sample" for those of this package.', words=samples.SCORES
)
commands.define_input("recordings", None, "Audio file, or directory of them, to index instead.")
commands.define_output(
    "index",
    None,
    "Directory of the index; default: NAME-index beside the scores.",
    directory=True,
)
commands.define_other_name("output", "index")
flags.DEFINE_list("documents", [], "Only the scores of these names; all, if empty.")
flags.DEFINE_string("split", None, "Split of the records to index; default: all.")
flags.DEFINE_integer(
    "step",
    None,
    "Distance of snippets in page pixels; default: that of the index, or 24, which is twice as "
    "fast as any other.",
    1,
)
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_boolean("pages", True, "Keep page images, to be shown with answers.")
flags.DEFINE_boolean("prune", False, "Drop from the index what is not among the scores any more.")
flags.DEFINE_boolean("list", False, "List what the index holds, and change nothing.")
flags.DEFINE_integer("jobs", None, "Processes that read scores; default: one per core.", 1)
flags.DEFINE_string("runner", None, RUNNER_HELP)
flags.DEFINE_multi_string("runner_option", [], RUNNER_OPTION_HELP)
flags.DEFINE_boolean("verbose", False, "Say how many vectors there are, too.")
flags.DEFINE_boolean("strict", False, "A recording that is damaged is left out.")
flag_sets.define_model_flags()


def main() -> None:
    """Brings the index up to date and says what is in it, or lists it."""
    values = flags.FLAGS
    if values.list and not (values.scores or values.recordings):
        if not values.index:
            raise UserError("--list: needs --index, the index to list")
        _list(values.index)
        return
    if bool(values.scores) == bool(values.recordings):
        raise UserError("give one of --scores and --recordings")
    path = flag_sets.output(values.scores or values.recordings, "index", "index")
    if values.list:
        _list(path)
        return
    if values.prune and (values.documents or values.split):
        raise UserError("--prune: takes all scores, not only some of --documents or --split")
    from tempo_invariant.retrieval import indexing, late_embedder

    embedder = late_embedder.open_later(**flag_sets.model_choice(choices.check))
    if values.scores:
        done = indexing.index_scores(
            embedder,
            values.scores,
            path,
            values.step,
            values.split,
            values.documents,
            values.pages,
            values.prune,
            values.jobs or worker_processes.processors(),
            Runner(values.runner, tuple(values.runner_option)) if values.runner else None,
        )
    else:
        done = indexing.index_recordings(
            embedder,
            values.recordings,
            path,
            values.hop,
            values.gain_db,
            values.strict,
            values.prune,
        )
    for line in done.summary():
        print(line)
    if values.verbose:
        index = done.index
        print(f"{len(index.places):,d} vectors, search: {index.neighbours.description}")


def _list(path: str) -> None:
    """Prints what an index holds, a document a line, sorted as people count."""
    from tempo_invariant.retrieval import library
    from tempo_invariant.scores.walking import natural

    with commands.naming("index"):
        index = library.load(path)
    sheets = index.kind == "sheets"
    for entry in sorted(index.entries, key=lambda entry: natural(entry.name)):
        pages = f"{counted(entry.pages, 'page'):>11}  " if sheets else ""
        what = f"{counted(entry.count, 'snippet' if sheets else 'window'):>16}"
        notes = "".join(f"  ({note})" for note in entry.notes)
        print(printable(f"{pages}{what}  {entry.name}{notes}"))


if __name__ == "__main__":
    commands.run(main, USAGE)
