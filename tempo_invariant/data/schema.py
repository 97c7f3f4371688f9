"""The records that hold aligned scores and performances: keys, writer, reader, dataset_info.json.

One `tf.train.Example` per (piece, performance), in files `train-00000-of-00032.tfrecord`, beside
`dataset_info.json`, which lists the files, their sizes and what they hold.
"""

import dataclasses
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tempo_invariant import geometry, json_objects
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import write_json
from tempo_invariant.geometry import PRINTED, STAVES

SCHEMA_VERSION = 1
SPLITS = ("train", "valid", "test")
INFO_NAME = "dataset_info.json"
STRIP_ROWS = geometry.STRIP_HEIGHT // geometry.REDUCTION
# A record in a TFRecord file: length (8 bytes) and its checksum (4), the data, their checksum (4).
_RECORD_HEADER_BYTES = 12
_RECORD_OVERHEAD_BYTES = 16
_MOST = 2**31
"""Frames, columns, pages and systems are below this."""

GEOMETRY = {
    name.lower(): getattr(geometry, name)
    for name in (
        ["SAMPLE_RATE", "FRAMES_PER_SECOND", "FRAME_SIZE", "BANDS", "BANDS_PER_OCTAVE"]
        + ["FMIN_HZ", "FMAX_HZ", "PAGE_WIDTH", "STRIP_HEIGHT", "REDUCTION"]
    )
}


@dataclass(frozen=True)
class Record:
    """A score and one performance of it, aligned; a pair is a note head and its onset frame.

    Attributes:
        piece: Name of the piece.
        performance: Name of the performance.
        soundfont: Name of the soundfont that plays.
        tempo: Speed relative to the notated one.
        inks: Names of the renderings of the score.
        strips: Strips at half resolution, x first, uint8 `[inks, columns / 2, 100]`.
        spectrogram: Spectrogram of the performance, float16 `[frames, 92]`.
        onset_frames: Onset frames of the pairs, distinct and ascending, int64 `[pairs]`.
        columns: Centres of the note heads in page pixels of the full strip, float32 `[pairs]`.
        pages: Pages of the note heads, counted from 1, int64 `[pairs]`.
        systems: Systems of the note heads on their page, counted from 0, int64 `[pairs]`.
    """

    piece: str
    performance: str
    soundfont: str
    tempo: float
    inks: tuple[str, ...]
    strips: np.ndarray
    spectrogram: np.ndarray
    onset_frames: np.ndarray
    columns: np.ndarray
    pages: np.ndarray
    systems: np.ndarray


def serialize(record: Record) -> bytes:
    """Returns the record as a serialized `tf.train.Example`; equal records give equal bytes."""
    import tensorflow as tf

    def text(*values: str) -> Any:
        return _bytes(*[value.encode() for value in values])

    def _bytes(*values: bytes) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=values))

    def integers(values: Any) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=np.ravel(values)))

    def floats(values: Any) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=np.ravel(values)))

    feature = {
        "piece": text(record.piece),
        "performance": text(record.performance),
        "soundfont": text(record.soundfont),
        "tempo": floats(record.tempo),
        "inks": text(*record.inks),
        "strips": _bytes(record.strips.astype(np.uint8).tobytes()),
        "strip_columns": integers(record.strips.shape[1]),
        "spectrogram": _bytes(record.spectrogram.astype("<f2").tobytes()),
        "frames": integers(record.spectrogram.shape[0]),
        "onset_frames": integers(record.onset_frames),
        "columns": floats(record.columns),
        "pages": integers(record.pages),
        "systems": integers(record.systems),
    }
    example = tf.train.Example(features=tf.train.Features(feature=feature))
    return example.SerializeToString(deterministic=True)


