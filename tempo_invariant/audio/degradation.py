"""What an instrument, a room, a microphone and a file format do to a recording, on its samples.

Pure functions of mono PCM at 22,050 Hz. None of them moves an onset, but for `tune`, which does
so by a known factor. (`scores.degradation` is about images of pages, and `data.augmentation`
varies the spectrograms of training pairs.)
"""

import contextlib
import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft, signal

from tempo_invariant.audio.decoding import Decoder
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import SAMPLE_RATE

Curve = tuple[tuple[float, float], ...]
"""Points (hertz, dB), by ascending frequency."""

BASS_HEAVY: Curve = ((62.5, 9.0), (4000.0, -9.0))
"""Falls by 3 dB an octave, flat outside."""

TREBLE_HEAVY: Curve = ((62.5, -9.0), (4000.0, 9.0))
PHONE_BAND: Curve = ((75.0, -48.0), (300.0, 0.0), (3400.0, 0.0), (6800.0, -24.0))
"""300 to 3,400 Hz, and 24 dB an octave beyond."""

MP3_KILOBITS = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
"""Constant bit rates of MPEG-2 layer III, which 22,050 Hz is written as."""

FIRST_REFLECTION_SECONDS = 0.004
LAST_REFLECTION_SECONDS = 0.04
REFLECTIONS = 8
"""Early reflections, distinct ones, from and to these times after the direct sound."""

_FILTER_TAPS = 2049
_LOWEST_NOISE_HZ = 20.0


@dataclass(frozen=True)
class RecordingDegradation:
    """What happens to a recording; the defaults change nothing.

    Attributes:
        tuning_cents: Cents by which the instrument is tuned too high.
        room_seconds: Time within which the room's reverberation falls by 60 dB; 0: no room.
        wet_db: Energy of all that the room adds, relative to the direct sound.
        noise_snr_db: Power of what is heard relative to that of added noise; None: no noise.
        noise_slope_db: Slope of the noise's power in dB an octave; 0 is white, -3 pink.
        equalization: Gain of the microphone; flat beyond its ends, and flat if empty.
        level_db: Gain of the whole in dB.
        mp3_kilobits: Constant bit rate per second of the file; None: not compressed.
    """

    tuning_cents: float = 0.0
    room_seconds: float = 0.0
    wet_db: float = 0.0
    noise_snr_db: float | None = None
    noise_slope_db: float = -3.0
    equalization: Curve = ()
    level_db: float = 0.0
    mp3_kilobits: int | None = None

    def __post_init__(self) -> None:
        gains = [self.wet_db, self.noise_snr_db or 0.0, self.noise_slope_db, self.level_db]
        gains += [gain for _, gain in self.equalization]
        if not abs(self.tuning_cents) <= 1200 or not 0 <= self.room_seconds <= 60:
            raise UserError("tuning_cents must be at most 1200, room_seconds from 0 to 60")
        if not max(map(abs, gains)) <= 200:
            raise UserError("gains and ratios must be at most 200 dB")
        if any(hertz <= 0 for hertz, _ in self.equalization):
            raise UserError("equalization must have frequencies above 0 Hz")

    @property
    def time_factor(self) -> float:
        """Factor of times, for an instrument out of tune is faster: t becomes t times this."""
        return 2 ** (-self.tuning_cents / 1200)


AS_PLAYED = RecordingDegradation()

PHONE = RecordingDegradation(
    tuning_cents=20.0,
    room_seconds=0.5,
    wet_db=0.0,
    noise_snr_db=10.0,
    level_db=-20.0,
    mp3_kilobits=64,
)
"""As a phone across the room records an instrument that is out of tune."""


def degrade_recording(
    pcm: np.ndarray, how: RecordingDegradation, seed: int | Sequence[int] = 0
) -> np.ndarray:
    """Degrades a recording, in the order in which instrument, room, microphone and file act.

    Args:
        pcm: The recording, [samples], mono at 22,050 Hz, full scale +-1.
        how: The degradation.
        seed: Seed for the room and the noise; an integer or several.

    Returns:
        float32 [samples]; as many as before, `time_factor` times as many if it was tuned.
    """
    room_seed, noise_seed = np.random.SeedSequence(seed).spawn(2)
    pcm = np.asarray(pcm, np.float32)
    if how.tuning_cents:
        pcm = tune(pcm, how.tuning_cents)
    if how.room_seconds:
        generator = np.random.default_rng(room_seed)
        pcm = reverberate(pcm, room_response(how.room_seconds, how.wet_db, generator))
    if how.noise_snr_db is not None:
        generator = np.random.default_rng(noise_seed)
        pcm = add_noise(pcm, how.noise_snr_db, how.noise_slope_db, generator)
    if how.equalization:
        pcm = equalize(pcm, how.equalization)
    if how.level_db:
        pcm = amplify(pcm, how.level_db)
    if how.mp3_kilobits is not None:
        pcm = through_mp3(pcm, how.mp3_kilobits)
    return pcm


def amplify(pcm: np.ndarray, level_db: float) -> np.ndarray:
    """Returns [samples] `level_db` louder, not clipped."""
    return pcm * np.float32(10 ** (level_db / 20))


def tune(pcm: np.ndarray, cents: float) -> np.ndarray:
    """Returns the recording as if played faster: `cents` higher, and shorter by the same factor."""
    import soxr

    return soxr.resample(pcm, SAMPLE_RATE * 2 ** (cents / 1200), SAMPLE_RATE, quality="HQ")


