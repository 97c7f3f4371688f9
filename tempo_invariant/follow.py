"""Follows a recording through its score: `python -m tempo_invariant.follow --score=...`."""

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import printable
from tempo_invariant.retrieval import embedders

USAGE = """Aligns a recording with its score: for every moment page, system and place.

    python -m tempo_invariant.follow --score=data/msmd/PIECE --audio=take.flac --run=runs/bl_at \\
        --output=followed
    python -m tempo_invariant.follow --score=score.pdf --audio=take.flac --run=runs/bl_at \\
        --output=followed
    python -m tempo_invariant.follow --score=indices/scores --document=PIECE --audio=take.flac \\
        --run=runs/bl_at --output=followed

--score is the directory of a piece of MSMD, a PDF file or page image (or a directory with a folder
of images), a LilyPond file, or an index of scores; with --document one of several. Repeats may be
played or not. DIR/follow.html plays the recording and shows where it is: a click on the page plays
from there. DIR/follow.json says it in numbers.
"""

flags.DEFINE_string("score", None, "The score.", required=True)
flags.DEFINE_string("document", None, "Name of the score, where --score holds several.")
flags.DEFINE_string("audio", None, "Recording, of any format and length.", required=True)
flags.DEFINE_string("output", None, "Directory for follow.html and follow.json.", required=True)
flags.DEFINE_boolean("verbose", False, "Show columns of the page and every system, too.")
flags.DEFINE_integer("hop", 2, "Distance of windows in spectrogram frames of 1/20 s.", 1, 10)
flags.DEFINE_integer("step", 10, "Distance of snippets in page pixels.", 1, 100)
flags.DEFINE_float("gain_db", 0.0, "By how much the recording is amplified.")
flags.DEFINE_boolean("embed_audio", True, "The recording is in follow.html; else a copy beside it.")
flags.DEFINE_float(
    "leap_cost", 2.0, "Cost of a repeat or a leap, in seconds of perfect similarity.", 0.0
)
commands.define_model_flags()


def main() -> None:
    """Follows and says where the files are."""
    values = flags.FLAGS
    from tempo_invariant.audio import recordings
    from tempo_invariant.retrieval import following
    from tempo_invariant.retrieval.answers import followed, text
    from tempo_invariant.retrieval.score_alignment import Costs

    costs = Costs(leap=values.leap_cost)
    settings = following.FollowingSettings(values.hop, values.step, values.gain_db, costs)
    recording = recordings.open_recording(values.audio)
    document = following.read_score(values.score, values.document, values.step)
    embedder = embedders.open_embedder(**commands.model_choice())
    answer = following.follow_recording(embedder, document, recording, settings)
    print(text.followed_score(answer, values.verbose))
    path = followed.write(answer, recording, values.output, values.embed_audio)
    print(printable(str(path)))


if __name__ == "__main__":
    commands.run(main, USAGE)
