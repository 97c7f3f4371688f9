"""Evaluates a trained run: `python -m tempo_invariant.evaluate --run=runs/bl_at`."""

from pathlib import Path

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.model import choices, pretrained, runs

USAGE = """Ranks pairs of a split in both directions, with 95 % intervals over pieces.

    tempo-invariant evaluate --run=runs/bl_at --split=test --candidates=2000
    tempo-invariant evaluate --pretrained=bl_at --data=data/records
    tempo-invariant evaluate --pretrained=best --data=data/records --late_frames=1 --future=0.5
    tempo-invariant evaluate --reports=bl-evaluation-test-10000.json,best-test.json

With --reports, nothing is evaluated: earlier reports of the same pairs are compared with the first.
"""

flag_sets.define_run_flags()
commands.define_input("data", None, "Directory of records; default: what the run was trained on.")
flags.DEFINE_enum("split", "test", ["train", "valid", "test"], "Split whose pieces are taken.")
flags.DEFINE_integer("candidates", 10_000, "Number of pairs to rank, at even spacing.", 1)
flags.DEFINE_string("soundfont", None, "Soundfont of the performances; default: the first.")
flags.DEFINE_float("tempo", 1.0, "Tempo of the performances; 1 is as notated.", 0.05)
flags.DEFINE_integer(
    "late_frames", 0, "Frames by which excerpts are late; negative: early.", -1000, 1000
)
flags.DEFINE_float(
    "future", 1.0, "Share of their second half that is heard, as when listening live.", 0, 1
)
flags.DEFINE_integer("seed", 0, "Seed for the bootstrap resampling.")
commands.define_output(
    "output", None, "JSON file; default: RUN/evaluation-....json, of a shipped model ./NAME-...."
)
commands.define_input("reports", None, "JSON files of this command, to compare.", many=True)


def main() -> None:
    """Evaluates a model, or compares what was evaluated before."""
    if flags.FLAGS.reports:
        _compare()
    else:
        _evaluate()


def _compare() -> None:
    """Prints the differences of reports to the first of them."""
    from tempo_invariant.evaluation import comparison

    paths = flags.FLAGS.reports
    with commands.naming("reports"):
        reports = comparison.read_reports(paths)
    print(comparison.table(reports, paths, flags.FLAGS.seed))


def _evaluate() -> None:
    """Evaluates, prints the table and writes the JSON."""
    values = flags.FLAGS.flag_values_dict()
    run = pretrained.resolve(**flag_sets.run_choice(choices.check))
    with commands.naming("data"):
        runs.load_experiment_and_data(run, values["data"])
    from tempo_invariant import files
    from tempo_invariant.evaluation import retrieval

    names = ("data", "split", "candidates", "soundfont", "tempo", "late_frames", "future")
    selection = retrieval.Selection(**{name: values[name] for name in names})
    report = retrieval.evaluate(run, selection, values["weights"], values["seed"])
    output = Path(values["output"] or retrieval.default_output(report, values["data"]))
    if not values["run"]:
        report["run"] = pretrained.label(run)
        output = Path(values["output"] or f"{Path(run).name}-{output.name}")
    print(retrieval.table(report))
    files.write_json(output, report)
    print(f"written to {output}")


if __name__ == "__main__":
    commands.run(main, USAGE)
