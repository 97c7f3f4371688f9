"""Audio front end: from a recording to a logarithmic spectrogram, as TensorFlow ops.

The spectrogram equals madmom's `FramedSignalProcessor(frame_size=2048, fps=20, origin="future")`,
`FilteredSpectrogramProcessor(LogarithmicFilterbank, num_bands=16, fmin=30, fmax=6000)` and
`LogarithmicSpectrogramProcessor()` (Böck et al., "madmom: a new Python audio and music signal
processing library", 2016). The same function runs in data preparation, in `tf.data` and inside
the exported graph: it uses core ops only and computes window, filterbank and frame positions in
the graph, so that no large constant is stored.
"""

import functools
import warnings
from pathlib import Path

import numpy as np
import tensorflow as tf

from tempo_invariant.bands import band_edges as band_edges
from tempo_invariant.bands import band_of_pitch as band_of_pitch
from tempo_invariant.errors import UserError
from tempo_invariant.geometry import BANDS, FRAME_SIZE, SAMPLE_RATE, frame_count, frame_start

FFT_BINS = FRAME_SIZE // 2
"""Bins of a frame's spectrum that are used: all but the Nyquist frequency."""

SILENCE = 1e-4
"""A recording whose samples all lie within this (-80 dB of full scale) counts as silent."""

_CHUNK_FRAMES = 1024


def spectrogram(pcm: tf.Tensor) -> tf.Tensor:
    """Computes log10(1 + magnitude) in 92 bands, 20 frames a second.

    Frame i covers the 2,048 samples from floor(i * 1102.5); what reaches past the end is silence.

    Args:
        pcm: [..., samples] float, mono at 22,050 Hz, full scale +-1.

    Returns:
        float32 [..., 92, ceil(samples / 1102.5)].
    """
    pcm = tf.cast(pcm, tf.float32)
    samples = tf.shape(pcm, tf.int64)[-1]
    starts = frame_start(tf.range(frame_count(samples)))
    padding = [[0, 0]] * (pcm.shape.rank - 1) + [[0, FRAME_SIZE]]
    padded = tf.pad(pcm, padding)
    frames = tf.gather(padded, starts[:, None] + tf.range(FRAME_SIZE, dtype=tf.int64), axis=-1)
    return frames_to_bands(frames)


def frames_to_bands(frames: tf.Tensor) -> tf.Tensor:
    """Computes the spectrogram of cut frames: [..., frames, 2048] to [..., 92, frames]."""
    window = tf.signal.hann_window(FRAME_SIZE, periodic=False)
    magnitude = tf.abs(tf.signal.rfft(frames * window))[..., :FFT_BINS]
    bands = tf.matmul(filterbank(), magnitude, transpose_a=True, transpose_b=True)
    return tf.math.log1p(bands) / np.log(10.0).astype(np.float32)


def filterbank() -> tf.Tensor:
    """Returns the triangular filters, area 1, float32 [1024 bins, 92 bands].

    Band b rises linearly from bin edge b to edge b + 1 and falls to zero at edge b + 2.
    """
    edges = band_edges()
    narrow = edges[2:] - edges[:-2] < 2
    start = tf.constant(edges[:-2], tf.float32)
    centre = tf.constant(np.where(narrow, edges[:-2], edges[1:-1]), tf.float32)
    stop = tf.constant(np.where(narrow, edges[:-2] + 1, edges[2:]), tf.float32)
    bins = tf.range(FFT_BINS, dtype=tf.float32)[:, None]
    rising = (bins - start) / tf.maximum(centre - start, 1.0)
    falling = (stop - bins) / (stop - centre)
    weights = tf.maximum(tf.where(bins < centre, rising, falling), 0.0)
    return weights / tf.reduce_sum(weights, axis=0)


@tf.function(input_signature=[tf.TensorSpec([None, FRAME_SIZE], tf.float32)])
def _chunk_bands(frames: tf.Tensor) -> tf.Tensor:
    return frames_to_bands(frames)


def whole_spectrogram(pcm: np.ndarray) -> np.ndarray:
    """Computes the spectrogram of a recording of any length, a minute of frames at a time.

    Args:
        pcm: [samples] mono at 22,050 Hz, full scale +-1.

    Returns:
        float32 [92, frames], equal to `spectrogram(pcm)`.
    """
    pcm = np.asarray(pcm, np.float32)
    frames = frame_count(len(pcm))
    result = np.empty((BANDS, frames), np.float32)
    for first in range(0, frames, _CHUNK_FRAMES):
        starts = frame_start(np.arange(first, min(first + _CHUNK_FRAMES, frames)))
        piece = pcm[starts[0] : starts[-1] + FRAME_SIZE]
        piece = np.pad(piece, (0, int(starts[-1]) + FRAME_SIZE - int(starts[0]) - len(piece)))
        windows = np.lib.stride_tricks.sliding_window_view(piece, FRAME_SIZE)
        cut = windows[starts - starts[0]]
        result[:, first : first + len(starts)] = _chunk_bands(tf.constant(cut)).numpy()
    return result


