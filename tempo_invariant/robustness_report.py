"""Reports robustness: `python -m tempo_invariant.robustness_report --reports=a.json,b.json`."""

from pathlib import Path

from absl import flags

from tempo_invariant import commands

USAGE = """Prints the tables of several models and draws their tempo curves into one figure.

    python -m tempo_invariant.robustness_report --reports=bl_at.json,best.json --output=figures
"""

flags.DEFINE_list("reports", None, "What robustness wrote, a file a model.", required=True)
flags.DEFINE_list("labels", [], "Names of the models in the figure; default: those of the runs.")
flags.DEFINE_string("output", None, "Directory for tempo_curve.png and robustness.md.")


def main() -> None:
    """Prints the tables and writes them with the figure."""
    from tempo_invariant.errors import UserError
    from tempo_invariant.evaluation import robustness_tables
    from tempo_invariant.files import atomic_write

    values = flags.FLAGS
    reports = robustness_tables.read_reports(values.reports)
    labels = values.labels or [Path(report["run"]).name for report in reports]
    if len(labels) != len(reports):
        raise UserError(f"--labels: {len(labels)} names for {len(reports)} reports")
    parts = [*map(robustness_tables.table, reports)]
    if len(reports) > 1:
        parts.append(robustness_tables.comparison(reports, labels))
    tables = "\n\n".join(parts)
    print(tables)
    if not values.output:
        return
    output = Path(values.output)
    figure = robustness_tables.tempo_figure(reports, labels)
    with atomic_write(output / "tempo_curve.png") as path:
        figure.savefig(path, format="png", dpi=150)
    with atomic_write(output / "robustness.md") as path:
        path.write_text(tables + "\n")
    print(f"\nwritten to {output}/tempo_curve.png and {output}/robustness.md")


if __name__ == "__main__":
    commands.run(main, USAGE)
