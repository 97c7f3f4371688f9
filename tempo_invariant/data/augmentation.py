"""Variations of a recording, made on its spectrogram: tuning, room, equaliser, cuts, noise, gaps.

Pure functions of a batch and of random numbers, in TensorFlow, for `tf.data`. The effects of a
microphone and a room are applied to the magnitudes or the power of the bands, which is cheap and
close enough to teach a model to ignore them; tests of robustness change the sound itself. XLA
compiles the chain.

Spectrograms are frame-major here, `[batch, frames, bands]`, as records hold them; every function
that takes one returns one of the same shape.
"""

import math

import numpy as np
import tensorflow as tf

from tempo_invariant.audio import bands
from tempo_invariant.audio.spectrogram import filterbank
from tempo_invariant.geometry import (
    BANDS,
    FMAX_HZ,
    FMIN_HZ,
    FRAME_SIZE,
    FRAMES_PER_SECOND,
    SAMPLE_RATE,
)
from tempo_invariant.variations import CLEAREST_DB, Augmentation

EQUALIZER_KNOTS = 6
"""Number of the equaliser's gains, at even spacing over the bands: one every 1.4 octaves."""

CUT_DB = 24.0
"""Attenuation per octave beyond a cut, about that of small loudspeakers and telephones."""

STEEPEST_DB = -6.0
"""Noise falls by 0 (white) to this many dB an octave (brown)."""

WETTEST_DB, DRIEST_DB = 0.0, -20.0
"""Energy of a room's tail, relative to the direct sound."""

_TAIL_DB = 40.0
_NOISE_POOL = 4


def vary(
    spectrogram: tf.Tensor,
    augmentation: Augmentation,
    seed: tf.Tensor,
    gain: tf.Tensor | None = None,
) -> tf.Tensor:
    """Varies a share of the excerpts of a batch, the first ones, each in its own way.

    Args:
        spectrogram: Spectrograms, log10(1 + magnitude), float32 `[batch, frames, bands]`; batch
            is known.
        augmentation: Variations, and how far they go.
        seed: Two integers; the same ones give the same variation.
        gain: Factors of the magnitudes of all excerpts, `[batch]`; None leaves them. They are
            applied here to convert between logarithms and magnitudes only once.

    Returns:
        float32 `[batch, frames, bands]`.
    """
    if not augmentation.varies_spectrograms:
        return spectrogram if gain is None else amplify(spectrogram, gain)
    batch = round(augmentation.varied_share * spectrogram.shape[0])
    draws = _draws(augmentation, batch, spectrogram.shape[1], seed)
    spectrogram, rest = spectrogram[:batch], spectrogram[batch:]
    if gain is not None:
        draws["gain"] = (gain[:batch],)
        rest = amplify(rest, gain[batch:])
    return tf.concat([_varied(spectrogram, draws, augmentation), rest], axis=0)


def _draws(
    augmentation: Augmentation, batch: int, frames: int, seed: tf.Tensor
) -> dict[str, tuple]:
    """Draws how much each of a number of excerpts is varied, by the name of the variation."""
    seeds = iter(tf.unstack(tf.random.experimental.stateless_split(seed, 9)))

    def uniform(low: float, high: float, *shape: int) -> tf.Tensor:
        return tf.random.stateless_uniform([batch, *shape], next(seeds), low, high)

    tuning, longest = augmentation.tuning_cents, augmentation.reverberation_seconds
    balance, noise_db = augmentation.equalization_db, augmentation.noise_snr_db
    draws: dict[str, tuple] = {}
    if tuning:
        draws["tuning"] = (uniform(-tuning, tuning),)
    if longest:
        draws["room"] = uniform(0.05 * longest, longest), uniform(DRIEST_DB, WETTEST_DB)
    if balance:
        draws["equalizer"] = (uniform(-balance, balance, EQUALIZER_KNOTS),)
    if augmentation.low_cut_hz or augmentation.high_cut_hz:
        draws["cuts"] = (uniform(0.0, 1.0, 2),)
    if noise_db:
        noise = steady_noise(batch, frames, next(seeds))
        draws["noise"] = noise, uniform(noise_db, CLEAREST_DB), uniform(STEEPEST_DB, 0.0)
    if augmentation.mask_frames or augmentation.mask_bands:
        draws["mask"] = (uniform(0.0, 1.0, 4),)
    return draws


