"""Five hundred times damage to records, half of it under checksums that are right."""

import dataclasses
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tempo_invariant.data import schema
from tests import fuzzing
from tests.fuzz.structured import damaged_json
from tests.tiny_records import write_records

pytestmark = pytest.mark.slow

SHARD = "valid-00000-of-00001.tfrecord"


def use(damage):
    """Reads a split in which the shard has other content, or other records, and cuts pairs."""
    from tempo_invariant.data import pipeline
    from tempo_invariant.data.corpus import load_corpus

    directory, name, content = damage
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(directory, Path(scratch) / "records")
        if isinstance(content, bytes):
            (copy / name).write_bytes(content)
        else:
            write(copy / name, content)
        if name == SHARD:
            resize(copy)
        for _ in schema.read_records(copy, "valid"):
            pass
        for memory_mib in (384, 0):
            corpus = load_corpus(copy, "valid", memory_mib)
            if corpus.pairs:
                dataset, _ = pipeline.eval_dataset(corpus, 10, 24)
                assert all(np.isfinite(batch["audio"]).all() for batch in dataset)


def write(path, contents):
    """Writes records with checksums that fit."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for content in contents:
            writer.write(content)


def resize(directory):
    """Makes dataset_info.json say the size that the shard has."""
    info = json.loads((directory / schema.INFO_NAME).read_text())
    info["splits"]["valid"]["shards"][0]["bytes"] = (directory / SHARD).stat().st_size
    (directory / schema.INFO_NAME).write_text(json.dumps(info))


@pytest.fixture(scope="module")
def records(tmp_path_factory):
    return write_records(tmp_path_factory.mktemp("data") / "records")


def test_shards(records):
    content = (records / SHARD).read_bytes()
    fuzzing.check(use, ((records, SHARD, each) for each in fuzzing.damaged_each(content)))


def test_records_under_right_checksums(records):
    kept = list(schema.read_records(records, "valid"))
    wholes = [schema.serialize(record) for record in kept]

    def inputs():
        for seed in range(fuzzing.COUNT):
            whole = wholes[1]
            other = fuzzing.damaged(whole, seed) if seed % 2 else serialize(strange(kept[1], seed))
            yield records, SHARD, [wholes[0], other]

    fuzzing.check(use, inputs())


def serialize(record):
    """A record as bytes, whatever it holds."""
    return schema.serialize(record)


def strange(record, seed):
    """A record with other values, or another number of them, in one of its arrays."""
    generator = np.random.default_rng(seed)
    names = (
        "onset_frames",
        "columns",
        "pages",
        "systems",
        "spectrogram",
        "strips",
        "tempo",
        "inks",
    )
    name = names[int(generator.integers(len(names)))]
    value = getattr(record, name)
    if name == "tempo":
        changed = (float("nan"), -1.0, 0.0, 1e38)[int(generator.integers(4))]
    elif name == "inks":
        changed = ((), ("a", "b"), ("\0",))[int(generator.integers(3))]
    elif generator.random() < 0.4:
        changed = value[: int(generator.integers(len(value)))]
    else:
        changed = value.copy()
        extremes = {"f": [np.nan, np.inf, -1e30], "i": [-1, 2**31, -(2**63)], "u": [0]}
        choice = extremes[value.dtype.kind][seed % len(extremes[value.dtype.kind])]
        with np.errstate(over="ignore"):
            changed[int(generator.integers(len(value)))] = choice
    return dataclasses.replace(record, **{name: changed})


def test_the_list_of_shards(records):
    text = (records / schema.INFO_NAME).read_text()
    inputs = ((records, schema.INFO_NAME, each) for each in damaged_json(text))
    fuzzing.check(use, inputs)
