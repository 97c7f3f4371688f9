"""How sure it is that the best document is right, and whether the index holds the music at all.

A score alone does not tell: another recording of music that is in the index may have less than one
of music that is not. But a right document stands out from its rivals, the other documents that
were followed. Two numbers say how much, both in standard deviations of the rivals' scores: its
height over their mean, and its lead over the best of them. Editions of the same music are no
rivals. Because a few rivals have hardly a mean, some more are taken to be there that score as is
usual for wrong documents (`Calibration.rival_level`). And the path through a right document is
steady and has the best of it; and what stays the same throughout is hardly music, see `traces`.

A logistic model turns these, the lengths of query and document, and the number of rivals into the
confidence that the first document is right, where it is as likely as not that the index holds the
music. Its coefficients belong to a model and ship with it (`FILES`, beside the weights);
`python -m tempo_invariant.calibrate` fits them. Without them nothing is said of how sure it is.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from tempo_invariant import json_objects
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import hubness
from tempo_invariant.retrieval.traces import Trace

FILES = {"sheets": "certainty_sheets.json", "recordings": "certainty_recordings.json"}
"""By the kind of an index the file with the calibration of its answers."""

VERDICTS = {
    "sure": "known",
    "likely": "known",
    "unsure": "unsure",
    "absent": "unknown",
    "not told": "none",
}
"""What each certainty means for the music: whether the index is held to know it."""

FEWEST_STEPS = 8
"""Of less, four seconds of a recording, nothing is ever known."""

USUAL_RIVALS = 5
"""Number of rivals that are taken to be there besides."""

FEATURES = 10
"""Number of features of the logistic model, see `features`."""


@dataclass(frozen=True)
class Calibration:
    """What makes a confidence of the scores, for a model and one kind of index.

    Attributes:
        rival_level: Mean score of rivals: a constant, and its change with the natural logarithm of
            the number of steps.
        rival_deviation: Standard deviation of the scores of rivals.
        weights: Weights of the logistic model: a constant, and those of `features`.
        absent: Confidence below which the index is held not to know the music.
        likely: Confidence from which the first document is likely right.
        sure: Confidence from which it is surely right.
    """

    rival_level: tuple[float, float]
    rival_deviation: float
    weights: tuple[float, ...]
    absent: float
    likely: float
    sure: float

    def __post_init__(self) -> None:
        if len(self.weights) != 1 + FEATURES or self.rival_deviation <= 0:
            raise UserError(f"must have {1 + FEATURES} weights and a deviation above 0")
        if not 0 <= self.absent <= self.likely <= self.sure <= 1:
            raise UserError("absent, likely and sure must ascend from 0 to 1")


@dataclass(frozen=True)
class Judgement:
    """How sure an answer is.

    Attributes:
        certainty: "sure", "likely", "unsure", "absent": the music is in no document; or "not told":
            the model has no calibration.
        confidence: Probability that the first document is right; None where it is not known.
        short: Whether it is unsure because the query is too short for anything else.
    """

    certainty: str
    confidence: float | None = None
    short: bool = False

    @property
    def verdict(self) -> str:
        """Whether the index knows the music: "known", "unsure", "unknown" or "none"."""
        return VERDICTS[self.certainty]

    def to_dict(self) -> dict[str, Any]:
        """Returns verdict, certainty and confidence as JSON can hold them."""
        confidence = None if self.confidence is None else round(self.confidence, 4)
        return {
            "verdict": self.verdict,
            "certainty": self.certainty,
            "confidence": confidence,
        }


def find_calibration(probe: np.ndarray, kind: str) -> Calibration | None:
    """Returns the calibration of a model, or None if none ships with it.

    Args:
        probe: What the model makes of the probe, see `model_identity.probe`.
        kind: Kind of the index, "sheets" or "recordings".

    Raises:
        UserError: The file of the calibration is damaged.
    """
    directory = hubness.model_directory(probe)
    if directory is None or not (directory / FILES[kind]).is_file():
        return None
    return json_objects.load(Calibration, directory / FILES[kind])


def features(score: float, rivals: np.ndarray, trace: Trace, usual: Calibration) -> np.ndarray:
    """Returns what tells whether a document is right, float64 [FEATURES].

    Args:
        score: Score of the document.
        rivals: Scores of its rivals, float [rivals]; there may be none.
        trace: How the path runs through it.
        usual: Calibration, whose usual level and deviation of rivals are used.
    """
    length = math.log(trace.steps)
    level = usual.rival_level[0] + usual.rival_level[1] * length
    total = USUAL_RIVALS + len(rivals)
    mean = (USUAL_RIVALS * level + np.sum(rivals)) / total
    spread = USUAL_RIVALS * (usual.rival_deviation**2 + (level - mean) ** 2)
    deviation = math.sqrt((spread + np.sum((rivals - mean) ** 2)) / total)
    height = (score - mean) / deviation
    lead = (score - max(mean, np.max(rivals, initial=mean))) / deviation
    rivalry = math.log(len(rivals) + 1)
    path = [trace.unsteadiness, trace.shortfall, math.log(trace.positions), trace.sameness]
    return np.array([height, lead, length, rivalry, height * rivalry, lead * rivalry, *path])


def judge(
    score: float, rivals: np.ndarray, trace: Trace, calibration: Calibration | None
) -> Judgement:
    """Says how sure it is that the first document is right.

    Args:
        score: Score of the first document, less hubness; not finite if it was not followed.
        rivals: Scores of its rivals, float [rivals].
        trace: How the path runs through it.
        calibration: Calibration of the model; None if it has none.
    """
    if calibration is None:
        return Judgement("not told")
    if not math.isfinite(score):
        return Judgement("unsure")
    values = features(score, rivals, trace, calibration)
    confidence = confidences(values[None], calibration.weights)[0]
    if trace.steps < FEWEST_STEPS:
        return Judgement("unsure", float(confidence), short=True)
    certainty = "unsure"
    if confidence < calibration.absent:
        certainty = "absent"
    elif confidence >= calibration.likely:
        certainty = "sure" if confidence >= calibration.sure else "likely"
    return Judgement(certainty, float(confidence))


def confidences(values: np.ndarray, weights: tuple[float, ...] | np.ndarray) -> np.ndarray:
    """Returns the probabilities of a logistic model, float64 [rows].

    Args:
        values: Rows of `features`, [rows, FEATURES].
        weights: A constant and the weights, [1 + FEATURES].
    """
    evidence = weights[0] + values @ np.asarray(weights[1:])
    return 1 / (1 + np.exp(-np.clip(evidence, -50, 50)))
