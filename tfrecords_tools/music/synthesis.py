"""Turns MIDI files into sound with a soundfont, all soundfonts at one level.

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
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.geometry import SAMPLE_RATE
from tfrecords_tools.music.notes import (
    DEFAULT_MICROSECONDS,
    TICKS_PER_QUARTER,
    Music,
    Note,
    TempoMark,
    midi_bytes,
)

LEVEL_DB = -51.0
"""Power in dB, relative to full scale, at which notes of velocity 64 are played: that of FluidSynth
at its default gain of 0.2 with the soundfonts of MSMD."""

LEVEL_TOLERANCE_DB = 2.0
"""A soundfont that is not further than this from `LEVEL_DB` is played as it is. The grand pianos of
General MIDI soundfonts are not (TimGM6mb -51.4, FluidR3_GM -49.6, MuseScore_General -50.3 dB)."""

MIDIRENDERER_GAIN = 0.46
"""Brings midirenderer to the level of FluidSynth at its default gain of 0.2, 6.7 dB lower."""


def default_soundfont() -> Path:
    """Returns TimGM6mb.sf2, which comes with pretty_midi."""
    import pretty_midi

    return Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"


@functools.lru_cache(maxsize=16)
def level_gain(soundfont: str | Path, preset: int = 0) -> float:
    """Returns the factor that brings a soundfont to `LEVEL_DB`.

    It is measured on every third of the notes from C2 to C7, at velocity 64, one after the other.

    Args:
        soundfont: Path of an .sf2 file.
        preset: General MIDI program.

    Returns:
        The factor for samples; 1 for a soundfont within `LEVEL_TOLERANCE_DB`, and for a silent one.

    Raises:
        UserError: See `render_midi`.
    """
    quarter = TICKS_PER_QUARTER
    notes = tuple(Note(quarter * k, 36 + 3 * k, quarter) for k in range(21))
    scale = Music(notes, (TempoMark(0, DEFAULT_MICROSECONDS),))
    power = np.mean(np.square(render_midi(midi_bytes(scale, preset), soundfont), dtype=np.float64))
    missing_db = LEVEL_DB - 10 * np.log10(power) if power else 0.0
    return 1.0 if abs(missing_db) <= LEVEL_TOLERANCE_DB else float(10 ** (missing_db / 20))


def render_midi(midi: bytes, soundfont: str | Path, tuned: bool = False) -> np.ndarray:
    """Plays a MIDI file as it is.

    Args:
        midi: MIDI file.
        soundfont: Path of an .sf2 file.
        tuned: Whether the file tunes keys, which FluidSynth alone understands.

    Returns:
        float32 [samples], mono, 22,050 Hz.

    Raises:
        UserError: The soundfont is missing or cannot be read, or FluidSynth is missing.
    """
    import librosa

    check_soundfont(soundfont)
    if Path(soundfont).resolve() == default_soundfont().resolve() and not tuned:
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
            "only TimGM6mb as it is plays without it"
        )
    rate = 44100
    with tempfile.TemporaryDirectory(prefix="perform-") as directory:
        score, wav = Path(directory) / "score.midi", Path(directory) / "sound.wav"
        score.write_bytes(midi)
        command = [program, "-niq", "-g", "0.2", "-r", str(rate), "-T", "wav", "-O", "float"]
        command += ["-o", "synth.dynamic-sample-loading=1"]  # of the instrument that plays alone
        command += ["-F", str(wav), str(soundfont), str(score)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        if done.returncode or not wav.is_file() or "Failed" in done.stderr:
            reason = done.stderr or f"FluidSynth ended with {done.returncode}"
            raise UserError(f"{soundfont}: cannot be played ({one_line(reason)})")
        samples, rate = soundfile.read(wav, dtype="float32", always_2d=True)
    length = mido.MidiFile(file=io.BytesIO(midi)).length
    return rate, samples[: round(length * rate)]


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
