"""Fits what turns scores into a confidence: `retrieval.certainty.Calibration`.

Every query is asked of libraries of many sizes, drawn from one index: once with its own document
and once without it (and without the other editions of it), in which case no answer is right. So
the confidence holds where the library is as likely as not to know the music. The recordings have to
be of music that the model was not trained on: it knows that better than any that it will meet.
"""

import dataclasses
import functools
import math
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from tempo_invariant import progress
from tempo_invariant.audio import windows
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import identification, odd_sounds, page_queries
from tempo_invariant.evaluation.query_sets import Query
from tempo_invariant.retrieval import passages, traces
from tempo_invariant.retrieval.certainty import (
    FEATURES,
    FEWEST_STEPS,
    Calibration,
    confidences,
    features,
)
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.identification import page_limits, recording_limits
from tempo_invariant.retrieval.library import SnippetIndex
from tempo_invariant.retrieval.ranking import Ranker
from tempo_invariant.retrieval.sequence import PathLimits
from tempo_invariant.retrieval.traces import Trace

SIZES = (1, 2, 3, 5, 10, 30, 100, 1_000_000)
"""Numbers of documents of the libraries; the last one is all that there are."""

ABSENT, SURE = 0.2, 0.98
"""Confidence below which music is held to be absent, and from which the first one is surely right.
"""

NAMED = 0.8
"""Confidence below which nothing is named, however few would be named falsely."""

FALSELY_NAMED = 0.005
"""Share of recordings, and of odd sounds, asked of libraries without them for which a score may be
named all the same. The confidence from which the first one is likely right follows from it."""

ODD_SEEDS = (0, 100, 200)
"""Seeds from which the sounds are made that no score has."""

ODD = "odd: "
"""What the names of sounds that no score has begin with."""

FOLDS = 5
_PENALTY = 1e-3
"""Weight of the squared coefficients, for features of variance 1, against the mean loss."""


@dataclass(frozen=True)
class Asked:
    """A query and the scores that all documents of an index have for it.

    Attributes:
        name: Name of what is played; queries of one name are in one fold.
        own: Numbers of the documents that are right; empty for none.
        scores: Scores less hubness, float64 [documents].
        steps: Number of steps.
        trace: Tells how the best path runs through a document.
    """

    name: str
    own: tuple[int, ...]
    scores: np.ndarray
    steps: int
    trace: Callable[[int], Trace]


@dataclass(frozen=True)
class Trials:
    """Queries as they were asked of libraries.

    Attributes:
        asked: Number of the query of every trial, int64 [trials].
        documents: Number of documents of its library, int64 [trials].
        known: Whether a right document is in it, bool [trials].
        right: Whether the first document is right, bool [trials].
        values: `certainty.features` of the first one, float64 [trials, features].
    """

    asked: np.ndarray
    documents: np.ndarray
    known: np.ndarray
    right: np.ndarray
    values: np.ndarray


def ask_both_ways(
    embedder: Embedder,
    scores: SnippetIndex,
    queries: Sequence[Query],
    keep: str | Path | None = None,
) -> Iterator[tuple[str, list[Asked]]]:
    """Asks scores with recordings, and whole recordings with pages of their scores.

    Args:
        embedder: The model.
        scores: Index of scores.
        queries: Recordings of pieces of the index, some of them whole. Those too short to be ever
            known are left out.
        keep: Directory for the indices of the recordings, which are used again if they are there.

    Yields:
        Kind of the index that was asked, and how: "sheets", and, if there are whole recordings,
        "recordings".
    """
    hop, step = windows.HOP_FRAMES, scores.step_pixels
    heard: list[tuple[str, np.ndarray]] = []
    whole: SnippetIndex | None = None
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(keep or scratch)
        for played, recordings in identification.record_all(embedder, queries, hop, root):
            if not played[0].condition.seconds:
                whole = whole or recordings
            else:
                heard += [
                    (query.piece, np.array(recordings.vectors[recordings.rows(number)]))
                    for number, query in enumerate(played)
                ]
        heard += [
            (ODD + name, vectors)
            for seed in ODD_SEEDS
            for name, vectors in odd_sounds.hear_all(embedder, hop, seed)
        ]
        heard = [(name, vectors) for name, vectors in heard if len(vectors) >= FEWEST_STEPS]
        yield "sheets", ask(scores, heard, recording_limits(hop, step))
        if whole is not None:
            yield (
                "recordings",
                ask(whole, page_queries.ask_with(scores, whole.documents), page_limits(hop, step)),
            )


