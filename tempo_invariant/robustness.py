"""Measures robustness: `python -m tempo_invariant.robustness --run=runs/best --msmd=data/msmd`."""

from pathlib import Path

from absl import flags

from tempo_invariant import commands
from tempo_invariant.files import write_json
from tempo_invariant.model import pretrained

USAGE = """Ranks the same pairs at other tempi, in rooms, through noise, MP3, out of tune, ...

    python -m tempo_invariant.robustness --run=runs/best --msmd=data/msmd --pieces=@test_pieces \\
        --soundfont=MuseScore_General_Full.sf2 --soundfont=FluidR3_GM.sf2 \\
        --recordings=recordings --keep=embeddings --output=robustness-best.json

Conditions: clean, tempo (0.5 to 2), expression, level (-20 to +20 dB), equalisation, room, noise,
mp3, tuning, ink, soundfont, phone (all that a phone does at once); or one such as "tempo 0.5".
"""

commands.define_run_flags()
flags.DEFINE_string("msmd", None, "MSMD directory that build_msmd made.", required=True)
flags.DEFINE_list("pieces", [], "Pieces, or @FILE with a name a line; all, if empty.")
flags.DEFINE_multi_string(
    "soundfont",
    [],
    "Soundfont (.sf2), several times; the first is the usual one; TimGM6mb if none.",
)
flags.DEFINE_integer("candidates", 10_000, "Pairs to rank, at even spacing.", 1)
flags.DEFINE_list("conditions", [], "Names or groups; all, if empty. Clean is always there.")
flags.DEFINE_integer("seed", 0, "Of rooms, noise and the bootstrap.", 0)
flags.DEFINE_string("recordings", None, "Directory that keeps spectrograms, for any model.")
flags.DEFINE_string("keep", None, "Directory that keeps embeddings, to go on from.")
flags.DEFINE_string("output", None, "JSON file; default: RUN/robustness.json.")


def main() -> None:
    """Measures, prints the table and writes the JSON."""
    from tempo_invariant.errors import UserError
    from tempo_invariant.evaluation import robustness, robustness_tables
    from tempo_invariant.scores import msmd
    from tfrecords_tools.music.performing import default_soundfont

    values = flags.FLAGS
    run = pretrained.resolve(**commands.run_choice())
    if not values.output and values.pretrained:
        raise UserError("--output: say where to write; a model that ships has no run directory")
    present = msmd.list_pieces(values.msmd)
    pieces = commands.read_names(values.pieces) or present
    unknown = sorted(set(pieces) - set(present))
    if unknown:
        raise UserError(f"{values.msmd}: holds no piece {unknown[0]!r}")
    plan = robustness.Plan(
        msmd=Path(values.msmd),
        pieces=pieces,
        soundfonts=values.soundfont or [str(default_soundfont())],
        candidates=values.candidates,
        names=values.conditions,
        seed=values.seed,
        recordings=Path(values.recordings) if values.recordings else None,
        keep=Path(values.keep) if values.keep else None,
    )
    report = robustness.measure(run, plan, values.weights)
    print(robustness_tables.table(report))
    output = values.output or Path(run) / "robustness.json"
    write_json(output, report)
    print(f"written to {output}")


if __name__ == "__main__":
    commands.run(main, USAGE)
