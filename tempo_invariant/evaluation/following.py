"""Errors of following the recordings of a query set, in seconds and pixels."""

import bisect
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant import progress
from tempo_invariant.errors import UserError
from tempo_invariant.evaluation import metrics
from tempo_invariant.evaluation.query_sets import Query, by_condition
from tempo_invariant.retrieval import following
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.retrieval.following import Following
from tempo_invariant.retrieval.score_alignment import Costs, Strip
from tempo_invariant.scores import collection
from tempo_invariant.scores.documents import SheetDocument
from tempo_invariant.scores.places import Place

SHARES = (0.5, 0.9)
"""The quantiles of the errors that are reported."""

Errors = Sequence[np.ndarray] | np.ndarray
"""Errors in seconds and in pixels, [moments] each."""

Followed = tuple[Query, Errors, int]
"""A query with its errors and the number of leaps."""


@dataclasses.dataclass(frozen=True)
class Truth:
    """When each place of a strip sounds; between the moments linearly.

    Attributes:
        seconds: Times of the moments, ascending float64 [moments].
        columns: Columns of the strip, ascending float64 [moments].
    """

    seconds: np.ndarray
    columns: np.ndarray

    def errors(self, found: Following) -> tuple[np.ndarray, np.ndarray]:
        """Returns the errors at every moment of an alignment from the first onset to the last.

        Returns:
            By how many seconds the place that is shown is played later than it is shown, and how
            many pixels along the strip it is beyond what is played: float64 [moments] each.
        """
        inside = (found.seconds >= self.seconds[0]) & (found.seconds <= self.seconds[-1])
        inside &= ~np.isnan(found.columns)
        seconds, columns = found.seconds[inside], found.columns[inside]
        late = np.interp(columns, self.columns, self.seconds) - seconds
        return late, columns - np.interp(seconds, self.seconds, self.columns)