def load_audio(path: str | Path, *, allow_silence: bool = False) -> np.ndarray:
    """Reads an audio file of any format and rate.

    A recording shorter than a window is fine (windows are padded with silence).

    Args:
        path: an audio file that soundfile or audioread can read.
        allow_silence: whether a recording without sound is returned rather than refused; nothing
            can be recognised in one.

    Returns:
        float32 [samples], mono, 22,050 Hz, full scale +-1.

    Raises:
        UserError: the file is missing, no audio, damaged, empty, or silent.
    """
    import librosa

    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such audio file")
    if path.stat().st_size == 0:
        raise UserError(f"{path}: empty file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # soundfile gave up and audioread is tried
            pcm, _ = librosa.load(path, sr=SAMPLE_RATE, mono=True, dtype=np.float32)
    except Exception as error:  # libsndfile, audioread and its backends each raise their own
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}: not a readable audio file ({reason[:200]})") from error
    return check_audio(pcm, str(path), allow_silence=allow_silence)


def check_audio(pcm: np.ndarray, name: str, *, allow_silence: bool = False) -> np.ndarray:
    """Returns `pcm` [samples] if it can be used as a recording.

    Raises:
        UserError: it has no samples, is silent, or not finite; the message starts with `name`.
    """
    if not pcm.size:
        raise UserError(f"{name}: holds no audio samples")
    if not np.isfinite(pcm).all():
        raise UserError(f"{name}: holds samples that are not finite numbers")
    if not allow_silence and np.abs(pcm).max() < SILENCE:
        raise UserError(f"{name}: is silent (peak below {SILENCE:g} of full scale)")
    return pcm


def decode_audio(path: tf.Tensor) -> tf.Tensor:
    """Reads an audio file inside `tf.data` through tensorflow-io.

    WAV (8, 16 and 24-bit integers, 32-bit floats), FLAC, Ogg Vorbis and MP3 of any rate; what else
    there is, `load_audio` reads. A damaged file raises `tf.errors.OpError` when it is read.

    Args:
        path: scalar string, a file name.

    Returns:
        float32 [samples], mono, 22,050 Hz, full scale +-1.
    """
    from tensorflow_io.python.ops import core_ops

    resource = core_ops.io_audio_readable_init(path)
    shape, type_number, rate = core_ops.io_audio_readable_spec(resource)

    def read(dtype: tf.DType) -> tf.Tensor:
        samples = core_ops.io_audio_readable_read(resource, 0, -1, dtype=dtype)
        if dtype.is_floating:
            return samples
        middle = 128.0 if dtype == tf.uint8 else 0.0
        return (tf.cast(samples, tf.float32) - middle) / (dtype.max + 1.0 - middle)

    dtypes = (tf.float32, tf.uint8, tf.int16, tf.int32)
    known = tf.constant([dtype.as_datatype_enum for dtype in dtypes], type_number.dtype)
    index = tf.argmax(tf.cast(tf.equal(known, type_number), tf.int32), output_type=tf.int32)
    samples = tf.switch_case(index, [functools.partial(read, dtype) for dtype in dtypes])
    samples = tf.debugging.assert_all_finite(samples, "audio samples are not finite numbers")
    mono = tf.reduce_mean(tf.reshape(samples, tf.cast(shape, tf.int32)), axis=-1)
    rate = tf.cast(rate, tf.int64)
    pcm = tf.cond(tf.equal(rate, SAMPLE_RATE), lambda: mono, lambda: _resample(mono, rate))
    return tf.ensure_shape(pcm, [None])


def _resample(pcm: tf.Tensor, rate: tf.Tensor) -> tf.Tensor:
    """Brings [samples] from `rate` to 22,050 Hz without tensorflow-io's delay.

    Its resampler (Speex, quality 4) delays by half its filter, which has 64 taps, more of them in
    proportion when the rate falls, rounded up to a multiple of 8.
    """
    from tensorflow_io.python.ops import core_ops

    taps = tf.maximum(tf.constant(64, tf.int64), 64 * rate // SAMPLE_RATE)
    delay = ((taps - 1) // 8 * 8 + 8) // 2
    padded = tf.pad(pcm, [[0, delay]])[:, None]
    delayed = core_ops.io_audio_resample(padded, rate_in=rate, rate_out=SAMPLE_RATE)[:, 0]
    return delayed[(delay * SAMPLE_RATE + rate // 2) // rate :]