def parse(serialized: Any) -> dict[str, Any]:
    """Parses a scalar string tensor, in a graph too, into tensors shaped as in `Record`."""
    import tensorflow as tf

    def scalar(dtype: Any) -> Any:
        return tf.io.FixedLenFeature([], dtype)

    def sequence(dtype: Any) -> Any:
        return tf.io.FixedLenSequenceFeature([], dtype, allow_missing=True)

    spec = dict.fromkeys(("piece", "performance", "soundfont"), scalar(tf.string))
    spec |= dict.fromkeys(("strips", "spectrogram"), scalar(tf.string))
    spec |= dict.fromkeys(("strip_columns", "frames"), scalar(tf.int64))
    spec |= dict.fromkeys(("onset_frames", "pages", "systems"), sequence(tf.int64))
    spec |= {"tempo": scalar(tf.float32), "columns": sequence(tf.float32)}
    spec |= {"inks": sequence(tf.string)}
    values = tf.io.parse_single_example(serialized, spec)
    columns, frames = values.pop("strip_columns"), values.pop("frames")
    inks = tf.size(values["inks"], tf.int64)
    strips = tf.io.decode_raw(values["strips"], tf.uint8)
    values["strips"] = tf.reshape(strips, [inks, columns, STRIP_ROWS])
    spectrogram = tf.io.decode_raw(values["spectrogram"], tf.float16)
    values["spectrogram"] = tf.reshape(spectrogram, [frames, geometry.BANDS])
    return values


def to_record(values: dict[str, Any]) -> Record:
    """Returns a record from the tensors of `parse`.

    Raises:
        ValueError: The values cannot be those of a record.
    """
    values = {key: value.numpy() for key, value in values.items()}
    for key in ("piece", "performance", "soundfont"):
        values[key] = values[key].decode()
    values["inks"] = tuple(ink.decode() for ink in values["inks"])
    values["tempo"] = round(float(values["tempo"]), 6)
    record = Record(**values)
    _check(record)
    return record


def _check(record: Record) -> None:
    """Raises ValueError for what no writer has meant."""
    pairs = record.onset_frames, record.columns, record.pages, record.systems
    if len({len(each) for each in pairs}) > 1:
        raise ValueError("pairs of different numbers")
    if not record.inks or not 0 < record.tempo < math.inf:
        raise ValueError("no ink, or no tempo")
    if not np.isfinite(record.spectrogram).all():
        raise ValueError("a spectrogram with values that are not finite")
    if not (np.diff(record.onset_frames, prepend=-1) > 0).all():
        raise ValueError("onset frames that are not distinct and ascending")
    if any(len(each) and not 0 <= each.min() <= each.max() < _MOST for each in pairs):
        raise ValueError("pairs at impossible places")


def shard_name(split: str, index: int, count: int) -> str:
    """Returns a file name such as `train-00000-of-00032.tfrecord`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


@dataclass(frozen=True)
class Shard:
    """A file of records: its name, its size in bytes and the number of its records."""

    name: str
    bytes: int
    records: int

    def __post_init__(self) -> None:
        if Path(self.name).name != self.name or min(self.bytes, self.records) < 0:
            raise UserError("not a shard")


@dataclass
class SplitInfo:
    """Contents of a split."""

    pieces: int = 0
    records: int = 0
    pairs: int = 0
    frames: int = 0
    hours: float = 0.0
    shards: list[Shard] = dataclasses.field(default_factory=list)


@dataclass(frozen=True)
class _Info:
    """What is read of dataset_info.json."""

    schema_version: int
    geometry: dict[str, float]
    splits: dict[str, SplitInfo]
    staves: str = PRINTED

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise UserError(
                f"schema version {self.schema_version}, not {SCHEMA_VERSION}; convert again"
            )
        if self.geometry != GEOMETRY:
            raise UserError("records of another geometry; convert again")
        if self.staves not in STAVES:
            raise UserError(f"staves must be {' or '.join(STAVES)}")


def write_info(
    data_dir: str | Path,
    splits: dict[str, SplitInfo],
    staves: str = PRINTED,
    **more: Any,
) -> None:
    """Writes `dataset_info.json`; `more` are further entries that JSON can hold."""
    content = {"schema_version": SCHEMA_VERSION, "geometry": GEOMETRY, "staves": staves}
    content["splits"] = {split: dataclasses.asdict(info) for split, info in splits.items()}
    write_json(Path(data_dir) / INFO_NAME, content | more)


def directories(data: str | os.PathLike) -> list[Path]:
    """Returns the directories that a text means: one, or several with commas between them."""
    if os.path.exists(data):
        return [Path(data)]
    return [Path(part) for part in os.fspath(data).split(",")]


def check_data(data: str | os.PathLike, staves: str | None = None) -> None:
    """Makes sure that there are records, and those of a model, before anything slow begins.

    Args:
        data: Directory of the records, or several, see `directories`.
        staves: Distance of a piano's staves that the model is for, see `geometry.STAVES`; None:
            any.

    Raises:
        UserError: There are none, or those of another distance; the message says how to make them.
    """
    near = f"--staves={staves} " if staves not in (None, PRINTED) else ""
    for data_dir in directories(data):
        if not (data_dir / INFO_NAME).exists():
            raise UserError(
                f"no records in {data_dir}; make them with: tempo-invariant convert --msmd=DIR "
                f"{near}--output={data_dir} (DIR: MSMD, or what tempo-invariant build-msmd makes "
                "of scores)"
            )
        if staves is not None and (found := _load_info(data_dir).staves) != staves:
            raise UserError(
                f"{data_dir}: records with staves {found}, and the model needs those with staves "
                f"{staves}; convert with --staves={staves} to another --output"
            )


def check_weights(data: str | os.PathLike, weights: Sequence[int]) -> None:
    """Makes sure that directories of records have as many weights as they are, or none.

    Raises:
        UserError: They have not.
    """
    count = len(directories(data))
    if weights and len(weights) != count:
        raise UserError(
            f"data_weights must be none, or one for each directory of data ({count}), received "
            f"{len(weights)}"
        )


def read_info(data_dir: str | Path) -> dict[str, SplitInfo]:
    """Reads the contents of each split in a directory of records.

    Raises:
        UserError: There are no records, or they have another schema or geometry.
    """
    check_data(data_dir)
    return _load_info(data_dir).splits


def read_staves(data_dir: str | Path) -> str:
    """Returns the distance of a piano's staves in records, see `geometry.STAVES`; see above."""
    check_data(data_dir)
    return _load_info(data_dir).staves


