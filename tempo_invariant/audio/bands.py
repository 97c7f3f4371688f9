"""The bands of the spectrogram: 16 an octave around 440 Hz, without the need for TensorFlow."""

import numpy as np

from tempo_invariant.geometry import (
    BANDS,
    BANDS_PER_OCTAVE,
    FMAX_HZ,
    FMIN_HZ,
    FRAME_SIZE,
    SAMPLE_RATE,
)

_REFERENCE_HZ = 440.0


def band_edges() -> np.ndarray:
    """Returns the FFT bins nearest to 16 tones an octave around 440 Hz, each once: int [94]."""
    low = np.floor(np.log2(FMIN_HZ / _REFERENCE_HZ) * BANDS_PER_OCTAVE)
    high = np.ceil(np.log2(FMAX_HZ / _REFERENCE_HZ) * BANDS_PER_OCTAVE)
    tones_hz = _REFERENCE_HZ * 2.0 ** (np.arange(low, high + 1) / BANDS_PER_OCTAVE)
    tones_hz = tones_hz[(tones_hz >= FMIN_HZ) & (tones_hz <= FMAX_HZ)]
    return np.unique(np.floor(tones_hz * FRAME_SIZE / SAMPLE_RATE + 0.5).astype(np.int64))


def band_of_pitch(pitch: float | np.ndarray) -> np.ndarray:
    """Returns the (fractional) band in which MIDI pitches have their fundamental."""
    hertz = _REFERENCE_HZ * 2.0 ** ((np.asarray(pitch) - 69) / 12)
    return np.interp(hertz * FRAME_SIZE / SAMPLE_RATE, band_edges()[1:-1], np.arange(BANDS))
