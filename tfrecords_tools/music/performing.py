"""Plays music: MIDI to audio with a soundfont, and the features of a performance.

TimGM6mb, the soundfont that comes with pretty_midi, is played by midirenderer, a wheel that needs
nothing else. Every other one is played by FluidSynth, as in MSMD: midirenderer leaves out the
modulators of a soundfont, and MuseScore_General without them loses 20 to 40 dB above 1 kHz.
"""

import functools
import io
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import SAMPLE_RATE, onset_frame
from tfrecords_tools.music.expression import express
from tfrecords_tools.music.notes import Music, midi_bytes

TAIL_SECONDS = 1.5
"""Time that is rendered after the end of the last note, for its sound to fade."""

LONGEST_SECONDS = 1.5 * 3600
"""Longest music that is played: an hour of CD sound and its copies take two gigabytes."""

MIDIRENDERER_GAIN = 0.46
"""Brings midirenderer to the level of FluidSynth at its default gain of 0.2, 6.7 dB lower."""


@dataclass(frozen=True)
class Features:
    """Features of a performance, in the published layout.

    Attributes:
        midi: MIDI file.
        notes: Rows of onset s, pitch, duration s (with the pedal), track, channel, [notes, 5].
        onsets: Onset frames of the notes, [notes].
        spectrogram: Spectrogram float32 [92, frames].
        matrix: Pitches that sound in each frame, uint8 [128, frames] of 0 and 1.
    """

    midi: bytes
    notes: np.ndarray
    onsets: np.ndarray
    spectrogram: np.ndarray
    matrix: np.ndarray


def default_soundfont() -> Path:
    """Returns TimGM6mb.sf2, which comes with pretty_midi."""
    import pretty_midi

    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


def render_audio(
    music: Music,
    soundfont: str | Path | None = None,
    preset: int = 0,
    tempo: float = 1.0,
    seed: str = "",
) -> np.ndarray:
    """Plays music on a soundfont.

    The level is that of FluidSynth at its default gain of 0.2 and velocity 64, the same for every
    soundfont.

    Args:
        music: Music to play.
        soundfont: Path of an .sf2 file; by default TimGM6mb.
        preset: General MIDI program.
        tempo: Speed relative to the notated one.
        seed: Seed of expression, none if empty; see `expression.express`.

    Returns:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: The soundfont is missing or cannot be read, or FluidSynth is missing.
    """
    midi = midi_bytes(played_music(music, tempo, seed), preset, TAIL_SECONDS)
    return render_midi(midi, soundfont or default_soundfont())


def played_music(music: Music, tempo: float, seed: str = "") -> Music:
    """Returns music at another tempo and, if there is a seed, with expression.

    Raises:
        UserError: It would last for longer than `LONGEST_SECONDS`.
    """
    at_tempo = music.at_tempo(tempo)
    seconds = at_tempo.seconds([note.tick + note.length for note in at_tempo.notes])
    if seconds.max(initial=0) > LONGEST_SECONDS:
        hours = f"{seconds.max() / 3600:.1f} hours, longer than {LONGEST_SECONDS / 3600:g}"
        raise UserError(f"the music would last for {hours}")
    return express(at_tempo, seed) if seed else at_tempo


def render_midi(midi: bytes, soundfont: str | Path) -> np.ndarray:
    """Plays a MIDI file as it is; see `render_audio`."""
    import librosa

    check_soundfont(soundfont)
    if Path(soundfont).resolve() == default_soundfont().resolve():
        rate, samples = _play_with_midirenderer(midi, soundfont)
    else:
        rate, samples = _play_with_fluidsynth(midi, soundfont)
    mono = samples.mean(axis=1, dtype=np.float32)
    resampled = librosa.resample(mono, orig_sr=rate, target_sr=SAMPLE_RATE, res_type="soxr_hq")
    return resampled.astype(np.float32)


