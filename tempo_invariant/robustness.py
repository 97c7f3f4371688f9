"""Measures robustness: `python -m tempo_invariant.robustness --run=runs/best --msmd=data/msmd`."""

import tempfile
from pathlib import Path

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.errors import UserError
from tempo_invariant.files import atomic_write, write_json
from tempo_invariant.model import choices, pretrained
from tempo_invariant.scores import msmd

USAGE = """Ranks the same pairs at other tempi, in rooms, through noise, as MP3 or out of tune.

    tempo-invariant robustness --run=runs/best --msmd=data/msmd --pieces=@pieces.txt \\
        --soundfont=MuseScore_General_Full.sf2 --soundfont=FluidR3_GM.sf2 \\
        --recordings=recordings --keep=embeddings --output=robustness-best.json
    tempo-invariant robustness --reports=bl_at.json,best.json --output=figures

Conditions: clean, tempo (0.5 to 2), expression, level (-20 to +20 dB), equalisation, room, noise,
mp3, tuning, ink, page (as a poor scan), soundfont, phone (all that a phone does at once); or one
such as "tempo 0.5". A query set (--queries) has its own. With --reports, the tables of several
models are printed and their tempo curves are drawn into one figure.
"""

flag_sets.define_run_flags()
commands.define_input("queries", None, "Query set to measure, in place of playing pieces.")
commands.define_input(
    "msmd",
    None,
    "MSMD directory that build-msmd made, with the pieces.",
    check=msmd.list_pieces,
)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
flags.DEFINE_multi_string(
    "soundfont",
    [],
    "Soundfont (.sf2; may be repeated); the first is the usual one; TimGM6mb if none.",
)
flags.DEFINE_integer("candidates", 10_000, "Pairs to rank, at even spacing.", 1)
flags.DEFINE_list("conditions", [], "Names or groups; all, if empty. Clean is always there.")
flags.DEFINE_integer("seed", 0, "Seed for rooms, noise and the bootstrap resampling.", 0)
commands.define_output(
    "recordings", None, "Directory that keeps the query set, for any model.", directory=True
)
commands.define_output(
    "keep", None, "Directory that keeps embeddings (and recordings), to go on from.", directory=True
)
commands.define_input(
    "reports", None, "JSON files of several models to compare, made before.", many=True
)
flags.DEFINE_list("labels", [], "Names of the models in the figure; default: those of the runs.")
flags.DEFINE_string(
    "output",
    None,
    "JSON file, RUN/robustness.json if not given; with --reports a directory for tempo_curve.png "
    "and robustness.md.",
)


def main() -> None:
    """Measures a model, or compares what was measured of several."""
    if flags.FLAGS.reports:
        _compare()
    else:
        _measure()


def _measure() -> None:
    """Measures, prints the table and writes the JSON."""
    values = flags.FLAGS
    if not values.msmd:
        raise UserError("--msmd: must be given")
    if values.queries and (values.soundfont or values.recordings):
        raise UserError("--soundfont and --recordings do not go with --queries")
    for soundfont in values.soundfont:
        if not Path(soundfont).is_file():
            raise UserError(f"--soundfont={soundfont}: no such file")
    run = pretrained.resolve(**flag_sets.run_choice(choices.check))
    if not values.output and not values.run:
        raise UserError("--output: say where to write; a model that ships has no run directory")
    with commands.naming("pieces"):
        pieces = msmd.choose_pieces(values.msmd, flag_sets.read_names(values.pieces))
    from tempo_invariant.evaluation import conditions, query_sets, robustness, robustness_tables

    kept = values.recordings or (values.keep and Path(values.keep) / "queries")
    with tempfile.TemporaryDirectory() as scratch:
        arguments = [] if values.queries else _playing(pieces, Path(scratch) / "conditions.json")
        names = pieces if values.pieces else []
        with query_sets.opened(values.queries, names, arguments, kept) as queries:
            there = list(query_sets.by_condition(queries))
            with commands.naming("conditions"):
                wanted = conditions.select(there, values.conditions)
            report = robustness.measure(
                run,
                values.msmd,
                [query for query in queries if query.condition in wanted],
                values.weights,
                values.candidates,
                values.seed,
                values.keep,
            )
    print(robustness_tables.table(report))
    output = values.output or Path(run) / "robustness.json"
    write_json(output, report)
    print(f"written to {output}")


def _playing(pieces: list[str], path: Path) -> list[str]:
    """Writes the conditions to a file and returns the flags that have them played."""
    from tempo_invariant import json_objects
    from tempo_invariant.evaluation import conditions, robustness

    values = flags.FLAGS
    inks = robustness.shared_inks(values.msmd, pieces)
    every = conditions.conditions(values.soundfont or [""], inks)
    with commands.naming("conditions"):
        json_objects.save(path, conditions.select(every, values.conditions))
    texts = [values[name].serialize() for name in ("msmd", "pieces", "seed")]
    return [*texts, f"--conditions={path}"]


def _compare() -> None:
    """Prints the tables of several models and writes them with the figure."""
    from tempo_invariant.evaluation import robustness_tables

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
