"""Follows a recording through its score: `python -m tempo_invariant.follow --score=...`."""

from absl import flags

from tempo_invariant import commands, flag_sets, samples
from tempo_invariant.errors import printable
from tempo_invariant.model import choices

USAGE = """Aligns a recording with its score: for every moment page, system and place.

    tempo-invariant follow --score=sample --document=petzold_minuet_g_major --audio=sample
    tempo-invariant follow --score=score.pdf --audio=take.flac
    tempo-invariant follow --score=my_scores-index --document=PIECE --audio=take.flac

--score is a PDF file or page image (or a directory with a folder of images), MusicXML, MEI, kern or
ABC of one voice, a LilyPond file, the directory of a piece of MSMD, or an index of scores; with
--document one of several. Repeats may be played or not. NAME-followed/follow.html, beside the
recording NAME, plays it and shows where it is: a click on the page plays from there. follow.json
says it in numbers.
"""

commands.define_input("score", None, "The score.", required=True, words=samples.SCORES)
flags.DEFINE_string("document", None, "Name of the score, where --score holds several.")
commands.define_input(
    "audio",
    None,
    'Recording, of any format and length, or "sample".',
    required=True,
    words=samples.RECORDING,
)
commands.define_output(
    "output",
    None,
    "Directory for follow.html and follow.json; default: NAME-followed beside the recording.",
    directory=True,
)
flags.DEFINE_boolean("verbose", False, "Show columns of the page and every system, too.")
flags.DEFINE_boolean("strict", False, "A recording that is damaged is an error.")
flags.DEFINE_integer("hop", 2, "Distance of windows in spectrogram frames of 1/20 s.", 1, 10)
flags.DEFINE_integer("step", 10, "Distance of snippets in page pixels.", 1, 100)
flags.DEFINE_float("gain_db", 0.0, "By how much the recording is amplified.")
flags.DEFINE_boolean("embed_audio", True, "The recording is in follow.html; else a copy beside it.")
flags.DEFINE_float(
    "leap_cost", 2.0, "Cost of a repeat or a leap, in seconds of perfect similarity.", 0.0
)
flags.DEFINE_float(
    "start_cost",
    2.0,
    "Cost of beginning elsewhere than the score begins, likewise; 0 for short excerpts.",
    0.0,
)
flag_sets.define_model_flags()


def main() -> None:
    """Follows and says where the files are."""
    values = flags.FLAGS
    from tempo_invariant.audio import recordings
    from tempo_invariant.retrieval import following, late_embedder, library, one_score
    from tempo_invariant.retrieval.answers import followed, text
    from tempo_invariant.retrieval.score_alignment import Costs

    output = flag_sets.answer_output(values.audio, "followed", "follow.json", "audio")
    costs = Costs(leap=values.leap_cost, start=values.start_cost)
    settings = following.FollowingSettings(values.hop, values.step, values.gain_db, costs)
    recording = recordings.open_recording(values.audio, strict=values.strict)
    recording.check()
    known = library.load(values.score).source if library.is_index(values.score) else {}
    embedder = late_embedder.open_later(**flag_sets.model_choice(choices.check, known))
    document = one_score.read_score(
        values.score, values.document, values.step, embedder.staves, "--document"
    )
    flag_sets.check_answer(output, "follow.json", "score", lambda name: name == document.name)
    document.log_notes()
    answer = following.follow_recording(embedder, document, recording, settings)
    path = followed.write(answer, recording, output, values.embed_audio)
    print(text.followed_score(answer, values.verbose))
    print(printable(str(path)))


if __name__ == "__main__":
    commands.run(main, USAGE)
