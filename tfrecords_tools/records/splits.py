"""Splits of pieces into train, valid and test: read from a file, or made from their names."""

import collections
import hashlib
from collections.abc import Sequence
from pathlib import Path

import yaml

from tempo_invariant.data import schema
from tempo_invariant.errors import UserError, one_line

HELD_OUT_SHARE = 0.1
"""Share of the pieces in each of valid and test, without a split file."""


def read_splits(paths: Sequence[str | Path]) -> dict[str, list[str]]:
    """Reads YAML files, see `read_split`, as one split of several collections.

    Raises:
        UserError: A file cannot be used, or lists a piece that one before it lists.
    """
    joined: dict[str, list[str]] = {name: [] for name in schema.SPLITS}
    known: set[str] = set()
    for path in paths:
        for name, pieces in read_split(path).items():
            if twice := sorted(known.intersection(pieces)):
                raise UserError(f"{path}: lists {twice[0]!r}, which is in a file before it")
            joined[name] += pieces
        known.update(*joined.values())
    return joined


def read_split(path: str | Path) -> dict[str, list[str]]:
    """Reads a YAML file that lists pieces under train, valid and test.

    Raises:
        UserError: The file is missing or malformed, or lists a piece or a split twice.
    """
    try:
        with Path(path).open(encoding="utf-8") as stream:
            content = yaml.compose(stream, Loader=yaml.SafeLoader)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not readable ({one_line(error)})") from error
    lists = content.value if isinstance(content, yaml.MappingNode) else []
    found = {name.value: _pieces(pieces) for name, pieces in lists if name.value in schema.SPLITS}
    if not lists or len(found) < len(lists) or None in found.values():
        raise UserError(f"{path}: not a split file (expected lists train, valid and test)")
    split = {name: found.get(name) or [] for name in schema.SPLITS}
    counts = collections.Counter(piece for pieces in split.values() for piece in pieces)
    if twice := sorted(piece for piece, count in counts.items() if count > 1):
        raise UserError(f"{path}: lists {twice[0]!r} twice")
    return split


def _pieces(node: yaml.Node) -> list[str] | None:
    """Returns the names that a node lists, as they are written; None if it is no list of names."""
    if isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null":
        return []
    if not isinstance(node, yaml.SequenceNode):
        return None
    if not all(isinstance(item, yaml.ScalarNode) for item in node.value):
        return None
    return [item.value for item in node.value]


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
