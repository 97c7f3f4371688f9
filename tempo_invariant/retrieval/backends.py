"""Who computes embeddings: a training run, an export, or a server; all alike to the rest.

An index belongs to a model. Its identity is not the name of a file but what it computes: the
embeddings of a fixed probe. So an index made with a run may be asked through its export or through
a server that has it loaded, and any other model is refused.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.geometry import (
    FRAME_SIZE,
    FRAMES_PER_SECOND,
    PAPER,
    SAMPLE_RATE,
    SNIPPET_HEIGHT,
    SNIPPET_WIDTH,
    frame_start,
)

AUDIO_BATCH = 16
SHEET_BATCH = 32
REQUEST_BYTES = 3 * 2**20
"""The most audio that is sent to a server at once; gRPC's default limit is 4 MiB."""

SAME_MODEL = 0.999
"""Cosine above which two embeddings of the probe count as the same, up to rounding."""


class AudioEmbeddings(NamedTuple):
    """What a model makes of windows.

    Attributes:
        embedding: float32 [windows, size], unit length.
        attention: float32 [windows, frames], sums to one.
    """

    embedding: np.ndarray
    attention: np.ndarray


class Backend(Protocol):
    """A model.

    Attributes:
        name: what it is, in words.
        frames: length of its audio window in spectrogram frames.
        size: dimensions of the embeddings.
    """

    name: str
    frames: int
    size: int

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """Embeds float32 [windows, window_samples(frames)], mono at 22,050 Hz."""

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """Embeds uint8 [snippets, 160, 200] to float32 [snippets, size]."""


class GraphBackend:
    """A model in this process, as the signatures that an export has.

    Args:
        signatures: functions of a tensor by name, see `tempo_invariant.saved_model`.
        name: what it is, in words.
    """

    def __init__(self, signatures: Any, name: str):
        self.name = name
        self._audio, self._sheet = signatures["embed_audio"], signatures["embed_sheet"]
        outputs = self._audio.structured_outputs
        self.frames = int(outputs["attention"].shape[-1])
        self.size = int(outputs["embedding"].shape[-1])

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """See `Backend`."""
        import tensorflow as tf

        parts = []
        for rows in _batches(windows, AUDIO_BATCH):
            outputs = self._audio(pcm=tf.constant(rows, tf.float32))
            parts.append((outputs["embedding"].numpy(), outputs["attention"].numpy()))
        return _join(parts, self.size, self.frames)

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """See `Backend`."""
        import tensorflow as tf

        parts = [
            self._sheet(image=tf.constant(rows, tf.uint8))["embedding"].numpy()
            for rows in _batches(snippets, SHEET_BATCH)
        ]
        return np.concatenate([np.zeros((0, self.size), np.float32), *parts])


class ServerBackend:
    """A model at a gRPC server.

    Args:
        client: a `serving.client.EmbeddingClient`.
        name: what it is, in words.
    """

    def __init__(self, client: Any, name: str):
        self.name = name
        self._client = client
        self.frames = client.model.frames
        self.size = client.model.embedding_size

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """See `Backend`."""
        rows = max(1, REQUEST_BYTES // (4 * window_samples(self.frames)))
        answers = [self._client.embed_audio(part) for part in _batches(windows, rows)]
        parts = [(answer.embedding, answer.attention) for answer in answers]
        return _join(parts, self.size, self.frames)

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """See `Backend`."""
        rows = list(self._client.embed_sheets(snippets))
        return np.stack(rows) if rows else np.zeros((0, self.size), np.float32)


def open_backend(
    run: str | None = None,
    export: str | None = None,
    server: str | None = None,
    weights: str | None = None,
    model_name: str = "tempo_invariant",
    wait_seconds: float = 0.0,
) -> Backend:
    """Opens the one that is named.

    Args:
        run: directory of a training run.
        export: a SavedModel, or the directory of its versions, of which the newest is taken.
        server: HOST:PORT.
        weights: of the run, see `run_directory.weights_path`.
        model_name: the model's name at the server.
        wait_seconds: how long to wait for a server that is just starting.

    Raises:
        UserError: not exactly one is named, or it cannot be used.
    """
    if sum(map(bool, (run, export, server))) != 1:
        raise UserError("give one of --run, --export and --server: who computes the embeddings")
    if run:
        return _open_run(run, weights)
    if export:
        return _open_export(Path(export))
    from serving.client import EmbeddingClient

    assert server is not None
    client = EmbeddingClient(server, model_name, wait_seconds=wait_seconds)
    return ServerBackend(client, f"version {client.model.version} of {model_name!r} at {server}")


def _open_run(run: str, weights: str | None) -> Backend:
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError("an index needs the TensorFlow backend: unset KERAS_BACKEND")
    from tempo_invariant import run_directory, saved_model

    chosen = run_directory.weights_path(run, weights)
    model = run_directory.load_model(run, weights)
    signatures_of_model: dict[str, Any] = dict(saved_model.make_signatures(model))
    signatures = {
        name: function.get_concrete_function()
        for name, function in signatures_of_model.items()
        if name != "embed_audio_file"
    }
    return GraphBackend(signatures, f"the run {run} ({chosen.name})")


def _open_export(path: Path) -> Backend:
    import tensorflow as tf

    chosen = path
    if not (path / "saved_model.pb").is_file():
        versions = [child for child in path.glob("*") if child.name.isdecimal() and child.is_dir()]
        if not versions:
            raise UserError(f"--export={path}: neither a SavedModel nor a directory of versions")
        chosen = max(versions, key=lambda child: int(child.name))
    try:
        loaded = tf.saved_model.load(str(chosen))
        backend = GraphBackend(loaded.signatures, f"the export {chosen}")
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"--export={chosen}: not an export of this project ({reason})") from error
    backend.loaded = loaded  # type: ignore[attr-defined]  # its variables live as long as it does
    return backend


