"""The tables of an inspection, for the screen."""

from collections.abc import Mapping, Sequence

from tfrecords_tools.inspection.counts import Inspection, PieceCounts
from tfrecords_tools.inspection.pages import KINDS

LOW_SHARE = 0.95
"""Pieces aligned below this are listed with the reasons."""

LOW_HEARD = 0.97
"""Pieces whose onsets are heard less often than this are listed."""

_FORM = "{:<44}{:>6}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>8}{:>6}"
_HEAD = "piece pages systems heads played notes shown pairs min heard odd".split()
_MOST = 5


def table(report: Inspection, worst: int = 10) -> str:
    """Returns the table of the worst pieces and the totals, and a list of all problems.

    `played` is the share of note heads with a note, `shown` the share of notes with a head,
    `heard` the share of onsets that the spectral flux confirms, `odd` counts violations of order
    and geometry.
    """

    def badness(item: tuple[str, PieceCounts]) -> float:
        return min(item[1].shown, item[1].played, item[1].heard.share)

    ordered = sorted(report.pieces.items(), key=badness)
    lines = [_FORM.format(*_HEAD)]
    lines += [_row(name, report.totals([name])) for name, _ in ordered[:worst]]
    lines.append(_row(f"all {len(report.pieces)} pieces", report.totals()))
    lines += ["", *_sound_lines(report), "", *_violation_lines(report)]
    lines += _low_lines(ordered)
    lines += [f"unusable: {problem}" for problem in report.problems]
    return "\n".join(lines)


def _row(name: str, totals: Mapping[str, float]) -> str:
    return _FORM.format(
        *(name[-43:], totals["pages"], totals["systems"], totals["heads"]),
        *(f"{totals['played_share']:.1%}", totals["notes"], f"{totals['shown_share']:.1%}"),
        *(totals["pairs"], f"{totals['hours'] * 60:.1f}", f"{totals['heard_share']:.1%}"),
        totals["violations"],
    )


def _sound_lines(report: Inspection) -> list[str]:
    form = "{:<44}{:>6}{:>10}{:>9}{:>9}{:>9}{:>14}{:>10}"
    names = "tempo onsets heard early late".split()
    lines = [form.format("onsets heard, by sound", *names, "5 frames off", "no note")]
    for (soundfont, tempo), counts in report.sounds().items():
        heard = max(counts.heard, 1)
        shares = [counts.share, counts.early / heard, counts.late / heard]
        shares += [counts.shifted_share, counts.quiet_share]
        row = (soundfont[-43:], f"{tempo:g}", counts.onsets, *(f"{s:.2%}" for s in shares))
        lines.append(form.format(*row))
    return lines


def _violation_lines(report: Inspection) -> list[str]:
    found = report.violations()
    if not found:
        return ["order of systems and geometry of strips: nothing is wrong on any page"]
    lines = ["order of systems and geometry of strips:"]
    for kind, count in found.most_common():
        where = {n: p.violations[kind] for n, p in report.pieces.items() if kind in p.violations}
        most = sorted(where, key=lambda name: -where[name])
        shown = ", ".join(f"{name} {where[name]}" for name in most[:_MOST])
        more = f", and {len(most) - _MOST} pieces more" if len(most) > _MOST else ""
        lines.append(f"  {count} {KINDS[kind]} ({shown}{more})")
    return lines


def _low_lines(ordered: Sequence[tuple[str, PieceCounts]]) -> list[str]:
    """Returns the pieces that are aligned badly, with the reasons, and those not heard."""
    lines = []
    low = [item for item in ordered if min(item[1].shown, item[1].played) < LOW_SHARE]
    if low:
        lines += ["", f"aligned below {LOW_SHARE:.0%}, with likely reasons:"]
    for name, piece in low:
        lines.append(f"  {name}: heads {piece.played:.1%}, notes {piece.shown:.1%}")
        lines += [f"    {count} x {reason}" for reason, count in [*piece.reasons.items()][:_MOST]]
        lines += [f"    build: {note}" for note in piece.build_notes[:_MOST]]
    quiet = [(n, p.heard) for n, p in ordered if p.heard.onsets and p.heard.share < LOW_HEARD]
    if quiet:
        lines += ["", f"onsets heard below {LOW_HEARD:.0%}:"]
        lines += [f"  {name}: {heard.heard} of {heard.onsets}" for name, heard in quiet]
    return lines


def dataset_table(report: Inspection, split: Mapping[str, Sequence[str]]) -> str:
    """Returns the table of the data set, a row a split and one for all, in Markdown.

    Args:
        report: Inspection of the whole directory.
        split: Names of pieces by split.
    """
    names = ["split", "pieces", "pages", "systems", "note heads", "heads with a note"]
    names += ["notes with a head", "aligned heads", "onsets", "hours", "performances"]
    names += ["hours performed"]
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    here = {part: [name for name in split[part] if name in report.pieces] for part in split}
    here["all"] = [name for part in here.values() for name in part]
    listed = {part: len(split[part]) for part in split}
    listed["all"] = sum(listed.values())
    for part, pieces in here.items():
        totals = report.totals(pieces)
        counts = [f"{totals[key]:,}" for key in ("pages", "systems", "heads")]
        shares = [f"{totals[key]:.1%}" for key in ("played_share", "shown_share")]
        pairs = [f"{totals[key]:,}" for key in ("played_heads", "pairs")]
        hours = [f"{totals['hours']:.2f}", f"{totals['performances']:,}"]
        cells = [part, f"{len(pieces)} of {listed[part]}", *counts, *shares, *pairs, *hours]
        lines.append("| " + " | ".join([*cells, f"{totals['performed_hours']:.2f}"]) + " |")
    return "\n".join(lines)
