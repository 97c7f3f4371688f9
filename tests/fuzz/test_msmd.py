"""Damaged MSMD pieces, one file after the other, as the index, the records and reports use them."""

import itertools
from functools import partial
from pathlib import Path

import pytest

from tempo_invariant.errors import UserError
from tempo_invariant.scores import collection, msmd
from tests import fuzzing
from tests.handmade import PIECE, make_piece
from tfrecords_tools.inspection.counts import inspect_piece
from tfrecords_tools.records.pairs import piece_records
from tfrecords_tools.records.snippet_files import piece_snippets


def read_all(root: Path) -> None:
    """Reads a directory in all ways; the first refusal is raised when all have been tried."""
    piece = root / PIECE
    coordinates = sorted(piece.glob("scores/*/coords/*.npy"))
    ways = [lambda: [source.read() for source in collection.find_scores(root)]]
    ways += [partial(way, piece) for way in (piece_records, inspect_piece, piece_snippets)]
    ways += [partial(msmd.read_numbers, path) for path in coordinates]
    refusals = []
    for way in ways:
        try:
            way()
        except UserError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def use(item: tuple[str, str, bytes]) -> None:
    """Reads a piece with one file changed, and changes it back."""
    root, name, data = item
    path = Path(root, name)
    whole = path.read_bytes()
    path.write_bytes(data)
    try:
        read_all(Path(root))
    finally:
        path.write_bytes(whole)


@pytest.mark.slow
def test_damaged_pieces(tmp_path):
    make_piece(tmp_path)
    read_all(tmp_path)
    files = [path for path in sorted(tmp_path.rglob("*")) if path.is_file()]
    chosen = itertools.islice(itertools.cycle(files), fuzzing.COUNT)
    # Every file meets every kind of damage: there are seven.
    assert len(files) % 7
    damaged = (
        (str(tmp_path), str(path.relative_to(tmp_path)), fuzzing.damaged(path.read_bytes(), seed))
        for seed, path in enumerate(chosen)
    )
    fuzzing.check(use, damaged)
