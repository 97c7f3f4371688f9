"""Draws the attention: `python -m tempo_invariant.attention_figure --run=runs/bl_at_lc`."""

from absl import flags

from tempo_invariant import commands, flag_sets
from tempo_invariant.model import choices, pretrained, runs

USAGE = """Draws excerpts with their attention, from dense to sparse music, and measures both.

    tempo-invariant attention-figure --run=runs/bl_at_lc --output=attention.png \\
        --scatter=entropy.png --report=attention.json

Measured is the correlation of the attention's entropy with the number of onsets in the window, with
95 % intervals over pieces. The excerpts are windows at quantiles of the number of onsets, each of
another piece.
"""

flag_sets.define_run_flags()
commands.define_input("data", None, "Directory of records; default: what the run was trained on.")
flags.DEFINE_enum("split", "test", ["train", "valid", "test"], "Split whose pieces are taken.")
flags.DEFINE_integer("pairs", 2_000, "Windows to measure, at even spacing.", 2)
flags.DEFINE_integer("excerpts", 4, "Windows to draw.", 1, 8)
flags.DEFINE_string("soundfont", None, "Soundfont of the performances; default: the first.")
flags.DEFINE_float("tempo", 1.0, "Tempo of the performances; 1 is as notated.", 0.05)
flags.DEFINE_integer("seed", 0, "Seed for the bootstrap resampling and the choice of excerpts.")
commands.define_output("output", None, "Picture of the excerpts.", required=True, picture=True)
commands.define_output("scatter", None, "Picture of entropy against onsets.", picture=True)
commands.define_output("report", None, "JSON file.")


def main() -> None:
    """Measures, draws and prints the correlation."""
    values = flags.FLAGS.flag_values_dict()
    run = pretrained.resolve(**flag_sets.run_choice(choices.check_attention))
    with commands.naming("data"):
        runs.load_experiment_and_data(run, values["data"])
    from tempo_invariant import files
    from tempo_invariant.evaluation import attention, attention_figures
    from tempo_invariant.evaluation.retrieval import Selection

    fields = {name: values[name] for name in ("data", "split", "soundfont", "tempo")}
    selection = Selection(candidates=values["pairs"], **fields)
    windows = attention.listen(run, selection, values["weights"])
    rows = attention.choose(windows, values["excerpts"], values["seed"])
    source = {"run": pretrained.label(run), **fields, "weights": values["weights"]}
    found = attention.report(windows, rows, source, values["seed"])
    sheets, spectrograms = attention.excerpts(windows, rows)
    figure = attention_figures.excerpts_figure(
        sheets, spectrograms, windows.attention[rows], windows.onsets[rows], windows.entropy[rows]
    )
    attention_figures.save(figure, values["output"])
    if values["scatter"]:
        figure = attention_figures.entropy_figure(windows.onsets, windows.entropy, found)
        attention_figures.save(figure, values["scatter"])
    if values["report"]:
        files.write_json(values["report"], found)
    print(attention.summary(found))


if __name__ == "__main__":
    commands.run(main, USAGE)
