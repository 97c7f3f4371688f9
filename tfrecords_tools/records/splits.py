"""Splits of pieces into train, valid and test: read from a file, or made from their names."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import yaml

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError, one_line

HELD_OUT_SHARE = 0.1
"""Share of the pieces in each of valid and test, without a split file."""


def read_split(path: str | Path) -> dict[str, list[str]]:
    """Reads a YAML file that lists pieces under train, valid and test.

    Raises:
        UserError: The file is missing or malformed, or lists a piece twice.
    """
    try:
        content = yaml.safe_load(Path(path).read_text())
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not readable ({one_line(error)})") from error
    if not isinstance(content, dict) or not set(content) <= set(schema.SPLITS) or not content:
        raise UserError(f"{path}: not a split file (expected lists train, valid and test)")
    split = {name: [str(piece) for piece in content.get(name) or ()] for name in schema.SPLITS}
    pieces = [piece for name in split for piece in split[name]]
    twice = sorted({piece for piece in pieces if pieces.count(piece) > 1})
    if twice:
        raise UserError(f"{path}: lists {twice[0]!r} twice")
    return split


def hash_split(pieces: Sequence[str]) -> dict[str, list[str]]:
    """Splits pieces 80/10/10 into train, valid and test by the SHA-256 of their names.

    A piece stays where it is when others are added. Only where a small collection would leave a
    split empty does it take a piece from the largest one.
    """
    shares = {
        piece: int.from_bytes(hashlib.sha256(piece.encode()).digest()[:8], "big") / 2**64
        for piece in pieces
    }
    ordered = sorted(pieces, key=lambda piece: shares[piece])
    split: dict[str, list[str]] = {"train": [], "valid": [], "test": []}
    for piece in ordered:
        held_out = {0: "test", 1: "valid"}.get(int(shares[piece] / HELD_OUT_SHARE), "train")
        split[held_out].append(piece)
    for name in ("train", "test", "valid"):
        largest = max(split.values(), key=len)
        if not split[name] and len(largest) > 1:
            split[name].append(largest.pop(-1 if name == "train" else 0))
    return {name: sorted(split[name]) for name in schema.SPLITS}
