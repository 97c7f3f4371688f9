"""Plays music: the sounds of performances, and their features."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tempo_invariant.audio.degradation import reverberate
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import onset_frame
from tfrecords_tools.music.expression import express
from tfrecords_tools.music.instruments import draw_instrument
from tfrecords_tools.music.notes import Music, midi_bytes
from tfrecords_tools.music.rooms import draw_room, room_response
from tfrecords_tools.music.synthesis import default_soundfont, level_gain, render_midi

TAIL_SECONDS = 1.5
"""Time that is rendered after the end of the last note, for its sound to fade."""

LONGEST_SECONDS = 1.5 * 3600
"""Longest music that is played: an hour of CD sound and its copies take two gigabytes."""


@dataclass(frozen=True)
class Sound:
    """What plays, how and where; each seed stands for another of its kind, and 0 for none.

    Attributes:
        soundfont: Path of an .sf2 file.
        preset: General MIDI program.
        expression: Seed of expressive playing; 0 plays as notated.
        instrument: Seed of tuning and mechanics; 0 plays the soundfont as it is.
        room: Seed of the room and the microphone's place; 0 leaves the sound as it is.
    """

    soundfont: str
    preset: int = 0
    expression: int = 0
    instrument: int = 0
    room: int = 0

    @property
    def name(self) -> str:
        """Name in performances: the file's stem and what is not 0, such as FluidR3_GM-p4-e1-i1-r1.

        Names go into file names and XML: they consist of letters, digits, `-`, `_` and `.` only.
        """
        stem = Path(self.soundfont).stem
        clean = "".join(c if c.isascii() and (c.isalnum() or c in "-_.") else "-" for c in stem)
        parts = {"p": self.preset, "e": self.expression, "i": self.instrument, "r": self.room}
        return clean + "".join(f"-{letter}{number}" for letter, number in parts.items() if number)


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


def render_audio(
    music: Music, sound: Sound | None = None, tempo: float = 1.0, seed: str = ""
) -> np.ndarray:
    """Plays music.

    The level is that of FluidSynth at its default gain of 0.2 and velocity 64, the same for every
    soundfont.

    Args:
        music: Music to play.
        sound: What plays; by default TimGM6mb, as notated.
        tempo: Speed relative to the notated one.
        seed: Any text, such as the name of the performance, from which expression, instrument and
            room are drawn where the sound has them.

    Returns:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: The soundfont is missing or cannot be read, or FluidSynth or what simulates
            rooms is missing.
    """
    sound = sound or Sound(str(default_soundfont()))
    return _render(played_music(music, tempo, seed if sound.expression else ""), sound, seed)[1]


def _render(played: Music, sound: Sound, seed: str) -> tuple[bytes, np.ndarray]:
    """Returns the MIDI file of music as it is played, and its sound, float32 [samples]."""
    instrument = draw_instrument(seed) if sound.instrument else None
    tunings = instrument.tunings if instrument else ()
    midi = midi_bytes(played, sound.preset, TAIL_SECONDS, tunings, dry=bool(sound.room))
    pcm = render_midi(midi, sound.soundfont, tuned=bool(tunings))
    pcm *= level_gain(sound.soundfont, sound.preset)
    if instrument:
        pcm = instrument.add_pedal_noise(pcm, played)
    if sound.room:
        pcm = reverberate(pcm, room_response(draw_room(seed)))
    return midi, pcm


def played_music(music: Music, tempo: float, seed: str = "") -> Music:
    """Returns music at another tempo and, if there is a seed, with expression and dynamics.

    Raises:
        UserError: It would last for longer than `LONGEST_SECONDS`.
    """
    at_tempo = music.at_tempo(tempo)
    seconds = at_tempo.seconds([note.tick + note.length for note in at_tempo.notes])
    if seconds.max(initial=0) > LONGEST_SECONDS:
        hours = f"{seconds.max() / 3600:.1f} hours, longer than {LONGEST_SECONDS / 3600:g}"
        raise UserError(f"the music would last for {hours}")
    return express(at_tempo, seed) if seed else at_tempo.without_dynamics()


def perform(music: Music, sound: Sound, tempo: float, seed: str = "") -> Features:
    """Plays music and computes the features of the performance.

    Args:
        music: Notes sorted by tick and pitch; rows of `notes` are in their order, also where
            expression lets the notes of a chord sound one after the other.
        sound: What plays.
        tempo: Speed relative to the notated one.
        seed: Seed of what is drawn; see `render_audio`.
    """
    from tempo_invariant.audio.spectrogram import whole_spectrogram

    played = played_music(music, tempo, seed if sound.expression else "")
    midi, pcm = _render(played, sound, seed)
    spectrogram = whole_spectrogram(pcm)
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
