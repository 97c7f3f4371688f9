"""Trained models that ship with the package, and the flags that name one of them or a run.

```
tempo_invariant/pretrained/NAME/
  experiment.json      as in the run directory, but for the places of files
  best.weights.h5      or refined.weights.h5, without optimizer state
  history.jsonl        a line an epoch of its training, where that is known
  card.json            where it comes from and what it reaches: numbers from the run's reports
  MODEL_CARD.md        the same to read
```

Such a directory is used like that of a run. `python -m tempo_invariant.package_model` makes one.
"""

from pathlib import Path

from absl import flags

from tempo_invariant.errors import UserError

DIRECTORY = Path(__file__).parent / "pretrained"
CARD = "card.json"
MARKDOWN = "MODEL_CARD.md"


def names() -> list[str]:
    """Names of the models that are there, in alphabetical order."""
    return sorted(path.parent.name for path in DIRECTORY.glob(f"[!.]*/{CARD}"))


def find(name: str) -> Path:
    """Returns the directory of a model, which is used like a run directory.

    Raises:
        UserError: there is no such model; names those that there are.
    """
    present = names()
    if name not in present:
        there = f"there are: {', '.join(present)}" if present else "none ships with this version"
        raise UserError(f"--pretrained={name}: no such model ({there})")
    return DIRECTORY / name


def total_bytes() -> int:
    """Size of the files of all models together."""
    return sum(path.stat().st_size for path in DIRECTORY.glob("[!.]*/*"))


def define_flags() -> None:
    """Defines --run and --pretrained, of which a command needs exactly one, and --weights."""
    flags.DEFINE_string("run", None, "Directory of the run.")
    flags.DEFINE_string("pretrained", None, "Name of a model that ships, instead of a run.")
    flags.DEFINE_string("weights", None, "best, refined or a file; default: refined if there.")
    flags.mark_flags_as_mutual_exclusive(["run", "pretrained"], required=True)


def chosen_run() -> str:
    """Returns the directory that --run or --pretrained names; see `define_flags`.

    Raises:
        UserError: no such model, or weights are asked of a model that has only its own.
    """
    values = flags.FLAGS
    if values.pretrained is None:
        return values.run
    if values.weights:
        raise UserError("--weights goes with --run: a model that ships has one set of weights")
    return str(find(values.pretrained))


def label(run: str) -> str:
    """What a report calls a run: its directory, or the name of a model that ships."""
    path = Path(run)
    return f"pretrained {path.name}" if path.parent == DIRECTORY else str(run)
