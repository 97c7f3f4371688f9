"""Differences between reports of `evaluate` over the same pairs, with intervals over pieces."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.evaluation import metrics

METRICS = ("r@1", "mrr")
"""What is compared: what reports have for each piece."""


def read_reports(paths: Sequence[str | os.PathLike]) -> list[dict[str, Any]]:
    """Reads what `python -m tempo_invariant.evaluate` wrote.

    Raises:
        UserError: A file is missing or something else, or has other pairs than the first one.
    """
    reports: list[dict[str, Any]] = []
    for path in paths:
        try:
            report = json.loads(Path(path).read_text())
            for direction in (reports or [report])[0]["results"]:
                for metric in METRICS:
                    _ = metrics.cell(metric, report["results"][direction][metric])
                    for row in report["piece_results"].values():
                        _ = row["pairs"] * row[direction][metric]
            if not report["piece_results"]:
                raise ValueError("no piece")
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{path}: no report of evaluate ({one_line(error)})") from error
        reports.append(report)
        if _pairs(report) != _pairs(reports[0]):
            raise UserError(f"{path}: has other pieces or pairs than {paths[0]}")
    return reports


def differences(
    report: dict[str, Any], reference: dict[str, Any], seed: int = 0
) -> dict[str, dict[str, list[float]]]:
    """Returns by how much metrics are above those of a reference, with intervals over pieces.

    Both are resampled together, piece by piece, so that what is hard for either of them does not
    widen the interval.

    Args:
        report: Report, as `tempo_invariant.evaluation.retrieval.evaluate` returns it.
        reference: Report of the same pairs.
        seed: Seed for the bootstrap resampling.

    Returns:
        `{direction: {metric: [difference, low, high]}}`, from -1 to 1, for each of `METRICS`.
    """
    pieces = sorted(_pairs(reference).items())
    pairs = np.array([count for _, count in pieces], float)
    draws = np.vstack([np.ones((1, len(pieces))), metrics.piece_draws(len(pieces), seed)])
    mine, others = report["piece_results"], reference["piece_results"]
    result: dict[str, dict[str, list[float]]] = {}
    for direction in reference["results"]:
        result[direction] = {}
        for metric in METRICS:
            gained = [
                mine[name][direction][metric] - others[name][direction][metric]
                for name, _ in pieces
            ]
            estimates = draws @ (pairs * gained) / (draws @ pairs)
            values = [float(estimates[0]), *metrics.interval(estimates[1:])]
            result[direction][metric] = values
    return result


def table(reports: Sequence[dict[str, Any]], labels: Sequence[str], seed: int = 0) -> str:
    """Returns metrics and their differences to the first report in Markdown, R@1 in per cent.

    Args:
        reports: Reports of the same pairs, at least one.
        labels: Name of each report.
        seed: Seed for the bootstrap resampling.
    """
    header = [""]
    for direction in reports[0]["results"]:
        for metric in METRICS:
            header += [f"{direction}: {metrics.COLUMNS[metric]}", "difference"]
    rows = [header, ["---"] * len(header)]
    for label, report in zip(labels, reports, strict=True):
        row = [label]
        for direction, found in differences(report, reports[0], seed).items():
            for metric in METRICS:
                above = metrics.cell(metric, found[metric]) if report is not reports[0] else ""
                row += [metrics.cell(metric, report["results"][direction][metric]), above]
        rows.append(row)
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _pairs(report: dict[str, Any]) -> dict[str, int]:
    """Returns the number of pairs of each piece of a report."""
    return {piece: row["pairs"] for piece, row in report["piece_results"].items()}
