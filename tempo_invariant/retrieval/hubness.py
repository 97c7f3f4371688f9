"""How near a vector is to everything: hubness, and the cohort of other music that tells it.

Some snippets are near to nearly every sound: sparse music, mostly. They draw recordings to them
that are not theirs. What a snippet owes to this is its mean similarity to its nearest neighbours
among windows of other music, the *cohort* of the model: cross-domain similarity local scaling,
Conneau, Lample, Ranzato, Denoyer, Jégou: "Word translation without parallel data", ICLR 2018.
Windows have it likewise, among snippets.

A cohort belongs to a model and ships with it (see `tempo_invariant.model.pretrained`). A model is
known by what it computes, as everywhere in this room: an export, or a server that has the model
loaded, has the same cohort. A run that was not packaged has none.
"""

from collections.abc import Mapping
from pathlib import Path

import faiss
import numpy as np

from tempo_invariant import arrays
from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained
from tempo_invariant.retrieval import model_identity, soundness
from tempo_invariant.retrieval.embedders import Embedder

NEAREST = 10
"""Neighbours in the cohort, whose mean similarity is the hubness."""

PROBE = "probe.npy"
"""What a model that ships makes of the probe (`model_identity.probe`), in its directory."""

COHORTS = {"sheets": "cohort_audio.npy", "recordings": "cohort_sheet.npy"}
"""By the kind of an index the file with the cohort of its vectors: of the other kind."""

_BLOCK_ROWS = 100_000


def model_directory(probe: np.ndarray) -> Path | None:
    """Returns the directory of the model that ships and computes the same, or None.

    Args:
        probe: What the model makes of the probe, float32 [rows, size].
    """
    for name in pretrained.names():
        path = pretrained.find(name)
        if (path / PROBE).is_file() and model_identity.same_model(arrays.load(path / PROBE), probe):
            return path
    return None


def is_other_version(source: Mapping[str, str] | None, probe: np.ndarray) -> bool:
    """Tells whether a model that ships computes otherwise now, without opening it.

    Args:
        source: Arguments of `embedders.open_embedder` for the model; None: they are not known.
        probe: What it made of the probe, see `model_identity.probe`.
    """
    name = source["name"] if source and source["kind"] == "pretrained" else None
    return name in pretrained.names() and model_directory(probe) != pretrained.find(name)


def find_cohort(probe: np.ndarray, kind: str = "sheets") -> np.ndarray | None:
    """Returns the cohort of a model, float32 [vectors, size], or None if it has none.

    Args:
        probe: What the model makes of the probe, see `model_identity.probe`.
        kind: Kind of the index whose vectors are compared with it, "sheets" or "recordings".

    Raises:
        UserError: The file of the cohort is damaged.
    """
    directory = model_directory(probe)
    if directory is None or not (directory / COHORTS[kind]).is_file():
        return None
    stored = arrays.load(directory / COHORTS[kind])
    size = probe.shape[1]
    if stored.dtype != np.float16 or stored.ndim != 2 or stored.shape[1:] != (size,):
        raise UserError(f"{directory / COHORTS[kind]}: damaged: not vectors of this model")
    vectors = stored.astype(np.float32)
    if len(vectors) < NEAREST or not soundness.are_unit(vectors):
        raise UserError(f"{directory / COHORTS[kind]}: damaged: not vectors of length 1")
    return vectors


def cohort(embedder: Embedder, kind: str = "sheets") -> np.ndarray | None:
    """Returns the cohort of a model, see `find_cohort`."""
    return find_cohort(model_identity.probe(embedder), kind)


def hubness(vectors: np.ndarray, cohort: np.ndarray | None) -> np.ndarray:
    """Returns the mean similarity of vectors to their nearest neighbours in a cohort.

    Args:
        vectors: Vectors of unit length, float32 [count, size].
        cohort: Vectors of unit length, float32 [vectors, size]; None: all is 0.

    Returns:
        float32 [count].
    """
    found = np.zeros(len(vectors), np.float32)
    if cohort is None:
        return found
    for first in range(0, len(vectors), _BLOCK_ROWS):
        block = np.ascontiguousarray(vectors[first : first + _BLOCK_ROWS], np.float32)
        nearest, _ = faiss.knn(block, cohort, min(NEAREST, len(cohort)), faiss.METRIC_INNER_PRODUCT)
        found[first : first + len(block)] = nearest.mean(axis=1)
    return found
