"""Words for numbers and lists, in messages and answers."""

from collections.abc import Sequence

from tempo_invariant.errors import printable


def counted(count: int, kind: str, ending: str = "s") -> str:
    """Returns a number of things: "1 page", "2,700 pages"; `ending` is that of several."""
    return f"{count:,d} {kind}" + ending * (count != 1)


def listed(names: Sequence[str], most: int = 5) -> str:
    """Returns names one after the other, printable: "a, b, c and 16 more"."""
    shown = ", ".join(names[:most])
    if len(names) > most:
        shown += f" and {len(names) - most:,d} more"
    return printable(shown)
