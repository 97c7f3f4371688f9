"""Trained models that ship with the package, each found by its name.

```
tempo_invariant/pretrained/NAME/
  experiment.json      as in the run directory, without the paths of its files
  best.weights.h5      or refined.weights.h5, without optimizer state
  history.jsonl        a line per epoch of its training, where that is known
  card.json            where it comes from and how good it is: numbers from the run's reports
  MODEL_CARD.md        the same for people to read
  probe.npy            what it computes of a fixed probe, by which it is known again
  cohort_audio.npy     training windows and snippets as it embeds them, float16 [vectors, size],
  cohort_sheet.npy     to tell hubness by (`tempo_invariant.retrieval.hubness`)
  certainty_KIND.json  what makes a confidence of scores, by the kind of an index
                       (`tempo_invariant.retrieval.certainty`), by `tempo_invariant.calibrate`
```

Such a directory is used like a run directory; `python -m tempo_invariant.package_model` makes one.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from tempo_invariant import json_objects
from tempo_invariant.errors import UserError
from tempo_invariant.files import sha256

DIRECTORY = Path(__file__).parents[1] / "pretrained"
CARD = "card.json"
MARKDOWN = "MODEL_CARD.md"

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")


def names() -> list[str]:
    """Returns the names of the models that ship, in alphabetical order."""
    return sorted(path.parent.name for path in DIRECTORY.glob(f"[!.]*/{CARD}"))


def check_new(name: str) -> None:
    """Makes sure that a model can be given a name.

    Raises:
        UserError: The name is taken or unfit.
    """
    if not _NAME.fullmatch(name):
        raise UserError(f"name must be small letters, digits and underscores, received {name!r}")
    if (DIRECTORY / name).exists():
        raise UserError(
            f"name must be new: {DIRECTORY / name} exists already; remove it to package {name} anew"
        )


def find(name: str) -> Path:
    """Returns the directory of a model, which is used like a run directory.

    Raises:
        UserError: There is no such model; the message lists the ones that there are.
    """
    present = names()
    if name not in present:
        there = f"there are: {', '.join(present)}" if present else "there is none"
        raise UserError(f"no model {name!r} ships with this version ({there})")
    return DIRECTORY / name


@dataclass(frozen=True)
class _Card:
    """What a card says of its weights."""

    weights_sha256: str


def check_weights(path: Path) -> None:
    """Compares weights with the checksum on the card beside them, if there is one.

    Raises:
        UserError: Weights or card are damaged.
    """
    card = path.parent / CARD
    if card.is_file() and json_objects.load(_Card, card, others=True).weights_sha256 != sha256(
        path
    ):
        raise UserError(f"{path}: damaged: its SHA-256 is another than {CARD} has")


def resolve(run: str | None, name: str | None) -> str:
    """Returns the directory of a run, or of the model that ships under a name.

    Args:
        run: Directory of a run, or None.
        name: Name of a model that ships, or None; it takes precedence over `run`.

    Raises:
        UserError: No model of this name ships with the package.
    """
    return str(run) if name is None else str(find(name))


def locate(run: str | os.PathLike) -> str:
    """Returns the directory of a run: the user's own, or else that of the model of this name."""
    shipped = str(run) in names() and not Path(run).exists()
    return str(DIRECTORY / run if shipped else run)


def total_bytes() -> int:
    """Returns the size in bytes of the files of all models together."""
    return sum(path.stat().st_size for path in DIRECTORY.glob("[!.]*/*"))


def label(run: str) -> str:
    """Returns the name of a run in reports: its directory, or the name of a model that ships."""
    path = Path(run)
    return f"pretrained {path.name}" if path.parent == DIRECTORY else str(run)
