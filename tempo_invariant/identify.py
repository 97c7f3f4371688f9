"""Which score is this, and where are we: `python -m tempo_invariant.identify --index=...`."""

import sys
from pathlib import Path

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import UserError, printable
from tempo_invariant.retrieval import embedders

USAGE = """Finds the score that is played, and the place in it; or the recordings of a page.

    python -m tempo_invariant.identify --index=indices/scores --run=runs/bl_at --audio=take.flac \\
        --output=answer
    python -m tempo_invariant.identify --index=indices/music --run=runs/bl_at --sheet=page.png
    ffmpeg -loglevel error -f alsa -i default -f s16le -ar 22050 -ac 1 - | \\
        python -m tempo_invariant.identify --index=indices/scores --run=runs/bl_at --live

--live reads raw samples from standard input: signed 16 bits, little endian, mono, 22,050 Hz. It
answers every second about the music half a window ago.
"""

flags.DEFINE_string("index", None, "Index to ask.", required=True)
flags.DEFINE_string("audio", None, "Recording, of any format and length; asks an index of scores.")
flags.DEFINE_string("sheet", None, "Page image or PDF file; asks an index of recordings.")
flags.DEFINE_boolean("live", False, "Listen to standard input.")
flags.DEFINE_enum("ranking", "sequence", ["sequence", "votes"], "Method of ranking.")
flags.DEFINE_integer("top", 5, "Number of candidates to name.", 1)
flags.DEFINE_string("output", None, "Directory for answer.html and answer.json.")
flags.DEFINE_boolean("verbose", False, "Show votes, columns of the page and every system, too.")
flags.DEFINE_integer("hop", 10, "Distance of windows in spectrogram frames of 1/20 s.", 1)
flags.DEFINE_float("gain_db", 0.0, "By how much recordings are amplified.")
flags.DEFINE_float(
    "half_life", 30.0, "Live: seconds after which the past counts half; 0: whole.", 0.0
)
commands.define_model_flags()


def main() -> None:
    """Asks and prints the answer."""
    values = flags.FLAGS
    if sum(map(bool, (values.audio, values.sheet, values.live))) != 1:
        raise UserError("give one of --audio, --sheet and --live")
    if values.live and values.output:
        raise UserError("--output needs --audio or --sheet: a live answer has no end")
    from tempo_invariant.audio import reading, recordings
    from tempo_invariant.retrieval import identification, library, listening
    from tempo_invariant.retrieval.answers import identified, text
    from tempo_invariant.scores import documents

    recording = recordings.open_recording(values.audio) if values.audio else None
    index = library.load(values.index, "recordings" if values.sheet else "sheets")
    embedder = embedders.open_embedder(**commands.model_choice())
    index.check_model(embedder)
    settings = identification.IdentificationSettings(
        values.ranking, values.top, values.hop, values.gain_db, values.half_life
    )
    if recording:
        score = identification.identify_recording(index, embedder, recording, settings)
        print(text.identified_score(score, values.verbose))
        if values.output:
            path = identified.write_score(score, index, recording, values.output)
            print(printable(str(path)))
    elif values.sheet:
        pages = [Path(values.sheet)]
        document = documents.read_pages(pages[0].stem, pages, index.step_pixels)
        answer = identification.identify_sheet(index, embedder, document, settings, values.sheet)
        print(text.identified_recording(answer, values.verbose))
        if values.output:
            print(printable(str(identified.write_recording(answer, values.output))))
    else:
        blocks = reading.pcm_blocks(sys.stdin.buffer, gain_db=values.gain_db)
        for live in listening.listen(index, embedder, blocks, settings):
            print(text.live(live, embedder.frames, values.verbose), flush=True)


if __name__ == "__main__":
    commands.run(main, USAGE)