def room_response(seconds: float, wet_db: float, generator: np.random.Generator) -> np.ndarray:
    """Draws the impulse response of a room: direct sound, early reflections, diffuse decay.

    The diffuse part is Gaussian noise under an exponential (J. Polack's model of 1988); the early
    reflections lie on the same exponential, four times as strong as its noise.

    Args:
        seconds: Time within which the response falls by 60 dB.
        wet_db: Energy of all but the direct sound, relative to that.
        generator: Source of the reflections.

    Returns:
        float64 [samples]; the direct sound is the first one, which is 1.
    """
    samples = max(2, round(seconds * SAMPLE_RATE))
    wet = generator.normal(size=samples)
    wet[: round(FIRST_REFLECTION_SECONDS * SAMPLE_RATE)] = 0
    early = generator.uniform(FIRST_REFLECTION_SECONDS, LAST_REFLECTION_SECONDS, REFLECTIONS)
    signs = generator.choice([-1.0, 1.0], REFLECTIONS)
    for place, sign in zip(np.round(early * SAMPLE_RATE).astype(int), signs, strict=True):
        wet[min(place, samples - 1)] = 4 * sign
    wet *= 10.0 ** (-3 * np.arange(samples) / (seconds * SAMPLE_RATE))
    wet *= 10 ** (wet_db / 20) / np.linalg.norm(wet)
    wet[0] = 1.0
    return wet


def reverberate(pcm: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolves a recording with a room, and keeps its length and power."""
    wet = signal.oaconvolve(pcm, response.astype(np.float32))[: len(pcm)]
    return (wet * np.sqrt(_power(pcm) / max(_power(wet), 1e-20))).astype(np.float32)


def add_noise(
    pcm: np.ndarray, snr_db: float, slope_db: float, generator: np.random.Generator
) -> np.ndarray:
    """Adds stationary noise; the ratio is that of the powers of the whole signals from 20 Hz up.

    Args:
        pcm: The recording, [samples].
        snr_db: Signal-to-noise ratio in dB.
        slope_db: Slope of the noise's power in dB an octave.
        generator: Source of the noise.
    """
    count = fft.next_fast_len(len(pcm), real=True)
    spectrum = fft.rfft(generator.standard_normal(count, np.float32))
    hertz = fft.rfftfreq(count, 1 / SAMPLE_RATE)
    audible = hertz >= _LOWEST_NOISE_HZ
    spectrum[audible] *= (hertz[audible] / 1000) ** (slope_db / (20 * np.log10(2)))
    spectrum[~audible] = 0
    noise = fft.irfft(spectrum, count)[: len(pcm)]
    power = _power(pcm) * 10 ** (-snr_db / 10)
    return (pcm + noise * np.sqrt(power / max(_power(noise), 1e-20))).astype(np.float32)


def equalize(pcm: np.ndarray, curve: Curve) -> np.ndarray:
    """Filters without delay; between its points the curve is straight over log frequency."""
    points, gains = (np.array(column) for column in zip(*curve, strict=True))
    hertz = np.concatenate([[0.0], np.geomspace(5.0, SAMPLE_RATE / 2, 500)])
    wanted = np.interp(np.log(np.maximum(hertz, 1.0)), np.log(points), gains)
    taps = signal.firwin2(_FILTER_TAPS, hertz, 10 ** (wanted / 20), fs=SAMPLE_RATE)
    delay = _FILTER_TAPS // 2
    return signal.oaconvolve(pcm, taps.astype(np.float32))[delay : delay + len(pcm)]


def through_mp3(pcm: np.ndarray, kilobits: int) -> np.ndarray:
    """Writes a recording as MP3 and reads it again, without the delay of encoder and decoder.

    Args:
        pcm: The recording, [samples], within +-1.
        kilobits: Constant bit rate per second, one of `MP3_KILOBITS`.

    Returns:
        float32 [samples], as many.

    Raises:
        UserError: There is no such bit rate, or libsndfile was built without MP3.
    """
    stream = io.BytesIO(mp3_bytes(pcm, kilobits))
    with contextlib.closing(Decoder(stream)) as recording:
        blocks = [block for _, block in recording.blocks(logging.warning)]
    decoded = np.concatenate(blocks)
    return np.pad(decoded[: len(pcm)], (0, max(0, len(pcm) - len(decoded))))


def mp3_bytes(pcm: np.ndarray, kilobits: int) -> bytes:
    """Returns an MP3 file; see `through_mp3`."""
    import soundfile

    if kilobits not in MP3_KILOBITS:
        raise UserError(f"an MP3 of 22,050 Hz has {MP3_KILOBITS} kb/s, not {kilobits}")
    if "MP3" not in soundfile.available_formats():
        raise UserError("this libsndfile cannot write MP3; version 1.1 and later can")
    stream = io.BytesIO()
    soundfile.write(
        stream,
        pcm,
        SAMPLE_RATE,
        format="MP3",
        subtype="MPEG_LAYER_III",
        bitrate_mode="CONSTANT",
        # libsndfile takes 0 for the highest rate of this sampling frequency, 1 for the lowest.
        compression_level=(MP3_KILOBITS[-1] - kilobits) / (MP3_KILOBITS[-1] - MP3_KILOBITS[0]),
    )
    return stream.getvalue()


def _power(pcm: np.ndarray) -> float:
    return float(np.mean(np.square(pcm, dtype=np.float64))) if len(pcm) else 0.0
