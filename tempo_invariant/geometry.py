"""Constants of the two signals: rates, windows and page geometry, for every other module."""

from typing import Any

import numpy as np

SAMPLE_RATE = 22050
"""Audio sample rate in Hz, mono."""

FRAMES_PER_SECOND = 20
"""Spectrogram frames per second; the hop of 1,102.5 samples is fractional."""

FRAME_SIZE = 2048
"""Samples per spectrogram frame."""

BANDS = 92
"""Bands of the logarithmic filterbank."""

FLUX_LAG = -1
"""Frames from the onset frame of a note to the peak of the spectral flux (for the reason, see
`tfrecords_tools.inspection.onsets`)."""

BANDS_PER_OCTAVE = 16
FMIN_HZ = 30.0
FMAX_HZ = 6000.0

PAGE_WIDTH = 835
"""Width of a rendered page in pixels (A4: 1,181 high)."""

STRIP_HEIGHT = 200
"""Height in page pixels of the strip that joins a piece's systems."""

SNIPPET_HEIGHT = 160
SNIPPET_WIDTH = 200
"""Page pixels of a sheet snippet, centred on a note head."""

PRINTED, NEAR = "printed", "near"
STAVES = (PRINTED, NEAR)
"""The distance of a piano's two staves in snippets: as it is printed, or no larger than fits."""

SYSTEM_HEIGHT = 96
"""Largest height in page pixels of a piano's system, from its top to its bottom line, where staves
are near: 32 pixels of a snippet are left above it and below, room for four ledger lines."""

SYSTEM_HEIGHT_OUTPUT = "system_height"
"""What exported models that take snippets with near staves say of them, beside the embedding."""

KNOWS_PRESENT_OUTPUT = "knows_present"
"""What exported models that were trained with missing future say, beside the audio's embedding."""

REDUCTION = 2
"""Both sides of a snippet are halved (2 x 2 mean) before the sheet encoder."""

SHEET_HEIGHT = SNIPPET_HEIGHT // REDUCTION
SHEET_WIDTH = SNIPPET_WIDTH // REDUCTION

STRIP_UNIT = 8
"""Snippets that are so many page pixels apart, or a multiple, can be embedded as a strip: a column
of the sheet encoder's maps after two blocks."""

STRIP_STEP = 24
"""Distance in page pixels of neighbouring snippets that are embedded together, as a strip."""

PAPER = 255
"""Grey value of blank paper."""


def frame_start(frame: Any) -> Any:
    """First sample of a frame: floor(frame * 1102.5), in exact integer arithmetic.

    Args:
        frame: Frame index, an integer or an integer array (NumPy or TensorFlow).

    Returns:
        The sample index, of the type of `frame`.
    """
    return (frame * SAMPLE_RATE) // FRAMES_PER_SECOND


def frame_count(samples: Any) -> Any:
    """Number of frames of a signal of `samples` samples: ceil(samples / 1102.5)."""
    return (samples * FRAMES_PER_SECOND + SAMPLE_RATE - 1) // SAMPLE_RATE


def onset_frame(seconds: float | np.ndarray) -> np.ndarray:
    """Frame in which an onset at `seconds` is heard first: ceil(seconds * 20).

    Times are rounded to a microsecond first, so that 0.15 s is frame 3 and not, by a rounding
    error of binary fractions, 4.
    """
    return np.ceil(np.round(np.asarray(seconds) * FRAMES_PER_SECOND, 6)).astype(np.int64)
