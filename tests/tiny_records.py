"""Records of invented pieces, small enough to train on in seconds, and settings that fit them."""

from pathlib import Path

import numpy as np

from tempo_invariant.config import Experiment
from tempo_invariant.data import schema

PIECES = {"train": 4, "valid": 2, "test": 2}
ONSETS = 40
FRAMES_PER_ONSET = 6
COLUMNS_PER_ONSET = 40
"""Page pixels between note heads."""


def write_records(data_dir: Path) -> Path:
    """Writes three splits, one shard each; pitch decides where note head and sound are."""
    import tensorflow as tf

    infos = {}
    for split, count in PIECES.items():
        name = schema.shard_name(split, 0, 1)
        data_dir.mkdir(parents=True, exist_ok=True)
        records = [_record(f"{split}-{number}") for number in range(count)]
        with tf.io.TFRecordWriter(str(data_dir / name)) as writer:
            for record in records:
                writer.write(schema.serialize(record))
        frames = sum(len(record.spectrogram) for record in records)
        shard = schema.Shard(name, (data_dir / name).stat().st_size, count)
        infos[split] = schema.SplitInfo(count, count, count * ONSETS, frames, 0.0, [shard])
    schema.write_info(data_dir, infos)
    return data_dir


def tiny_experiment(
    data_dir: Path, attention: bool = False, model: dict | None = None, **training
) -> Experiment:
    """A model of one block, other fields as in `model`, and epochs of four steps."""
    tiny = {"frames": 24, "attention": attention, "filters": (4,), "embedding_size": 4}
    settings = {
        "data": str(data_dir),
        "batch_size": 20,
        "epoch_pairs": 80,
        "total_pairs": 240,
        "validation_pairs": 50,
        "augmentation": {"ink": False},
    }
    return Experiment.from_fields(tiny | (model or {}), settings | training)


def _record(name: str) -> schema.Record:
    pitches = np.random.default_rng(sum(map(ord, name))).uniform(size=ONSETS)
    onsets = 12 + FRAMES_PER_ONSET * np.arange(ONSETS)
    columns = 150 + COLUMNS_PER_ONSET * np.arange(ONSETS)
    strip = np.full([columns[-1] // 2 + 100, schema.STRIP_ROWS], 255, np.uint8)
    spectrogram = np.zeros([onsets[-1] + 30, 92], np.float16)
    for pitch, onset, column in zip(pitches, onsets, columns // 2, strict=True):
        row, band = int(70 - 40 * pitch), int(10 + 70 * pitch)
        strip[column - 3 : column + 4, row - 2 : row + 3] = 0
        spectrogram[onset : onset + 4, band - 2 : band + 3] = 1.5
    return schema.Record(
        piece=name,
        performance=f"{name}_tempo-1000_Sine",
        soundfont="Sine",
        tempo=1.0,
        inks=("bold",),
        strips=strip[None],
        spectrogram=spectrogram,
        onset_frames=onsets.astype(np.int64),
        columns=columns.astype(np.float32),
        pages=np.ones(ONSETS, np.int64),
        systems=np.zeros(ONSETS, np.int64),
    )


def write_run(path: Path, data_dir: Path, **model) -> Path:
    """Writes a run directory with the weights of an untrained model."""
    import keras

    from tempo_invariant.model import runs
    from tempo_invariant.model.network import build_model
    from tempo_invariant.training.loop import open_run

    experiment = tiny_experiment(data_dir, model=model)
    run = open_run(path, experiment)
    keras.utils.set_random_seed(1)
    runs.save_weights(build_model(experiment.model), run.best)
    return path
