"""Files of weights with a checksum of what they hold, kept in the file itself.

A `.weights.h5` file is copied, averaged with others and replaced while a training goes on, so a
checksum beside it would soon belong to another file. Files of earlier versions have none.
"""

import hashlib
import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from tempo_invariant.errors import UserError, one_line
from tempo_invariant.files import atomic_write

CHECKSUM = "content_sha256"
"""Attribute of the file: the SHA-256 of the names, types, shapes and values of its arrays."""


def sign(path: str | os.PathLike) -> None:
    """Writes the checksum into a file that holds weights."""
    with h5py.File(path, "r+") as file:
        file.attrs[CHECKSUM] = _checksum(_arrays(file))


def check(path: str | os.PathLike) -> None:
    """Makes sure that a file holds finite numbers, those that were written.

    Nothing is read into memory that the file has no room for.

    Raises:
        UserError: The file is damaged.
    """
    try:
        room = Path(path).stat().st_size
        with h5py.File(path, "r") as file:
            arrays = _arrays(file)
            if sum(array.nbytes for array in arrays.values()) > room:
                raise ValueError("its arrays are larger than the file")
            if not all(np.isfinite(array[()]).all() for array in arrays.values()):
                raise ValueError("weights that are not finite")
            expected = file.attrs.get(CHECKSUM)
            if expected is not None and expected != _checksum(arrays):
                raise ValueError("its checksum is another than it was written with")
    except Exception as error:  # h5py turns what HDF5 says into errors of many kinds
        raise UserError(f"{path}: damaged weights ({one_line(error)})") from error


def _arrays(file: h5py.File) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = item

    file.visititems(add)
    return found


def _checksum(arrays: dict[str, Any]) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array[()].tobytes())
    return digest.hexdigest()


def halve(path: str | os.PathLike) -> None:
    """Rewrites a file of weights with its matrices and kernels in half precision, and signs it.

    Vectors (biases, statistics of normalisations) keep their type: they are few, and their values
    may leave the range of half precision. Keras reads either type into the variables of a model.
    """
    with atomic_write(path) as temporary:
        with h5py.File(path, "r") as single, h5py.File(temporary, "w") as half:
            half.attrs.update(single.attrs)

            def copy(name: str, item: Any) -> None:
                if isinstance(item, h5py.Group):
                    made = half.require_group(name)
                else:
                    values = item[()]
                    made = half.create_dataset(
                        name, data=values.astype(np.float16) if values.ndim > 1 else values
                    )
                made.attrs.update(item.attrs)

            single.visititems(copy)
        sign(temporary)
