"""Five hundred damaged split files, query sets, truths, histories and states of a training."""

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.evaluation.conditions import PHONE, Condition
from tests import fuzzing
from tests.fuzz.structured import damaged_json
from tests.query_files import Strike, query_set

pytestmark = pytest.mark.slow

SPLIT = """train: [BachJS__BWV1__a, "b c", 'd']
valid:
  - &x e
  - 1e3
test: [f, 2020-01-01, no]
"""


def use_split(content):
    """Reads a split file."""
    from tfrecords_tools.records import splits

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "split.yaml"
        path.write_bytes(content)
        split = splits.read_split(path)
        assert all(isinstance(piece, str) for pieces in split.values() for piece in pieces)


def test_split_files():
    fuzzing.check(use_split, fuzzing.damaged_each(SPLIT.encode()))


def use_query_set(damage):
    """Reads a query set, its sound and its truth."""
    from tempo_invariant.evaluation import query_sets

    directory, name, content = damage
    with tempfile.TemporaryDirectory() as scratch:
        for path in directory.iterdir():
            (Path(scratch) / path.name).write_bytes(path.read_bytes())
        (Path(scratch) / name).write_bytes(content)
        for query in query_sets.read(scratch):
            query.pcm(), query.truth(), query.key(), query.condition.text


@pytest.mark.parametrize("name", ["queries.json", "0.json"])
def test_query_sets(tmp_path, name):
    pcm = np.random.default_rng(0).normal(0, 0.1, 22050).astype(np.float32)
    truth = [Strike(0.1, 1, 1, 100.0), Strike(0.4, 1, 1, 200.0, 0.5, 7, True)]
    more = {"start_seconds": 0.1, "seconds": 0.5, "seed": (1, 2)}
    named = Condition("b", "tempo", 0.66, "Piano.sf2", 2, 10.0, -3.0, PHONE, "thin")
    query_set(tmp_path, [("p", Condition("a"), pcm, truth, {}), ("q", named, pcm, truth, more)])
    text = (tmp_path / name).read_text()
    fuzzing.check(use_query_set, ((tmp_path, name, each) for each in damaged_json(text)))


def use_history(content):
    """Reads the history of a run for its curves."""
    from tempo_invariant.training import curves

    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / "history.jsonl").write_bytes(content)
        histories = curves.read([scratch])
        curves.summary(histories)
        curves.figure(histories)


def test_histories():
    numbers = dict.fromkeys(("seconds", "loss", "val_mrr", "val_r@1"), 0.5)
    lines = [json.dumps(numbers | {"epoch": epoch, "pairs": 100 * epoch}) for epoch in (1, 2)]

    def inputs():
        for seed, each in enumerate(damaged_json(lines[0])):
            texts = [each, lines[1].encode()]
            yield b"\n".join(texts if seed % 4 < 2 else reversed(texts)) + b"\n"

    fuzzing.check(use_history, inputs())
