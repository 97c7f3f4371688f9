"""Whether a recording plays the score that it is followed through at all."""

import numpy as np

from tempo_invariant.audio.windows import HOP_FRAMES
from tempo_invariant.retrieval import certainty, hubness, model_identity, traces
from tempo_invariant.retrieval.certainty import Judgement
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import recording_limits
from tempo_invariant.retrieval.sequence import best_path
from tempo_invariant.scores.documents import STEP_PIXELS


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
    probe = model_identity.probe(embedder)
    calibration = certainty.find_calibration(probe, "sheets")
    audible = audio[np.any(audio != 0, axis=1)][:: max(1, HOP_FRAMES // hop_frames)]
    if calibration is None or not len(audible):
        return None
    distance = float(np.median(np.diff(columns))) if len(columns) > 1 else STEP_PIXELS
    stride = max(1, round(STEP_PIXELS / max(distance, 1.0)))
    chosen = sheet[::stride]
    similarities = audible @ chosen.T - hubness.hubness(chosen, hubness.find_cohort(probe))
    limits = recording_limits(HOP_FRAMES, max(1, round(stride * distance)))
    path = best_path(similarities, limits)
    found = traces.trace(similarities, path, audible)
    return certainty.judge(path.score / len(audible), np.zeros(0), found, calibration)
