"""Who computes embeddings: a training run, an export, or a server; all alike to the rest."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from tempo_invariant import progress
from tempo_invariant.audio.windows import window_samples
from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import CHECKSUMS, check_checksums
from tempo_invariant.geometry import (
    KNOWS_PRESENT_OUTPUT,
    NEAR,
    PRINTED,
    STRIP_STEP,
    SYSTEM_HEIGHT_OUTPUT,
)
from tempo_invariant.model import pretrained
from tempo_invariant.model.runs import NAMED_WEIGHTS
from tempo_invariant.model.versions import newest
from tempo_invariant.retrieval.run_layers import RunLayers
from tempo_invariant.scores.strips import rejoin

AUDIO_BATCH = 16
SHEET_BATCH = 32
MOST_OF_STRIP = 64
"""Strips hold at most so many snippets, which bounds the memory."""

REQUEST_BYTES = 3 * 2**20
"""The most audio that is sent to a server at once; gRPC's default limit is 4 MiB."""


class AudioEmbeddings(NamedTuple):
    """What a model makes of windows.

    Attributes:
        embedding: Embeddings of unit length, float32 [windows, size].
        attention: Weights that sum to one, float32 [windows, frames].
    """

    embedding: np.ndarray
    attention: np.ndarray


class Embedder(Protocol):
    """A model.

    Attributes:
        name: Description of the model in words.
        frames: Length of its audio window in spectrogram frames.
        size: Number of dimensions of the embeddings.
        staves: Distance of a piano's staves in the snippets that it takes, see `geometry.STAVES`.
        source: Arguments of `open_embedder` that open it again; None if nothing does.
    """

    name: str
    frames: int
    size: int
    staves: str
    source: dict[str, str] | None

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """Embeds float32 [windows, window_samples(frames)], mono at 22,050 Hz."""

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """Embeds uint8 [snippets, 160, 200] to float32 [snippets, size]."""


class GraphEmbedder:
    """A model in this process, as the signatures that an export has.

    Args:
        signatures: Functions of a tensor by name, see `tempo_invariant.model.saved_model`.
        name: Description of the model in words.
        layers: Its layers, where they are at hand; without them every snippet and every window is
            embedded alone.

    Attributes:
        knows_present: Whether it was trained with excerpts whose future is missing, so that it
            knows the music of the last moment; exports of earlier versions do not say so.
    """

    source: dict[str, str] | None = None

    def __init__(self, signatures: Any, name: str, layers: RunLayers | None = None):
        self.name = name
        self._layers = layers
        if layers is not None:
            self.embed_unfinished = layers.embed_unfinished
        self._audio, self._sheet = signatures["embed_audio"], signatures["embed_sheet"]
        outputs = self._audio.structured_outputs
        self.frames = int(outputs["attention"].shape[-1])
        self.size = int(outputs["embedding"].shape[-1])
        self.knows_present = KNOWS_PRESENT_OUTPUT in outputs
        self.staves = NEAR if SYSTEM_HEIGHT_OUTPUT in self._sheet.structured_outputs else PRINTED

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """Embeds windows, see `Embedder`."""
        import tensorflow as tf

        parts = []
        for rows in _batches(windows, AUDIO_BATCH):
            outputs = self._audio(pcm=tf.constant(rows, tf.float32))
            parts.append((outputs["embedding"].numpy(), outputs["attention"].numpy()))
        return _join(parts, self.size, self.frames)

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """See `Embedder`."""
        import tensorflow as tf

        parts = []
        with progress.track(text="snippets", total=len(snippets), keep=False) as bar:
            for rows in _batches(snippets, SHEET_BATCH):
                parts.append(self._sheet(image=tf.constant(rows, tf.uint8))["embedding"].numpy())
                bar.update(len(rows))
        return np.concatenate([np.zeros((0, self.size), np.float32), *parts])

    def embed_neighbours(self, snippets: np.ndarray) -> np.ndarray:
        """See the function of this name."""
        if self._layers is None or not self._layers.shares_strips:
            return self.embed_sheet(snippets)
        parts = [np.zeros((0, self.size), np.float32)]
        for run in rejoin(snippets, STRIP_STEP, MOST_OF_STRIP):
            embed = self.embed_sheet if run.ndim == 3 else self._layers.embed_strip
            parts.append(embed(run))
        return np.concatenate(parts)