def _load_info(data_dir: str | os.PathLike) -> _Info:
    return json_objects.load(_Info, Path(data_dir) / INFO_NAME, others=True)


def shard_paths(data_dir: str | Path, split: str) -> list[Path]:
    """Returns the files of a split after comparing their sizes with dataset_info.json.

    Raises:
        UserError: There is no such split, or a file is missing, truncated or changed.
    """
    infos = read_info(data_dir)
    if split not in infos or not infos[split].records:
        filled = ", ".join(name for name, info in infos.items() if info.records)
        raise UserError(f"{data_dir}: holds no split {split!r} (it has: {filled or 'none'})")
    paths = []
    for shard in infos[split].shards:
        path = Path(data_dir) / shard.name
        if not path.is_file():
            raise UserError(f"{path}: no such file, though {INFO_NAME} lists it")
        size = path.stat().st_size
        if size != shard.bytes:
            raise UserError(f"{path}: truncated or changed: {size} bytes, not {shard.bytes}")
        paths.append(path)
    return paths


@dataclass(frozen=True)
class Stored:
    """A record as it is in its shard.

    Attributes:
        shard: Number of the shard.
        position: Byte at which the record's data begin in it.
        serialized: The data, a serialized example in a scalar string tensor.
        values: The tensors of `parse`.
        record: The record.
    """

    shard: int
    position: int
    serialized: Any
    values: dict[str, Any]
    record: Record


def read_stored(data_dir: str | Path, split: str) -> Iterator[Stored]:
    """Yields the records of a split in the order of writing, and where they are.

    Raises:
        UserError: A file is damaged or holds something else, or one of the errors of `shard_paths`.
    """
    import tensorflow as tf

    wanted = [shard.records for shard in read_info(data_dir)[split].shards]
    for shard, path in enumerate(shard_paths(data_dir, split)):
        position, count = _RECORD_HEADER_BYTES, 0
        try:
            for serialized in tf.data.TFRecordDataset(str(path)):
                values = parse(serialized)
                yield Stored(shard, position, serialized, values, to_record(values))
                position += int(tf.strings.length(serialized)) + _RECORD_OVERHEAD_BYTES
                count += 1
        except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
            raise UserError(f"{path}: damaged ({one_line(error.message)})") from error
        except ValueError as error:
            raise UserError(f"{path}: damaged, it holds {one_line(error)}") from error
        if count != wanted[shard]:
            raise UserError(f"{path}: holds {count} records, and {INFO_NAME} says {wanted[shard]}")


def read_records(data_dir: str | Path, split: str) -> Iterator[Record]:
    """Yields the records of a split in the order of writing; errors as in `read_stored`."""
    for stored in read_stored(data_dir, split):
        yield stored.record
