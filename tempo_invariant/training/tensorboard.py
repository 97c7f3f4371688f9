"""Writes to TensorBoard: scalars, attention pictures, and the embedding projector."""

import csv
from pathlib import Path
from typing import Any

import keras
import numpy as np
import scipy.stats
import tensorflow as tf
from PIL import Image
from tensorboard.plugins import projector

from tempo_invariant.audio import plotting
from tempo_invariant.data.pipeline import PairTable
from tempo_invariant.files import atomic_write
from tempo_invariant.training.callbacks import Validation

PICTURES = 4
PROJECTED_PAIRS = 400
THUMBNAIL_ROWS, THUMBNAIL_COLUMNS = 40, 50


class Summaries(keras.callbacks.Callback):
    """Writes to TensorBoard after every epoch; the horizontal axis is pairs trained on.

    Scalars: loss, learning rate, validation R@k, MRR and median rank, canonical correlations,
    entropy of the attention. After every epoch that is the best so far, also pictures of the
    attention for fixed validation pairs, and the projector's points.

    Args:
        logs: Directory for event files and for the projector's files.
        validation: Validation, a callback that is called before this one.
        pairs: Table of the validation pairs, with their pieces and onset frames.
        epoch_pairs: Number of pairs in an epoch.
    """

    def __init__(
        self, logs: Path, validation: Validation, pairs: PairTable, epoch_pairs: int
    ) -> None:
        super().__init__()
        self.logs = logs
        self.validation = validation
        self.pairs = pairs
        self.epoch_pairs = epoch_pairs

    def on_train_begin(self, logs: Any = None) -> None:
        self.writer = tf.summary.create_file_writer(str(self.logs))
        batches = list(self.validation.dataset.as_numpy_iterator())
        sheets = np.concatenate([batch["sheet"] for batch in batches])
        spectrograms = np.concatenate([batch["audio"] for batch in batches])
        shown = np.linspace(0, len(sheets) - 1, min(PICTURES, len(sheets))).astype(int)
        self.pictures = [(index, sheets[index], spectrograms[index]) for index in shown]
        projected = min(PROJECTED_PAIRS, len(sheets))
        self.projected = np.linspace(0, len(sheets) - 1, projected).astype(int)
        write_projector(
            self.logs,
            sheets[self.projected],
            spectrograms[self.projected],
            self.pairs.piece[self.projected],
            self.pairs.onset_frame[self.projected],
        )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        step = (epoch + 1) * self.epoch_pairs
        with self.writer.as_default(step=step):
            for name, value in logs.items():
                tf.summary.scalar(name.replace("val_", "validation/"), value)
            self._write_correlations()
            self._write_attention()
        self.writer.flush()
        if self.validation.patience.action == "best":
            write_embeddings(self.logs, self.validation.embeddings[self.projected])

    def on_train_end(self, logs: Any = None) -> None:
        self.writer.close()

    def _write_correlations(self) -> None:
        layer = self.validation.copy.get_layer("projection")
        if hasattr(layer, "correlations"):
            correlations = layer.correlations()
            tf.summary.scalar("canonical_correlations/first", correlations[0])
            tf.summary.scalar("canonical_correlations/mean", np.mean(correlations))
            tf.summary.histogram("canonical_correlations", correlations)

    def _write_attention(self) -> None:
        attention = self.validation.attention
        entropies = scipy.stats.entropy(attention, base=2, axis=-1)
        tf.summary.scalar("attention/entropy_bits", np.mean(entropies))
        tf.summary.histogram("attention_entropy_bits", entropies)
        if self.validation.patience.action != "best":
            return
        for index, sheet, spectrogram in self.pictures:
            title = f"{self.pairs.piece[index]}, frame {self.pairs.onset_frame[index]}"
            figure = plotting.attention_figure(sheet, spectrogram, attention[index], title)
            tf.summary.image(f"attention_pictures/{index}", plotting.rasterize(figure)[None])


def write_projector(
    logs: Path,
    sheets: np.ndarray,
    spectrograms: np.ndarray,
    pieces: np.ndarray,
    onset_frames: np.ndarray,
) -> None:
    """Writes the projector's configuration, metadata and thumbnails, sheets first, then audio.

    `write_embeddings` writes the points. TensorBoard shows the projector only in a directory that
    holds an event file too.

    Args:
        logs: Directory of the event files.
        sheets: Snippets, uint8 `[pairs, rows, columns]`.
        spectrograms: Excerpts, `[pairs, bands, frames]`.
        pieces: Names of the pieces, `[pairs]`.
        onset_frames: Onset frames of the pairs in their performances, `[pairs]`.
    """
    folder = logs / "projector"
    folder.mkdir(parents=True, exist_ok=True)
    images = [*sheets, *map(plotting.spectrogram_image, spectrograms)]
    small = [plotting.thumbnail(image, THUMBNAIL_ROWS, THUMBNAIL_COLUMNS) for image in images]
    with atomic_write(folder / "sprite.png") as temporary:
        Image.fromarray(plotting.mosaic(np.stack(small))).save(temporary)
    with atomic_write(folder / "metadata.tsv") as temporary, temporary.open("w") as stream:
        table = csv.writer(stream, delimiter="\t", lineterminator="\n")
        table.writerow(["piece", "view", "frame"])
        for view in ("sheet", "audio"):
            table.writerows(
                (piece, view, frame) for piece, frame in zip(pieces, onset_frames, strict=True)
            )
    config = projector.ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = "validation pairs"
    embedding.tensor_path = "projector/embeddings.tsv"
    embedding.metadata_path = "projector/metadata.tsv"
    embedding.sprite.image_path = "projector/sprite.png"
    embedding.sprite.single_image_dim.extend([THUMBNAIL_COLUMNS, THUMBNAIL_ROWS])
    projector.visualize_embeddings(str(logs), config)


def write_embeddings(logs: Path, embeddings: np.ndarray) -> None:
    """Writes the projector's points.

    Args:
        logs: Directory that `write_projector` wrote to.
        embeddings: Embeddings of sheet and audio, `[pairs, 2, size]`.
    """
    points = np.concatenate([embeddings[:, 0], embeddings[:, 1]])
    with atomic_write(logs / "projector" / "embeddings.tsv") as temporary:
        np.savetxt(temporary, points, fmt="%.5f", delimiter="\t")