def _play_with_midirenderer(midi: bytes, soundfont: str | Path) -> tuple[int, np.ndarray]:
    """Returns the sampling rate and float32 [samples, channels]."""
    import midirenderer

    try:
        wav = bytes(midirenderer.render_wave_from(_soundfont_bytes(str(soundfont)), midi))
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # the renderer panics, which is no Exception
        raise UserError(f"{soundfont}: cannot be played ({one_line(error)})") from error
    with wave.open(io.BytesIO(wav)) as stream:
        rate, channels = stream.getframerate(), stream.getnchannels()
        samples = np.frombuffer(stream.readframes(stream.getnframes()), np.int16)
    return rate, samples.reshape(-1, channels) * np.float32(MIDIRENDERER_GAIN / 32768)


def _play_with_fluidsynth(midi: bytes, soundfont: str | Path) -> tuple[int, np.ndarray]:
    """Returns the sampling rate and float32 [samples, channels], to the end of the MIDI file."""
    import mido
    import soundfile

    program = shutil.which("fluidsynth")
    if not program:
        raise UserError(
            f"{soundfont}: needs FluidSynth (on Debian: apt-get install fluidsynth); "
            "only TimGM6mb plays without it"
        )
    rate = 44100
    with tempfile.TemporaryDirectory(prefix="perform-") as directory:
        score, wav = Path(directory) / "score.midi", Path(directory) / "sound.wav"
        score.write_bytes(midi)
        command = [program, "-niq", "-g", "0.2", "-r", str(rate), "-T", "wav", "-O", "float"]
        command += ["-F", str(wav), str(soundfont), str(score)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode or not wav.is_file() or "Failed" in done.stderr:
            reason = done.stderr or f"FluidSynth ended with {done.returncode}"
            raise UserError(f"{soundfont}: cannot be played ({one_line(reason)})")
        samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    length = mido.MidiFile(file=io.BytesIO(midi)).length
    return rate, samples[: round(length * rate)]


def soundfont_name(soundfont: str | Path, preset: int = 0, expression: int = 0) -> str:
    """Returns the name of a sound: the file's stem and, unless 0, preset and expression.

    Examples are FluidR3_GM, FluidR3_GM-p4 and FluidR3_GM-p4-e1. Names go into file names and XML:
    they consist of letters, digits, `-`, `_` and `.` only.
    """
    stem = Path(soundfont).stem
    clean = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in stem)
    return clean + (f"-p{preset}" if preset else "") + (f"-e{expression}" if expression else "")


def perform(
    music: Music, soundfont: str | Path, preset: int, tempo: float, seed: str = ""
) -> Features:
    """Plays music and computes the features of the performance.

    Args:
        music: Notes sorted by tick and pitch; rows of `notes` are in their order, also where
            expression lets the notes of a chord sound one after the other.
        soundfont: Path of an .sf2 file.
        preset: General MIDI program.
        tempo: Speed relative to the notated one.
        seed: Seed of expression, none if empty; see `expression.express`.
    """
    from tempo_invariant.audio.spectrogram import whole_spectrogram

    played = played_music(music, tempo, seed)
    midi = midi_bytes(played, preset, TAIL_SECONDS)
    spectrogram = whole_spectrogram(render_midi(midi, soundfont))
    ticks = np.array([note.tick for note in played.notes])
    lengths = played.sounding_lengths()
    pitches = np.array([note.pitch for note in played.notes])
    starts, ends = played.seconds(ticks), played.seconds(ticks + lengths)
    zeros = np.zeros_like(starts)
    onsets = onset_frame(starts)
    matrix = np.zeros((128, spectrogram.shape[1]), np.uint8)
    for pitch, first, last in zip(pitches, onsets, onset_frame(ends), strict=True):
        matrix[pitch, first : max(last, first + 1)] = 1
    notes = np.stack([starts, pitches, ends - starts, zeros, zeros], axis=1)
    return Features(midi, notes, onsets, spectrogram, matrix)


def check_soundfont(soundfont: str | Path) -> None:
    """Raises `UserError` unless the file is there and looks like a soundfont."""
    try:
        with open(soundfont, "rb") as stream:
            head = stream.read(12)
    except OSError as error:
        raise UserError(f"{soundfont}: no such soundfont ({error.strerror})") from error
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        raise UserError(f"{soundfont}: not a soundfont (.sf2)")


@functools.lru_cache(maxsize=1)
def _soundfont_bytes(path: str) -> bytes:
    return Path(path).read_bytes()
