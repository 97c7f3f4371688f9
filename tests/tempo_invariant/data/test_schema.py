"""Records: round trip, determinism, and damaged directories."""

import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.data import schema
from tempo_invariant.data.corpus import load_corpus
from tempo_invariant.errors import UserError


def make_record(piece="Bach__x", tempo=0.9, soundfont="Upright", seed=0, pairs=7, frames=50):
    """A record of noise; its onsets are at every fifth frame."""
    random = np.random.RandomState(seed)
    return schema.Record(
        piece=piece,
        performance=f"{piece}_tempo-{round(tempo * 1000)}_{soundfont}",
        soundfont=soundfont,
        tempo=tempo,
        inks=("bold", "thin"),
        strips=random.randint(0, 256, (2, max(300, 31 * pairs + 50), 100)).astype(np.uint8),
        spectrogram=random.rand(frames, 92).astype(np.float16),
        onset_frames=np.arange(pairs) * 5 + 2,
        columns=(np.arange(pairs) * 60.5 + 100).astype(np.float32),
        pages=np.ones(pairs, np.int64),
        systems=np.arange(pairs) // 4,
    )


def write_split(folder, records, split="train", others=None):
    """Writes records as one shard with dataset_info.json."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / schema.shard_name(split, 0, 1)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(schema.serialize(record))
    info = schema.SplitInfo(
        pieces=len({record.piece for record in records}),
        records=len(records),
        pairs=sum(len(record.onset_frames) for record in records),
        frames=sum(len(record.spectrogram) for record in records),
        shards=[schema.Shard(path.name, path.stat().st_size, len(records))],
    )
    schema.write_info(folder, {split: info} | (others or {}))
    return path


def test_round_trip():
    record = make_record()
    back = schema.to_record(schema.parse(schema.serialize(record)))
    for field in dataclasses.fields(schema.Record):
        expected, value = getattr(record, field.name), getattr(back, field.name)
        np.testing.assert_array_equal(value, expected)
        if isinstance(expected, np.ndarray):
            assert value.dtype == expected.dtype or field.name == "systems"
    assert schema.serialize(record) == schema.serialize(back)


def test_parses_in_a_graph():
    record = make_record()
    [values] = tf.data.Dataset.from_tensors(schema.serialize(record)).map(schema.parse)
    np.testing.assert_array_equal(values["spectrogram"], record.spectrogram)
    np.testing.assert_array_equal(values["strips"], record.strips)


def test_shard_names():
    assert schema.shard_name("train", 0, 32) == "train-00000-of-00032.tfrecord"


def test_damaged_directories_give_one_line(tmp_path):
    with pytest.raises(
        UserError, match=f"no records in {tmp_path}; make them with: tempo-invariant convert"
    ):
        schema.read_info(tmp_path)
    path = write_split(tmp_path, [make_record(), make_record("b")])
    assert len(list(schema.read_records(tmp_path, "train"))) == 2
    with pytest.raises(UserError, match=r"holds no split 'test' \(it has: train\)"):
        schema.shard_paths(tmp_path, "test")
    whole = path.read_bytes()
    path.write_bytes(whole[:-100])
    with pytest.raises(UserError, match="train-00000-of-00001.tfrecord: truncated or changed"):
        list(schema.read_records(tmp_path, "train"))
    path.write_bytes(whole[:2000] + b"?" + whole[2001:])
    with pytest.raises(UserError, match="train-00000-of-00001.tfrecord: damaged") as caught:
        list(schema.read_records(tmp_path, "train"))
    assert "\n" not in str(caught.value)
    path.unlink()
    with pytest.raises(UserError, match="no such file, though dataset_info.json lists it"):
        list(schema.read_records(tmp_path, "train"))
    info = tmp_path / "dataset_info.json"
    content = json.loads(info.read_text())
    info.write_text(json.dumps(content | {"schema_version": 0}))
    with pytest.raises(UserError, match="schema version 0"):
        schema.read_info(tmp_path)
    shard = content["splits"]["train"]["shards"][0]
    for changes, message in (
        ({"splits": []}, "splits: must be an object"),
        ({"splits": {"train": 7}}, "train: must be an object"),
        ({"splits": {"train": {"shards": [shard | {"name": "../x"}]}}}, "not a shard"),
        ({"splits": {"train": {"shards": [shard | {"bytes": "9"}]}}}, "must be a whole number"),
        ({"splits": {"train": {"records": 10**30}}}, "records: must be a whole number"),
        ({"geometry": 7}, "geometry: must be an object"),
        ({"staves": "far"}, "staves must be printed or near"),
    ):
        info.write_text(json.dumps(content | changes))
        with pytest.raises(UserError, match=f"^{info}: .*{message}"):
            schema.read_info(tmp_path)
    # Records of before have the staves as printed.
    content.pop("staves")
    for known, wanted in (({}, "printed"), ({"staves": "near"}, "near")):
        info.write_text(json.dumps(content | known))
        schema.check_data(tmp_path, wanted)
        other = {"printed": "near", "near": "printed"}[wanted]
        with pytest.raises(UserError, match=f"staves {wanted}.* the model needs .* {other}"):
            schema.check_data(tmp_path, other)
    info.write_text("{")
    with pytest.raises(UserError, match="dataset_info.json: not a JSON file"):
        schema.read_info(tmp_path)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"strips": np.zeros((1, 9, 100), np.uint8)}, "reshape"),
        ({"inks": ()}, "reshape"),
        ({"tempo": float("nan")}, "no ink, or no tempo"),
        ({"pages": np.ones(6, np.int64)}, "pairs of different numbers"),
        ({"onset_frames": np.array([2, 2, 3, 4, 5, 6, 7])}, "not distinct and ascending"),
        ({"onset_frames": np.array([-9, 2, 3, 4, 5, 6, 7])}, "not distinct and ascending"),
        ({"pages": np.full(7, 2**40)}, "pairs at impossible places"),
        ({"columns": np.full(7, np.nan, np.float32)}, "pairs at impossible places"),
        ({"spectrogram": np.full((50, 92), np.inf, np.float16)}, "not finite"),
    ],
)
@pytest.mark.parametrize("read", [schema.read_records, load_corpus])
def test_wrong_content_under_right_checksums_is_refused(tmp_path, changes, message, read):
    path = write_split(tmp_path, [make_record(), dataclasses.replace(make_record("b"), **changes)])
    with pytest.raises(UserError, match=f"^{path}: damaged.*({message})") as caught:
        list(read(tmp_path, "train"))
    assert str(caught.value).isprintable()


def test_a_shard_with_fewer_records_than_it_should_have_is_refused(tmp_path):
    path = write_split(tmp_path, [make_record()])
    info = tmp_path / "dataset_info.json"
    content = json.loads(info.read_text())
    content["splits"]["train"]["shards"][0]["records"] = 2
    info.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"^{path}: holds 1 records, and dataset_info.json says 2"):
        list(schema.read_records(tmp_path, "train"))