def window_samples(frames: int) -> int:
    """Samples of which a model's middle window is all, its last frame whole if that is possible.

    The last frame reaches past the start of the next one, which moves the middle of an odd window.
    """
    if frames % 2:
        return frame_start(frames)
    return frame_start(frames - 1) + FRAME_SIZE


def probe(backend: Backend) -> np.ndarray:
    """What the model makes of four chords and four drawings that never change.

    Returns:
        float32 [8, size]: its identity.
    """
    samples = window_samples(backend.frames)
    seconds = np.arange(samples) / SAMPLE_RATE
    beat = seconds % (10 / FRAMES_PER_SECOND)
    chords = []
    for number in range(4):
        hertz = [110.0 * 2 ** ((3 * number + tone) / 12) for tone in (0, 7, 16 - number)]
        chord = sum(np.sin(2 * np.pi * tone * seconds) for tone in hertz)
        chords.append(0.1 * chord * np.exp(-4 * beat))
    drawings = np.full((4, SNIPPET_HEIGHT, SNIPPET_WIDTH), PAPER, np.uint8)
    for number, drawing in enumerate(drawings):
        drawing[30:62:8] = drawing[100:132:8] = 0
        for head in range(4 + 3 * number):
            row, column = 24 + 31 * head % 110, 8 + 53 * head % 184
            drawing[row : row + 7, column : column + 8] = 0
    heard = backend.embed_audio(np.stack(chords).astype(np.float32)).embedding
    return np.concatenate([heard, backend.embed_sheet(drawings)]).astype(np.float32)


def check_same_model(expected: np.ndarray, backend: Backend, made_with: str) -> None:
    """Compares probes.

    Args:
        expected: what `probe` gave for the model of an index.
        backend: the model to be used with it.
        made_with: start of the message, what the index was made with.

    Raises:
        UserError: it is another model.
    """
    found = probe(backend)
    if found.shape == expected.shape:
        lengths = np.linalg.norm(found, axis=1) * np.linalg.norm(expected, axis=1)
        cosines = np.sum(found * expected, axis=1) / np.maximum(lengths, 1e-12)
        if cosines.min() >= SAME_MODEL:
            return
    raise UserError(f"{made_with}, and {backend.name} is another model: its embeddings differ")


def _batches(rows: np.ndarray, count: int) -> Iterator[np.ndarray]:
    for first in range(0, len(rows), count):
        yield rows[first : first + count]


def _join(
    parts: Iterable[tuple[np.ndarray, np.ndarray]], size: int, frames: int
) -> AudioEmbeddings:
    parts = list(parts)
    return AudioEmbeddings(
        np.concatenate([np.zeros((0, size), np.float32), *(part[0] for part in parts)]),
        np.concatenate([np.zeros((0, frames), np.float32), *(part[1] for part in parts)]),
    )
