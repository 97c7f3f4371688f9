"""Whether the arrays of an index can be right: damage that no checksum tells, or that had none."""

import numpy as np

from tempo_invariant.scores.places import NO_BAR

UNIT_TOLERANCE = 1e-3
"""The most by which the squared length of a vector may differ from 1."""

_ADDED_LATER = {"bar": NO_BAR}
"""Fields of places that indices of earlier versions lack, with what stands for "not known"."""

_BLOCK_ROWS = 1_000_000
_FURTHEST_PIXEL = 1_000_000
_LARGEST_BOX = 2**24
"""Pixels of a system: a page as they are stored has a million."""


def taken_over(rows: np.ndarray, wanted: np.dtype) -> np.ndarray:
    """Returns places with the fields that have been added to their type since they were written."""
    fields = rows.dtype.fields or {}
    if rows.ndim != 1 or set(wanted.names or ()) - set(fields) - set(_ADDED_LATER):
        return rows
    whole = np.zeros(len(rows), wanted)
    for name in set(_ADDED_LATER) & set(wanted.names or ()):
        whole[name] = _ADDED_LATER[name]
    for name, (kind, *_) in fields.items():
        if name not in (wanted.names or ()) or kind != wanted[name]:
            return rows
        whole[name] = rows[name]
    return whole


def problem(
    vectors: np.ndarray, rows: np.ndarray, probe: np.ndarray, wanted: np.dtype
) -> str | None:
    """Says what is wrong with the arrays of an index.

    Args:
        vectors: The vectors, of unit length float32 [count, size].
        rows: Their places, [count].
        probe: The identity of the model, float32 [rows, size].
        wanted: Type of the places.
    """
    if vectors.ndim != 2 or not len(vectors) or rows.shape != vectors.shape[:1]:
        return "vectors and places do not fit together"
    if rows.dtype != wanted or vectors.dtype != np.float32:
        return "vectors or places are of another type"
    if probe.ndim != 2 or probe.dtype != np.float32 or not np.isfinite(probe).all():
        return "the probe is of another type"
    if not _are_places(rows):
        return "places that are on no page or at no time"
    if not all(are_unit(vectors[i : i + _BLOCK_ROWS]) for i in range(0, len(rows), _BLOCK_ROWS)):
        return "vectors that are not of length 1"
    return None


def are_unit(vectors: np.ndarray) -> bool:
    """Whether all rows are vectors of unit length, and so finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        squares = np.einsum("rs,rs->r", vectors, vectors)
    return bool((np.abs(squares - 1) <= UNIT_TOLERANCE).all())


def _are_places(rows: np.ndarray) -> bool:
    """Whether all places can be places in a score, or times in a recording."""
    if "seconds" in (rows.dtype.names or ()):
        return bool((np.isfinite(rows["seconds"]) & (rows["seconds"] >= 0)).all())
    box = rows["box"]
    inside = ((box >= -_FURTHEST_PIXEL) & (box <= _FURTHEST_PIXEL)).all(axis=1)
    inside &= (box[:, 0] <= box[:, 2]) & (box[:, 1] <= box[:, 3])
    sides = (box[:, 2:] - box[:, :2]).astype(np.int64)
    inside &= sides.prod(axis=1) <= _LARGEST_BOX
    inside &= (np.abs(rows["x"]) <= _FURTHEST_PIXEL) & (rows["page"] >= 1) & (rows["system"] >= 1)
    return bool(inside.all())