class ServerEmbedder:
    """A model at a gRPC server.

    Args:
        client: Connection, a `tempo_invariant.retrieval.client.EmbeddingClient`.
        name: Description of the model in words.
    """

    source: dict[str, str] | None = None

    def __init__(self, client: Any, name: str):
        self.name = name
        self._client = client
        self.frames = client.model.frames
        self.size = client.model.embedding_size
        self.staves = client.model.staves
        self.knows_present = client.model.knows_present

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """See `Embedder`."""
        rows = max(1, REQUEST_BYTES // (4 * window_samples(self.frames)))
        answers = [self._client.embed_audio(part) for part in _batches(windows, rows)]
        parts = [(answer["embedding"], answer["attention"]) for answer in answers]
        return _join(parts, self.size, self.frames)

    def embed_sheet(self, snippets: np.ndarray) -> np.ndarray:
        """See `Embedder`."""
        rows = list(self._client.embed_sheets(snippets))
        return np.stack(rows) if rows else np.zeros((0, self.size), np.float32)


def embed_neighbours(embedder: Embedder, snippets: np.ndarray) -> np.ndarray:
    """Embeds the snippets of a score, together where that can be.

    It takes less than half of the time, and what comes out is nearly what `embed_sheet` gives.

    Args:
        embedder: The model; those of exports and servers embed every snippet alone.
        snippets: uint8 [snippets, 160, 200], in reading order; neighbours that are
            `geometry.STRIP_STEP` columns apart go together.

    Returns:
        float32 [snippets, size].
    """
    return getattr(embedder, "embed_neighbours", embedder.embed_sheet)(snippets)


def open_embedder(
    kind: str,
    name: str,
    weights: str | None = None,
    model_name: str = "tempo_invariant",
    wait_seconds: float = 0.0,
) -> Embedder:
    """Opens a model.

    Args:
        kind: "run", "pretrained", "export" or "server".
        name: Directory of a training run, name of a model that ships, directory of a SavedModel or
            of its versions (of which the newest is taken), or HOST:PORT.
        weights: Weights of a run, see `tempo_invariant.model.runs.weights_path`.
        model_name: Name of the model at the server.
        wait_seconds: How long to wait for a server that is just starting, in seconds.

    Raises:
        UserError: The model cannot be used.
        ValueError: There is no such kind.
    """
    run = str(pretrained.find(name)) if kind == "pretrained" else name
    progress.note(f"loading the model {name}" if kind != "server" else f"asking {name}")
    embedder: Embedder
    if kind == "run":
        embedder = _open_run(name, weights)
    elif kind == "pretrained":
        embedder = _open_run(run)
    elif kind == "export":
        embedder = _open_export(Path(name))
    elif kind == "server":
        embedder = _open_server(name, model_name, wait_seconds)
    else:
        raise ValueError(f"kind must be run, pretrained, export or server, received {kind!r}")
    embedder.source = source_of(kind, name, weights=weights, model_name=model_name)
    return embedder


def source_of(kind: str, name: str, **more: Any) -> dict[str, str]:
    """Returns the arguments of `open_embedder` that open a model again, from wherever."""
    source = {"kind": kind, "name": os.path.abspath(name) if kind in ("run", "export") else name}
    needed = {"run": "weights", "server": "model_name"}.get(kind)
    if needed and more.get(needed):
        source[needed] = more[needed]
    if source.get("weights", NAMED_WEIGHTS[0]) not in NAMED_WEIGHTS:
        source["weights"] = os.path.abspath(source["weights"])
    return source


def _open_run(run: str, weights: str | None = None) -> Embedder:
    if os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow":
        raise UserError("an index needs the TensorFlow backend: unset KERAS_BACKEND")
    from tempo_invariant.model import runs, saved_model

    chosen = runs.weights_path(run, weights)
    model = runs.load_model(run, weights)
    experiment = runs.load_experiment(run)
    signatures_of_model: dict[str, Any] = dict(
        saved_model.make_signatures(model, experiment.model.staves, experiment.knows_present)
    )
    signatures = {
        name: function.get_concrete_function()
        for name, function in signatures_of_model.items()
        if name != "embed_audio_file"
    }
    label = pretrained.label(run)
    name = label if label != run else f"the run {run} ({chosen.name})"
    return GraphEmbedder(signatures, name, RunLayers(model))


def _open_export(path: Path) -> Embedder:
    chosen = newest(path)
    import tensorflow as tf

    check_checksums(chosen, CHECKSUMS)
    try:
        loaded = tf.saved_model.load(str(chosen))
        embedder = GraphEmbedder(loaded.signatures, f"the export {chosen}")
    except Exception as error:  # TensorFlow has errors of many kinds for damaged files
        raise UserError(f"{chosen}: not an export of this project ({one_line(error)})") from error
    embedder.loaded = loaded  # type: ignore[attr-defined]  # its variables live as long as it does
    return embedder


def _open_server(address: str, model_name: str, wait_seconds: float) -> Embedder:
    from tempo_invariant.retrieval.client import EmbeddingClient

    client = EmbeddingClient(address, model_name, wait_seconds=wait_seconds)
    return ServerEmbedder(client, f"version {client.model.version} of {model_name!r} at {address}")


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