def ask(
    index: SnippetIndex,
    queries: Iterable[tuple[str, np.ndarray]],
    limits: PathLimits,
    count: int | None = None,
) -> list[Asked]:
    """Asks an index, every document of which is followed.

    Args:
        index: Index with many documents.
        queries: Names of the right documents (a name that the index lacks stands for something
            that it does not hold), and embeddings, float32 [steps, size].
        limits: Limits of the paths.
        count: Number of queries, for the progress bar.
    """
    numbers = {name: number for number, name in enumerate(index.documents)}
    editions = {number: group for group in index.editions for number in group}
    found = []
    for name, embeddings in progress.track(queries, "queries asked", count):
        ranker = Ranker(index, limits=limits, shortlist_positions=len(index.vectors))
        ranker.update(embeddings)
        ranker.candidates(1)
        number = numbers.get(name)
        own = () if number is None else editions.get(number, (number,))
        trace = functools.cache(functools.partial(_trace, index, embeddings, limits))
        found.append(Asked(name, tuple(own), ranker.scores(), len(embeddings), trace))
    return found


def _trace(index: SnippetIndex, embeddings: np.ndarray, limits: PathLimits, document: int) -> Trace:
    rows = index.rows(document)
    hubness = index.hubness[rows]
    found = passages.find(embeddings, index.vectors[rows], hubness, limits)
    return traces.trace(found.similarities - hubness, found.path, embeddings[found.steps])


def fit(asked: Sequence[Asked], seed: int = 0) -> tuple[Calibration, str]:
    """Fits a calibration.

    Args:
        asked: Queries with the scores of all documents.
        seed: Seed for the libraries that are drawn, and for the folds.

    Returns:
        The calibration, and a table of what it makes of queries in folds that it was not fitted to.

    Raises:
        UserError: There are too few queries.
    """
    if len({one.name for one in asked if one.own}) < 2 * FOLDS:
        raise UserError(f"needs recordings of at least {2 * FOLDS} documents of the index")
    usual = _usual_rivals(asked)
    trials = _try(asked, usual, np.random.default_rng(seed))
    names = np.array([asked[number].name for number in trials.asked])
    order = np.random.default_rng(seed).permutation(np.unique(names))
    fold = {name: place % FOLDS for place, name in enumerate(order.tolist())}
    folds = np.array([fold[name] for name in names.tolist()])
    confidence = np.zeros(len(names))
    for number in range(FOLDS):
        rest, own = folds != number, folds == number
        weights = _fit_weights(trials.values[rest], trials.right[rest])
        confidence[own] = confidences(trials.values[own], weights)
    weights = _fit_weights(trials.values, trials.right)
    calibration = dataclasses.replace(
        usual,
        weights=tuple(round(float(weight), 5) for weight in weights),
        likely=_likely(confidence[~trials.known], _odd(names)[~trials.known]),
    )
    return calibration, _table(asked, trials, confidence, calibration)


def _usual_rivals(asked: Sequence[Asked]) -> Calibration:
    """Returns a calibration without weights: how wrong documents score."""
    means, deviations, steps = [], [], []
    for one in asked:
        if one.own:
            wrong = np.delete(one.scores, one.own)
            means.append(wrong.mean())
            deviations.append(wrong.std())
            steps.append(np.log(one.steps))
    slope, level = np.polyfit(steps, means, 1)
    both = round(float(level), 5), round(float(slope), 5)
    deviation = round(float(np.mean(deviations)), 5)
    return Calibration(both, deviation, (0.0,) * (1 + FEATURES), ABSENT, SURE, SURE)


