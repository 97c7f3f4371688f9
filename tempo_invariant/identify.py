"""Which score is this, and where are we: `python -m tempo_invariant.identify --index=...`."""

import sys

from absl import flags

from tempo_invariant import commands, flag_sets, samples
from tempo_invariant.errors import UserError, printable
from tempo_invariant.model import choices

USAGE = """Finds the score that is played, and the place in it; or the recordings of a page.

    tempo-invariant index --scores=sample --index=sample-index
    tempo-invariant identify --index=sample-index --audio=sample
    tempo-invariant identify --index=indices/music --sheet=page.png
    ffmpeg -loglevel error -f alsa -i default -f s16le -ar 22050 -ac 1 - | \\
        tempo-invariant identify --index=sample-index --live

The answer is printed, and shown by NAME-answer/answer.html beside the recording or page NAME.
--live reads raw samples from standard input: signed 16 bits, little endian, mono, 22,050 Hz. It
answers every second about the music a quarter of a window ago.
"""

commands.define_input("index", None, "Index to ask.", required=True)
commands.define_input(
    "audio",
    None,
    'Recording, of any format and length, or "sample"; asks an index of scores.',
    words=samples.RECORDING,
)
commands.define_input(
    "sheet", None, "Page image, PDF file or other score; asks an index of recordings."
)
flags.DEFINE_boolean("live", False, "Listen to standard input.")
commands.define_output(
    "output",
    None,
    "Directory for answer.html and answer.json; default: NAME-answer beside the input.",
    directory=True,
)
flags.DEFINE_boolean("verbose", False, "Show votes, columns of the page and every system, too.")
flags.DEFINE_boolean("strict", False, "A recording that is damaged is an error.")
flags.DEFINE_integer("top", 5, "Number of candidates to name.", 1)
flags.DEFINE_enum("ranking", "sequence", ["sequence", "votes"], "Method of ranking.")
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_float(
    "half_life", 30.0, "Live: seconds after which the past counts half; 0: whole.", 0.0
)
flag_sets.define_model_flags()


def main() -> None:
    """Asks and prints the answer."""
    values = flags.FLAGS
    if sum(map(bool, (values.audio, values.sheet, values.live))) != 1:
        raise UserError("give one of --audio, --sheet and --live")
    if values.live and values.output:
        raise UserError("--output needs --audio or --sheet: a live answer has no end")
    if values.live and sys.stdin is None:
        raise UserError("--live listens to standard input, and that is closed")
    from tempo_invariant.audio import reading, recordings
    from tempo_invariant.retrieval import (
        identification,
        late_embedder,
        library,
        listening,
        one_score,
    )
    from tempo_invariant.retrieval.answers import identified, text

    output = recording = None
    if not values.live:
        asked = values.audio or values.sheet
        output = flag_sets.answer_output(asked, "answer", "answer.json", "query")
    with commands.naming("index"):
        index = library.load(values.index, "recordings" if values.sheet else "sheets")
    embedder = late_embedder.open_later(**flag_sets.model_choice(choices.check, index.source))
    if values.audio:
        recording = recordings.open_recording(values.audio, strict=values.strict)
        recording.check()
    elif values.sheet:
        found = one_score.read_score(
            values.sheet,
            step=index.step_pixels,
            staves=embedder.staves,
            named_by="a path of its own",
        )
        document = found.without_guessed_bars(values.sheet)
        document.log_notes()
    index.check_model(embedder)
    settings = identification.IdentificationSettings(
        values.ranking, values.top, values.hop, values.gain_db, values.half_life
    )
    if recording and output:
        score = identification.identify_recording(index, embedder, recording, settings)
        path = identified.write_score(score, index, recording, output)
        print(text.identified_score(score, values.verbose))
        print(printable(str(path)))
    elif output:
        answer = identification.identify_sheet(index, embedder, document, settings, values.sheet)
        path = identified.write_recording(answer, index, output)
        print(text.identified_recording(answer, values.verbose))
        print(printable(str(path)))
    else:
        blocks = reading.pcm_blocks(sys.stdin.buffer, gain_db=values.gain_db)
        for live in listening.listen(index, embedder, blocks, settings):
            if not live.seconds:
                raise UserError("--live: nothing came on standard input")
            print(text.live(live, values.verbose), flush=True)


if __name__ == "__main__":
    commands.run(main, USAGE)
