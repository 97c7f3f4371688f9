"""NumPy's `.npy` files, written so that a full disk is told and read so that damage is."""

import os
import tokenize
import types
import warnings
from pathlib import Path

import numpy as np

from tempo_invariant.errors import UserError, one_line


def save(path: str | os.PathLike, array: np.ndarray) -> None:
    """Writes an array.

    Raises:
        OSError: The file cannot be written; its `errno` says why, which `np.save` to a file hides.
    """
    with open(path, "wb") as stream:
        np.save(types.SimpleNamespace(write=stream.write), array, allow_pickle=False)


def load(path: str | os.PathLike, mapped: bool = False) -> np.ndarray:
    """Reads an array; nothing is allocated that the file does not hold.

    Args:
        path: The file.
        mapped: Whether the array stays in the file and is read as it is used.

    Raises:
        FileNotFoundError: There is no such file.
        UserError: The file cannot be read or is not an array.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of headers in Python 2, where it tries all it can
            array = np.lib.format.open_memmap(Path(path), mode="r")
    except FileNotFoundError:
        raise
    except (OSError, ValueError, ArithmeticError, TypeError, LookupError) as error:
        raise UserError(f"{path}: not an array of NumPy ({one_line(error)})") from error
    except (SyntaxError, tokenize.TokenError, RecursionError, MemoryError) as error:
        raise UserError(f"{path}: not an array of NumPy (its header is damaged)") from error
    return array if mapped else np.array(array)