def run(
    embedder: Embedder,
    scores: str | Path,
    queries: Sequence[Query],
    hop_frames: int = following.HOP_FRAMES,
    step_pixels: int = following.STEP_PIXELS,
    costs: Costs | None = None,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Follows recordings through their scores.

    Args:
        embedder: The model.
        scores: Scores of the pieces, see `collection.find_scores`.
        queries: Recordings.
        hop_frames: Distance of windows in spectrogram frames.
        step_pixels: Distance of snippets in page pixels.
        costs: Costs of the alignment; None stands for the usual ones.
        seed: Seed for the bootstrap resampling.

    Returns:
        For every condition its fields, and what `summary` returns.

    Raises:
        UserError: A score is missing, or a recording cannot be read, is silent or has no truth.
    """
    of_piece = {query.piece: [q for q in queries if q.piece == query.piece] for query in queries}
    followed: list[Followed] = []
    sources = collection.find_scores(
        scores, step_pixels, documents=list(of_piece), staves=embedder.staves
    )
    for source in progress.track(sources, "pieces", len(of_piece)):
        document = source.read()
        document.log_notes()
        sheet = embedder.embed_sheet(document.snippets)
        for query in of_piece[source.name]:
            followed.append(_follow(embedder, document, sheet, query, hop_frames, costs))
    reports = []
    for condition in by_condition(queries):
        mine = [item for item in followed if item[0].condition == condition]
        reports.append(condition.report() | _results(mine, list(of_piece), seed))
    return reports


def _follow(
    embedder: Embedder,
    document: SheetDocument,
    sheet: np.ndarray,
    query: Query,
    hop_frames: int,
    costs: Costs | None,
) -> Followed:
    name = str(query.audio)
    found = following.follow_embedded(
        embedder, document, sheet, [query.pcm()], hop_frames, name, costs
    )
    errors = find_truth(query, found.systems, found.strip).errors(found)
    return query, errors, int(found.leaps.sum())


def _results(followed: Sequence[Followed], pieces: Sequence[str], seed: int) -> dict[str, Any]:
    """Returns what all errors and leaps under a condition amount to; pieces keep their order."""
    errors: dict[str, list[Errors]] = {piece: [] for piece in pieces}
    for query, missed, _ in followed:
        errors[query.piece].append(missed)
    of_pieces = {piece: np.concatenate(parts, axis=1) for piece, parts in errors.items() if parts}
    return {"leaps": sum(leaps for *_, leaps in followed)} | summary(of_pieces, seed)


def find_truth(query: Query, systems: Sequence[Place], strip: Strip) -> Truth:
    """Returns when the note heads of a piece sound.

    Heads that are struck together in the score are one moment: at the mean of their times and the
    median of their columns. Moments that stand left of earlier ones (grace notes, heads that were
    aligned with another note) are left out, as few as possible.

    Raises:
        UserError: Not even two moments are known.
    """
    lefts = {
        (system.page, system.system): start - system.x
        for system, start in zip(systems, strip.starts[:-1], strict=True)
    }
    rows = query.truth()
    heard = rows["seconds"] - query.entry.start_seconds
    # Without the score's own times, heads that are struck at one time are a moment.
    notated = heard if np.isnan(rows["moment"]).any() else rows["moment"]
    moments: dict[float, list[tuple[float, float]]] = {}
    for row, seconds, moment in zip(rows, heard, notated, strict=True):
        left = lefts.get((row["page"], row["system"]))
        if left is not None:
            moments.setdefault(float(moment), []).append((seconds, row["x"] + left))
    tables = [np.array(moments[moment]) for moment in sorted(moments)]
    times = np.array([table[:, 0].mean() for table in tables])
    columns = np.array([np.median(table[:, 1]) for table in tables])
    kept = longest_ascent(columns)
    kept = kept[np.diff(times[kept], prepend=-np.inf) > 0]
    if len(kept) < 2:
        raise UserError(f"{query.truth_path}: fewer than two moments lie in the score's systems")
    return Truth(times[kept], columns[kept])


def longest_ascent(values: np.ndarray) -> np.ndarray:
    """Returns the indices of a longest strictly ascending part of some values: int64, ascending."""
    tails: list[float] = []
    ends: list[int] = []
    before = np.full(len(values), -1)
    for index, value in enumerate(values.tolist()):
        place = bisect.bisect_left(tails, value)
        tails[place:] = [value, *tails[place + 1 :]]
        ends[place:] = [index, *ends[place + 1 :]]
        before[index] = ends[place - 1] if place else -1
    chain = []
    index = ends[-1] if ends else -1
    while index >= 0:
        chain.append(index)
        index = int(before[index])
    return np.array(chain[::-1], np.int64)


def summary(errors: Mapping[str, Errors], seed: int = 0) -> dict[str, Any]:
    """Returns what the errors of pieces amount to.

    Args:
        errors: Errors of each piece at every moment, in seconds and pixels.
        seed: Seed for the bootstrap resampling.

    Returns:
        "seconds" and "pixels": median and 90 % quantile of the absolute errors over all moments,
        [value, low, high] with 95 % intervals from drawing pieces with replacement; "bias" in
        seconds: the median, above 0 where the place shown is ahead of the sound; "by_piece": the
        same for every piece alone.
    """
    names = list(errors)
    owners = np.repeat(np.arange(len(names)), [len(errors[name][0]) for name in names])
    result: dict[str, Any] = {"pieces": len(names), "moments": len(owners)}
    for unit, kind in enumerate(("seconds", "pixels")):
        values = np.abs(np.concatenate([errors[name][unit] for name in names]))
        result[kind] = dict(zip(("median", "90%"), _quantiles(values, owners, seed), strict=True))
    result["bias"] = float(np.median(np.concatenate([errors[name][0] for name in names])))
    result["by_piece"] = {
        name: {
            kind: [float(value) for value in np.quantile(np.abs(errors[name][unit]), SHARES)]
            for unit, kind in enumerate(("seconds", "pixels"))
        }
        for name in names
        if len(errors[name][0])
    }
    return result


def _quantiles(values: np.ndarray, owners: np.ndarray, seed: int) -> list[list[float]]:
    """Returns quantiles of values with their intervals over owners, [value, low, high] each."""
    order = np.argsort(values, kind="stable")
    values, owners = values[order], owners[order]
    draws = metrics.piece_draws(int(owners.max(initial=-1)) + 1, seed)
    found = np.empty((len(draws), len(SHARES)))
    for number, draw in enumerate(draws):
        weights = np.cumsum(draw[owners])
        found[number] = values[np.searchsorted(weights, np.array(SHARES) * weights[-1])]
    exact = np.quantile(values, SHARES)
    both = zip(exact, found.T, strict=True)
    return [[float(value), *metrics.interval(estimates)] for value, estimates in both]


def table(reports: Sequence[dict[str, Any]]) -> str:
    """Returns the results for the screen, 95 % intervals over pieces in brackets."""
    lines = []
    for report in reports:
        lines.append(f"{report['text']}: {report['pieces']} pieces, {report['leaps']} leaps")
        for kind, digits in (("seconds", 3), ("pixels", 1)):
            cells = [
                f"{name} {value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"
                for name, (value, low, high) in report[kind].items()
            ]
            lines.append(f"  {kind:8}{'  '.join(cells)}")
    return "\n".join(lines)
