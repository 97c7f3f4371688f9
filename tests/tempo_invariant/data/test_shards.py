"""Windows read from shards: the right rows, and a clean end of the program."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.data import schema
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.data.shards import ShardReader, StoredRows
from tempo_invariant.errors import UserError
from tests.tempo_invariant.data.test_schema import make_record, write_split

BLANK = 7


@pytest.fixture
def stored(tmp_path):
    """Arrays of 5 and 3 rows in two files, at odd places, and the arrays."""
    first = np.arange(15, dtype=np.uint8).reshape(5, 3)
    second = 100 + np.arange(9, dtype=np.uint8).reshape(3, 3)
    paths = [tmp_path / "a", tmp_path / "b"]
    paths[0].write_bytes(b"#" * 11 + first.tobytes() + b"#" * 50)
    paths[1].write_bytes(b"#" * 5 + second.tobytes())
    where = np.array([0, 1]), np.array([11, 5]), np.array([5, 3], np.int32)
    return StoredRows(ShardReader(paths), *where, 3, tf.uint8, BLANK), (first, second), paths


def test_windows_hold_the_rows_that_there_are(stored):
    rows, arrays, _ = stored
    array, first = np.array([0, 1, 1, 0, 0]), np.array([1, -2, 2, 9, -8])
    values = rows.read(array, first, 4)
    assert values.shape == (21, 3) and (values[-1] == BLANK).all()
    for window, a, f in zip(values[:-1].reshape(5, 4, 3), array, first, strict=True):
        for i in range(4):
            if 0 <= f + i < len(arrays[a]):
                np.testing.assert_array_equal(window[i], arrays[a][f + i])


def test_a_source_tells_where_an_array_begins(stored):
    rows, arrays, _ = stored
    found = rows.source(tf.constant([0, 1]), tf.constant([2, -1]), 3)
    tensor, start = found.rows.numpy(), found.start
    np.testing.assert_array_equal(found.length, [5, 3])
    np.testing.assert_array_equal(tensor[start[0] + 2 : start[0] + 5], arrays[0][2:5])
    np.testing.assert_array_equal(tensor[start[1] : start[1] + 2], arrays[1][:2])


def test_what_is_opened_stays_and_what_is_truncated_is_noticed(stored):
    rows, arrays, paths = stored
    paths[0].unlink()
    np.testing.assert_array_equal(rows.read(np.array([0]), np.array([0]), 5)[:5], arrays[0])
    paths[1].write_bytes(b"#" * 6)
    with pytest.raises(OSError, match="shard 1 ends before byte 14"):
        rows.read(np.array([1]), np.array([0]), 3)
    with pytest.raises(UserError, match="a: cannot be opened"):
        ShardReader([paths[1], paths[0]])


def test_records_are_found_in_every_shard(tmp_path):
    records = [make_record(f"piece{p}", seed=p, pairs=3 + p) for p in range(5)]
    shards = []
    for index, part in enumerate((records[:2], records[2:])):
        path = tmp_path / schema.shard_name("train", index, 2)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for record in part:
                writer.write(schema.serialize(record))
        shards.append(schema.Shard(path.name, path.stat().st_size, len(part)))
    schema.write_info(tmp_path, {"train": schema.SplitInfo(5, 5, 25, 250, 0.0, shards)})
    corpus = load_corpus(tmp_path, "train", memory_mib=0)
    for number, record in enumerate(records):
        spectrogram = corpus.spectrograms.read(np.array([number]), np.array([0]), 50)[:50]
        np.testing.assert_array_equal(spectrogram, record.spectrogram)
        columns = record.strips.shape[1]
        for ink in range(2):
            strip = corpus.strips.read(
                np.array([corpus.first_ink[number] + ink]), np.array([0]), columns
            )
            np.testing.assert_array_equal(strip[:columns], record.strips[ink])


ENDING = """
import sys
from tempo_invariant.variations import Augmentation
from tempo_invariant.data import corpus, pipeline
rows = corpus.load_corpus(sys.argv[1], "train", memory_mib=0)
dataset = pipeline.train_dataset(rows, 500, 80, Augmentation(), seed=1)
kept = [iter(dataset)]
kept.append(kept)
next(kept[0])
print("read", flush=True)
"""


@pytest.mark.slow
def test_a_program_ends_while_its_pipeline_is_full_of_work(tmp_path):
    write_split(tmp_path, [make_record(pairs=9)])
    command = [sys.executable, "-c", ENDING, str(tmp_path)]
    for _ in range(3):
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout == "read\n"