@tf.function(jit_compile=True)
def _varied(
    spectrogram: tf.Tensor, draws: dict[str, tuple], augmentation: Augmentation
) -> tf.Tensor:
    """Applies the draws to spectrograms `[batch, frames, bands]`."""
    ten = math.log(10.0)
    values = tf.exp(spectrogram * ten) - 1.0
    if "gain" in draws:
        values *= draws["gain"][0][:, None, None]
    if "tuning" in draws:
        values = shift_tuning(values, *draws["tuning"])
    power = tf.square(values)
    if "room" in draws:
        seconds, wet_db = draws["room"]
        power = reverberate(power, seconds, wet_db, augmentation.reverberation_seconds)
    if "equalizer" in draws:
        power = equalize(power, *draws["equalizer"])
    if "cuts" in draws:
        farthest = augmentation.low_cut_hz or FMIN_HZ, augmentation.high_cut_hz or FMAX_HZ
        power = cut(power, farthest, *draws["cuts"])
    if "noise" in draws:
        power = add_noise(power, *draws["noise"])
    if "mask" in draws:
        sizes = augmentation.mask_frames, augmentation.mask_bands
        power = mask(power, sizes, *draws["mask"])
    return tf.math.log(1.0 + tf.sqrt(power)) / ten


def amplify(spectrogram: tf.Tensor, gain: tf.Tensor) -> tf.Tensor:
    """Scales the magnitudes: log10(1 + gain x) where the spectrogram is log10(1 + x).

    Computed as log(1 - gain + gain exp(a)), which is less exact near 0 than with expm1 and log1p,
    by 1e-6, but half as expensive.

    Args:
        spectrogram: Spectrograms, `[batch, frames, bands]`.
        gain: Factors of the magnitudes, `[batch]`.
    """
    ten = math.log(10.0)
    gain = gain[:, None, None]
    return tf.math.log((1.0 - gain) + gain * tf.exp(spectrogram * ten)) * (1.0 / ten)


def _centres_hz() -> np.ndarray:
    return bands.band_edges()[1:-1] * (SAMPLE_RATE / FRAME_SIZE)


def shift_tuning(magnitudes: tf.Tensor, cents: tf.Tensor) -> tf.Tensor:
    """Moves the content of the bands up (positive) or down, by linear interpolation.

    Args:
        magnitudes: Magnitudes of the bands, `[batch, frames, bands]`.
        cents: Distance in cents, `[batch]`; a band is 75 cents wide, and the lowest ones wider.
    """
    centres = bands.band_edges()[1:-1].astype(np.float32)
    # A band takes what was at its frequency divided by the ratio, this far below it.
    distance = centres * (1 - tf.pow(2.0, -cents[:, None] / 1200))
    gaps = np.diff(
        centres, prepend=2 * centres[0] - centres[1], append=2 * centres[-1] - centres[-2]
    )
    below = tf.clip_by_value(distance / gaps[:-1], 0.0, 1.0)[:, None, :]
    above = tf.clip_by_value(-distance / gaps[1:], 0.0, 1.0)[:, None, :]
    lower = tf.pad(magnitudes[..., :-1], [[0, 0], [0, 0], [1, 0]])
    higher = tf.pad(magnitudes[..., 1:], [[0, 0], [0, 0], [0, 1]])
    return (1.0 - below - above) * magnitudes + below * lower + above * higher


def reverberate(
    power: tf.Tensor, seconds: tf.Tensor, wet_db: tf.Tensor, longest: float
) -> tf.Tensor:
    """Adds an exponential tail to the power of every band, like the diffuse sound of a room.

    Sounds before the excerpt add nothing.

    Args:
        power: Squared magnitudes, `[batch, frames, bands]`.
        seconds: Time in seconds within which the tail falls by 60 dB, `[batch]`.
        wet_db: Energy of the tail in dB relative to the direct sound, `[batch]`.
        longest: Longest time of `seconds`; the tail is followed for at least 40 dB.
    """
    decay = 10.0 ** (-6.0 / (FRAMES_PER_SECOND * seconds))[:, None, None]
    wet = 10.0 ** (wet_db / 10)[:, None, None]
    doublings = max(1, math.ceil(math.log2(longest * FRAMES_PER_SECOND * _TAIL_DB / 60)))
    # Silence before the excerpt, as long as the tail, so that everything below is a slice: XLA
    # makes slow code of a padding in every step.
    tail = tf.pad(power, [[0, 0], [2**doublings, 0], [0, 0]])[:, :-1]
    # 2, 4, 8 ... frames of an exponential, each from two copies of the one before.
    for length in (2**step for step in range(doublings)):
        tail = tail[:, length:] + decay**length * tail[:, :-length]
    return power + wet * (1.0 - decay) * tail


def equalize(power: tf.Tensor, gains_db: tf.Tensor) -> tf.Tensor:
    """Applies a smooth curve of gains over the bands.

    Args:
        power: Squared magnitudes, `[batch, frames, bands]`.
        gains_db: Gains in dB at even spacing over the bands, `[batch, knots]`; the curve is between
            neighbouring ones everywhere.
    """
    knots = gains_db.shape[-1]
    position = np.linspace(0, knots - 1, BANDS)
    distance = np.abs(position[None, :] - np.arange(knots)[:, None])
    weights = np.where(distance < 1, 0.5 + 0.5 * np.cos(np.pi * distance), 0).astype(np.float32)
    return power * tf.pow(10.0, tf.matmul(gains_db, weights) / 10)[:, None, :]


