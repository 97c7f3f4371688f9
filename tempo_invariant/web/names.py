"""Names that come from outside, made such that no file system and no shell minds them."""

import re
import unicodedata
from pathlib import PurePosixPath

from tempo_invariant.web.refusals import Refusal

_MOST_PARTS = 8
_LONGEST_PART = 120
"""Bytes of a name in a folder: room is left for what is added to it."""

_LONGEST = 1000

_SPECIAL = re.compile(r'[<>:"|?*\x7f]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?", re.IGNORECASE)
"""What Windows takes for devices."""


def safe_path(name: str) -> PurePosixPath:
    """Returns the path, below a folder of ours, for a file of a name that was given.

    Folders in the name are kept, `Chopin/op28/04.pdf`. Control characters and what means something
    to a system go, names that are too long are cut, and nothing is hidden or leads elsewhere.

    Args:
        name: The name as the client gave it, with slashes or backslashes.

    Raises:
        Refusal: 400, there is no name, it is too long, has too many folders, or leads out.
    """
    if len(name) > _LONGEST:
        raise Refusal(400, f"a name of more than {_LONGEST:,} characters")
    parts = [part for part in re.split(r"[/\\]", name) if part not in ("", ".")]
    if any(part.strip() == ".." for part in parts):
        raise Refusal(400, f"{name}: a name that leads out of the folder")
    if len(parts) > _MOST_PARTS:
        raise Refusal(400, f"{name}: more than {_MOST_PARTS - 1} folders deep")
    found = [_safe_part(part) for part in parts]
    if not found or not all(found):
        raise Refusal(400, f"{name}: not a name of a file" if name else "the file needs a name")
    return PurePosixPath(*found)


def _safe_part(part: str) -> str:
    text = unicodedata.normalize("NFC", part)
    text = "".join(each for each in text if unicodedata.category(each)[0] != "C")
    text = _SPECIAL.sub("_", text).strip(" ").lstrip(".").rstrip(". ").strip()
    if _RESERVED.fullmatch(text):
        text = f"_{text}"
    stem, dot, suffix = text.rpartition(".")
    if not dot or len(suffix.encode()) > 20:
        return _cut(text, _LONGEST_PART)
    return f"{_cut(stem, _LONGEST_PART - len(suffix.encode()) - 1)}.{suffix}"


def _cut(text: str, size: int) -> str:
    return text.encode()[:size].decode(errors="ignore").rstrip(". ")


def numbered(path: PurePosixPath, number: int) -> PurePosixPath:
    """Returns a path, with a number in it from the second on: "waltz (2).pdf"."""
    return path if number == 1 else path.with_name(f"{path.stem} ({number}){path.suffix}")