def _try(asked: Sequence[Asked], usual: Calibration, generator: np.random.Generator) -> Trials:
    rows = []
    for number, one in enumerate(asked):
        wrong = np.setdiff1d(np.arange(len(one.scores)), one.own)
        own = sorted(one.own, key=lambda document: one.scores[document])[-1:]
        for size in SIZES:
            for known in (True, False) if own else (False,):
                drawn = generator.choice(wrong, min(size - known, len(wrong)), replace=False)
                held = np.array([*own[: int(known)], *drawn], int)
                held = held[np.argsort(-one.scores[held], kind="stable")]
                first, rivals = int(held[0]), one.scores[held[1:]]
                values = features(one.scores[first], rivals, one.trace(first), usual)
                rows.append((number, len(held), known, first in one.own, values))
    asked_of, documents, known_in, right_first, made = zip(*rows, strict=True)
    return Trials(
        np.array(asked_of),
        np.array(documents),
        np.array(known_in),
        np.array(right_first, bool),
        np.stack(made),
    )


def _fit_weights(values: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Returns the constant and the weights of a logistic regression, float64 [1 + features]."""
    middle, scale = values.mean(axis=0), np.maximum(values.std(axis=0), 1e-6)
    rows = np.concatenate([np.ones((len(values), 1)), (values - middle) / scale], axis=1)
    signs = np.where(right, 1.0, -1.0)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        margins = signs * (rows @ weights)
        pull = _PENALTY * np.concatenate([[0.0], weights[1:]])
        slopes = -signs / (1 + np.exp(np.clip(margins, -50, 50)))
        value = np.logaddexp(0, -margins).mean() + pull @ weights / 2
        return float(value), rows.T @ slopes / len(rows) + pull

    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    weights = found[1:] / scale
    return np.array([found[0] - weights @ middle, *weights])


def _odd(names: np.ndarray) -> np.ndarray:
    """Returns which names are those of odd sounds, bool [names]."""
    return np.char.startswith(names, ODD)


def _likely(unknown: np.ndarray, odd: np.ndarray) -> float:
    """Returns the lowest confidence, in hundredths, that few enough unknown ones have; `NAMED`
    at least.

    Args:
        unknown: Confidence about what libraries do not hold, by weights not fitted to it.
        odd: Which of it is odd sounds, bool; of these and of the others few enough each.
    """
    kinds = [kind for kind in (unknown[odd], unknown[~odd]) if len(kind)]
    level = max(np.quantile(kind, 1 - FALSELY_NAMED, method="higher") for kind in kinds)
    return float(np.clip((math.floor(100 * level) + 1) / 100, NAMED, SURE))


def _table(
    asked: Sequence[Asked], trials: Trials, confidence: np.ndarray, calibration: Calibration
) -> str:
    """Returns what comes of queries by size of the library and steps, in per cent."""
    steps = np.array([asked[number].steps for number in trials.asked])
    odd = _odd(np.array([asked[number].name for number in trials.asked]))
    named = confidence >= calibration.likely
    lines = [
        f"likely from {calibration.likely:g} on",
        f"{'steps':>9}  {'documents':>9}  {'queries':>7}  right named  wrong  unknown named  odd",
    ]
    for low, high in ((0, 15), (15, 30), (30, 60), (60, 10_000)):
        for size in np.unique(trials.documents)[::-1]:
            mine = (steps >= low) & (steps < high) & (trials.documents == size)
            known = mine & trials.known
            unknown, odd_ones = mine & ~trials.known & ~odd, mine & odd
            if not known.any() or not unknown.any():
                continue
            shares = (
                (named & trials.right)[known].mean(),
                (named & ~trials.right)[known].mean(),
                named[unknown].mean(),
                named[odd_ones].mean() if odd_ones.any() else math.nan,
            )
            right, wrong, falsely, oddly = (f"{100 * share:.1f}" for share in shares)
            lines.append(
                f"{f'{low}–{high}':>9}  {size:9d}  {known.sum():7d}  {right:>11}  {wrong:>5}  "
                f"{falsely:>13}  {oddly:>3}"
            )
    return "\n".join(lines)