def cut(power: tf.Tensor, farthest: tuple[float, float], draws: tf.Tensor) -> tf.Tensor:
    """Attenuates the bands below one frequency and above another by `CUT_DB` an octave.

    Args:
        power: Squared magnitudes, `[batch, frames, bands]`.
        farthest: Frequencies in Hz up to which the lower cut rises, and down to which the higher
            one falls.
        draws: Uniform random numbers from 0 to 1, `[batch, 2]`: how far both go, from the ends of
            the bands and in equal ratios.
    """
    octaves = np.log2(_centres_hz()).astype(np.float32)
    low, high = (
        math.log2(end) + draws[:, index, None] * math.log2(hertz / end)
        for index, (end, hertz) in enumerate(zip((FMIN_HZ, FMAX_HZ), farthest, strict=True))
    )
    beyond = tf.nn.relu(low - octaves) + tf.nn.relu(octaves - high)
    return power * tf.pow(10.0, -CUT_DB / 10 * beyond)[:, None, :]


def steady_noise(batch: int, frames: int, seed: tf.Tensor) -> tf.Tensor:
    """Draws white noise as its spectrogram shows it: power around a mean of 1 in every band.

    The noise of all excerpts is cut from one stretch that is four times as long as one of them.

    Args:
        batch: Number of excerpts.
        frames: Number of frames of an excerpt.
        seed: Two integers.

    Returns:
        Squared magnitudes, `[batch, frames, bands]`.
    """
    seeds = tf.unstack(tf.random.experimental.stateless_split(seed, 2))
    # The mean of n independent Rayleigh magnitudes varies by 0.52 / sqrt(n) of itself.
    spread = 0.5227 * tf.sqrt(tf.reduce_sum(tf.square(filterbank()), axis=0))
    pool = tf.random.stateless_normal([_NOISE_POOL * frames, BANDS], seeds[0])
    pool = tf.square(1.0 + spread * pool) / (1.0 + tf.square(spread))
    last = (_NOISE_POOL - 1) * frames
    first = tf.random.stateless_uniform([batch], seeds[1], 0, last, tf.int32)
    return tf.gather(pool, first[:, None] + tf.range(frames))


def add_noise(
    power: tf.Tensor, noise: tf.Tensor, snr_db: tf.Tensor, slope_db: tf.Tensor
) -> tf.Tensor:
    """Adds a stationary noise floor.

    Args:
        power: Squared magnitudes, `[batch, frames, bands]`.
        noise: White noise of the same shape, from `steady_noise`.
        snr_db: Mean power of the excerpt in dB relative to that of the noise, `[batch]`; in the
            spectrogram, not in the waveform. Silence gets no noise.
        slope_db: Slope of the noise's power in dB an octave, `[batch]`; 0 is white.
    """
    octaves = np.log2(_centres_hz() / _centres_hz().mean()).astype(np.float32)
    colour = tf.pow(10.0, slope_db[:, None] * octaves / 10)
    colour /= tf.reduce_mean(colour, axis=1, keepdims=True)
    mean = tf.reduce_mean(power, axis=[1, 2]) * tf.pow(10.0, -snr_db / 10)
    return power + (mean[:, None] * colour)[:, None, :] * noise


def mask(power: tf.Tensor, sizes: tuple[int, int], draws: tf.Tensor) -> tf.Tensor:
    """Silences some frames in a row and some bands in a row.

    Args:
        power: Squared magnitudes, `[batch, frames, bands]`.
        sizes: Largest number of frames, and of bands.
        draws: Uniform random numbers from 0 to 1, `[batch, 4]`: how many frames and bands, and
            where they are.
    """
    for axis, size in zip((1, 2), sizes, strict=True):
        length = tf.shape(power)[axis]
        count = tf.floor(draws[:, axis - 1] * (size + 1))
        first = tf.floor(draws[:, axis + 1] * (tf.cast(length, tf.float32) - count + 1))
        place = tf.range(length, dtype=tf.float32)[None, :]
        kept = (place < first[:, None]) | (place >= (first + count)[:, None])
        power *= tf.expand_dims(tf.cast(kept, power.dtype), 3 - axis)
    return power


def silence_future(spectrogram: tf.Tensor, share: float, draws: tf.Tensor) -> tf.Tensor:
    """Silences the end of a share of the excerpts, from any frame of the second half on.

    An excerpt that is heard live ends where the present is.

    Args:
        spectrogram: Spectrograms, `[batch, frames, bands]`.
        share: Share of the excerpts.
        draws: Uniform random numbers from 0 to 1, `[batch]`; those below the share say how much.
    """
    frames = spectrogram.shape[1]
    silent = tf.floor(draws / share * (frames // 2 + 1))
    silent *= tf.cast(draws < share, tf.float32)
    kept = tf.range(frames, dtype=tf.float32) < (frames - silent)[:, None]
    return spectrogram * tf.cast(kept, spectrogram.dtype)[..., None]
