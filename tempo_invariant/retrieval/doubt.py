"""Whether a recording plays the score that it is followed through at all."""

import numpy as np

from tempo_invariant.audio.windows import HOP_FRAMES
from tempo_invariant.retrieval import certainty, embedders, hubness
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import recording_limits
from tempo_invariant.retrieval.sequence import SequenceTracker

_BLOCK_STEPS = 64


def judge_pair(
    embedder: Embedder, audio: np.ndarray, sheet: np.ndarray, columns: np.ndarray, hop_frames: int
) -> Judgement | None:
    """Says how sure it is that a recording plays a score: as in an index that holds it alone.

    Args:
        embedder: Model.
        audio: Embeddings of the windows, float32 [windows, size]; 0 for silence.
        sheet: Embeddings of the snippets, float32 [snippets, size].
        columns: Columns of the snippets in page pixels, ascending, [snippets].
        hop_frames: Distance of the windows in spectrogram frames.

    Returns:
        How sure it is; None if no calibration of the model is there, or all is silent.
    """
    probe = embedders.probe(embedder)
    calibration = certainty.find_calibration(probe, "sheets")
    audible = audio[np.any(audio != 0, axis=1)]
    if calibration is None or not len(audible):
        return None
    step_pixels = max(1, round(float(np.median(np.diff(columns))))) if len(columns) > 1 else 1
    tracker = SequenceTracker([len(sheet)], recording_limits(hop_frames, step_pixels))
    hubs = hubness.hubness(sheet, hubness.find_cohort(probe))
    for first in range(0, len(audible), _BLOCK_STEPS):
        tracker.update(audible[first : first + _BLOCK_STEPS] @ sheet.T - hubs)
    steps = len(audible) * hop_frames / HOP_FRAMES
    return certainty.judge(float(tracker.scores()[0]), np.zeros(0), steps, calibration)
