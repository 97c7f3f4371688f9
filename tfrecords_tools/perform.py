"""Plays MIDI with a soundfont: `python -m tfrecords_tools.perform --midi=FILE`."""

from pathlib import Path

from absl import flags

from tempo_invariant import commands
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write
from tempo_invariant.geometry import SAMPLE_RATE

USAGE = """Plays music: MIDI to audio with a soundfont, and the features of a performance.

    tempo-invariant perform --midi=PIECE.midi --tempo=0.8 --output=query.wav

Renders a MIDI file (or, with --piece, the music of a built piece) at another tempo; with
--expression=1 as a person would play it, with 2 as another one; with --instrument=1 on a piano that
is a little out of tune, with --room=1 in a room.

TimGM6mb, the soundfont that comes with pretty_midi, needs nothing else; every other one is played
by FluidSynth.
"""


commands.define_input("midi", None, "MIDI file to play.")
commands.define_input("piece", None, "Directory of a built piece to play instead.")
commands.define_output("output", None, "WAV file to write.", required=True)
flags.DEFINE_float("tempo", 1.0, "Speed relative to the notated one.", lower_bound=0.05)
commands.define_input("soundfont", None, "Soundfont (.sf2); TimGM6mb if not given.")
flags.DEFINE_integer("preset", 0, "General MIDI program.", lower_bound=0, upper_bound=127)
flags.DEFINE_integer(
    "expression", 0, "Seed of expressive playing; 0 plays as notated.", lower_bound=0
)
flags.DEFINE_integer(
    "instrument", 0, "Seed of tuning and pedal noise; 0: the soundfont as it is.", lower_bound=0
)
flags.DEFINE_integer(
    "room", 0, "Seed of a room and the microphone's place; 0: none.", lower_bound=0
)


def main() -> None:
    """Renders what the flags name."""
    import soundfile

    from tfrecords_tools.msmd.layout import performance_name
    from tfrecords_tools.music.notes import read_midi
    from tfrecords_tools.music.performing import Sound, render_audio
    from tfrecords_tools.music.synthesis import default_soundfont

    args = flags.FLAGS
    if bool(args.midi) == bool(args.piece):
        raise UserError("give one of --midi and --piece")
    path = Path(args.midi) if args.midi else Path(args.piece) / f"{Path(args.piece).name}.midi"
    with commands.naming("midi" if args.midi else "piece"):
        music = read_midi(path)
        if not music.notes:
            raise UserError(f"{path}: has no notes")
    soundfont = args.soundfont or str(default_soundfont())
    sound = Sound(soundfont, args.preset, args.expression, args.instrument, args.room)
    seed = performance_name(path.stem, args.tempo, sound.name)
    pcm = render_audio(music, sound, args.tempo, seed)
    with atomic_write(args.output) as temporary:
        soundfile.write(temporary, pcm, SAMPLE_RATE, subtype="PCM_16")
    print(f"{args.output}: {len(pcm) / SAMPLE_RATE:.1f} s")


if __name__ == "__main__":
    commands.run(main, USAGE)
