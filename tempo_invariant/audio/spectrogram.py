"""Audio front end: from a recording to a logarithmic spectrogram, as TensorFlow ops.

The spectrogram equals madmom's `FramedSignalProcessor(frame_size=2048, fps=20, origin="future")`,
`FilteredSpectrogramProcessor(LogarithmicFilterbank, num_bands=16, fmin=30, fmax=6000)` and
`LogarithmicSpectrogramProcessor()` (Böck et al., "madmom: a new Python audio and music signal
processing library", 2016). The same function runs in data preparation, in `tf.data` and inside
the exported graph: it uses core ops only and computes window, filterbank and frame positions in
the graph, so that no large constant is stored.
"""

import numpy as np
import tensorflow as tf

from tempo_invariant.audio.bands import band_edges
from tempo_invariant.geometry import BANDS, FRAME_SIZE, frame_count, frame_start

FFT_BINS = FRAME_SIZE // 2
"""Bins of a frame's spectrum that are used: all but the Nyquist frequency."""

_CHUNK_FRAMES = 1024


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
        pcm: The recording, [samples], mono at 22,050 Hz, full scale +-1.

    Returns:
        float32 [92, ceil(samples / 1102.5)]; frame i covers the 2,048 samples from
        floor(i * 1102.5), and what reaches past the end is silence.
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
