"""Reports of robustness: losses with their intervals, the table, the tempo curve."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.evaluation import metrics
from tempo_invariant.evaluation.conditions import CLEAN

LOSSES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "r@1": lambda ranks: ranks <= 1,
    "mrr": lambda ranks: 1 / ranks,
}
DIRECTION = "audio to sheet"
EXPRESSION = "expression"


def losses(
    clean: np.ndarray, ranks: np.ndarray, pieces: Sequence[str] | np.ndarray, seed: int = 0
) -> dict[str, list[float]]:
    """Returns how much R@1 and MRR fall, as a share of what they were, with paired intervals.

    Whole pieces are drawn with replacement, and for each draw both values are of the same pieces.

    Args:
        clean: Ranks from 1 of the queries as they were, `[count]`.
        ranks: Ranks of the same queries now, `[count]`.
        pieces: The piece of every query, `[count]`.
        seed: Seed for the bootstrap resampling.

    Returns:
        `[value, low, high]` under "r@1" and "mrr"; 0 where nothing is lost or there was nothing to
        lose, below it a gain.

    Raises:
        ValueError: The lengths differ or are zero.
    """
    clean, ranks = np.asarray(clean), np.asarray(ranks)
    if not len(ranks) or not len(ranks) == len(clean) == len(pieces):
        raise ValueError(
            f"need as many pieces as ranks, got {len(pieces)}, {len(ranks)} and {len(clean)}"
        )
    names, index = np.unique(np.asarray(pieces), return_inverse=True)
    seen = np.ones((1, len(names)))
    draws = np.vstack([seen, metrics.piece_draws(len(names), seed)])
    result = {}
    for name, value in LOSSES.items():
        before = draws @ np.bincount(index, value(clean))
        after = draws @ np.bincount(index, value(ranks))
        lost = np.where(before > 0, 1 - after / np.maximum(before, 1e-9), 0.0)
        result[name] = [float(lost[0]), *metrics.interval(lost[1:])]
    return result


def read_reports(paths: Sequence[str | Path]) -> list[dict[str, Any]]:
    """Reads what `python -m tempo_invariant.robustness` wrote.

    Raises:
        UserError: A file is missing or something else.
    """
    reports = []
    for path in paths:
        try:
            report = json.loads(Path(path).read_text())
            for row in report["conditions"]:
                _ = row["name"], row["loss"][DIRECTION]["mrr"], row["results"][DIRECTION]["mrr"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{path}: no report of robustness ({one_line(error)})") from error
        reports.append(report)
    return reports


def table(report: dict[str, Any]) -> str:
    """Returns the results in Markdown: R@1 and losses in per cent, 95 % intervals in brackets."""
    title = (
        f"{report['run']} ({report['weights']}): {report['pairs']:,d} pairs of {report['pieces']} "
        f"pieces, {report['soundfont']}; losses as shares of the clean condition"
    )
    directions = list(report["conditions"][0]["results"])
    header = ["condition"]
    for direction in directions:
        header += [f"{direction}: R@1", "loss", "MRR", "loss"]
    lines = [title, "", _row(header), _row(["---"] * len(header))]
    for row in report["conditions"]:
        cells = [row["name"]]
        for direction in directions:
            for metric in LOSSES:
                cells.append(metrics.cell(metric, row["results"][direction][metric]))
                cells.append(metrics.percent(row["loss"][direction][metric]))
        lines.append(_row(cells))
    return "\n".join(lines)


def comparison(reports: Sequence[dict[str, Any]], labels: Sequence[str]) -> str:
    """Returns what models lose of R@1, in Markdown and per cent; first R@1 of the clean condition.

    Args:
        reports: What `measure` returned; a condition that one lacks is left out.
        labels: Name of each model.
    """
    rows = [{row["name"]: row for row in report["conditions"]} for report in reports]
    shared = [name for name in rows[0] if all(name in named for named in rows)]
    lines = [f"Loss of R@1, {DIRECTION}, in per cent of that of the clean condition", ""]
    lines += [_row(["condition", *labels]), _row(["---"] * (1 + len(labels)))]
    if CLEAN in shared:
        values = [metrics.percent(named[CLEAN]["results"][DIRECTION]["r@1"]) for named in rows]
        lines.append(_row([f"{CLEAN} (R@1)", *values]))
    for name in shared:
        if name != CLEAN:
            lost = [metrics.percent(named[name]["loss"][DIRECTION]["r@1"]) for named in rows]
            lines.append(_row([name, *lost]))
    return "\n".join(lines)


def tempo_figure(reports: Sequence[dict[str, Any]], labels: Sequence[str]) -> Figure:
    """Draws R@1 and MRR over tempo, and beside it with expressive timing, one line a model.

    Args:
        reports: What `measure` returned; all need conditions of tempo, not all that of expression.
        labels: Name of each model.

    Returns:
        A matplotlib figure.

    Raises:
        UserError: A report has no conditions of tempo.
    """
    figure = Figure(figsize=(9, 3.6), dpi=100)
    halves = figure.add_gridspec(1, 2, left=0.05, right=0.97, bottom=0.17, top=0.92, wspace=0.14)
    for column, metric in enumerate(LOSSES):
        parts = halves[0, column].subgridspec(1, 2, width_ratios=(6, 1), wspace=0.05)
        curve = figure.add_subplot(parts[0])
        beside = figure.add_subplot(parts[1], sharey=curve)
        for number, (report, label) in enumerate(zip(reports, labels, strict=True)):
            tempi = _draw_model(curve, beside, report, metric, label, number)
        curve.set_xscale("log")
        curve.set_xticks(tempi, [f"{tempo:g}" for tempo in tempi])
        curve.minorticks_off()
        curve.set_xlabel("tempo relative to the notated one")
        curve.set_title(f"{metrics.COLUMNS[metric]}, {DIRECTION}", fontsize=10)
        curve.grid(color="grey", linewidth=0.4, alpha=0.4)
        beside.grid(axis="y", color="grey", linewidth=0.4, alpha=0.4)
        beside.set_xlim(-0.7, len(reports) - 0.3)
        beside.set_xticks([])
        beside.set_xlabel("expressive\ntiming", fontsize=8)
        beside.tick_params(labelleft=False)
    figure.axes[0].legend(fontsize=8)
    return figure


def _draw_model(
    curve: Axes, beside: Axes, report: dict[str, Any], metric: str, label: str, number: int
) -> list[float]:
    """Draws what was measured of a model; returns the tempi."""
    rows = [row for row in report["conditions"] if row["group"] in (CLEAN, "tempo")]
    if len(rows) < 2:
        raise UserError(f"the report of {report['run']} has no conditions of tempo")
    rows.sort(key=lambda row: row["tempo"])
    tempi, color = [row["tempo"] for row in rows], f"C{number}"
    values = np.array([row["results"][DIRECTION][metric] for row in rows])
    curve.plot(tempi, values[:, 0], "o-", markersize=4, color=color, label=label)
    curve.fill_between(tempi, values[:, 1], values[:, 2], color=color, alpha=0.15)
    for row in report["conditions"]:
        if row["group"] == EXPRESSION:
            value, low, high = row["results"][DIRECTION][metric]
            error = [[value - low], [high - value]]
            beside.errorbar(number, value, error, fmt="D", markersize=4, color=color)
    return tempi


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
