"""TensorFlow is quiet while it loads, where it was told to be.

TensorFlow 2.21 heeds `TF_CPP_MIN_LOG_LEVEL` only when it has loaded, and its libraries write to the
standard error of the process before.
"""

import contextlib
import functools
import importlib.abc
import importlib.util
import os
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from typing import Any


class QuietLoading(importlib.abc.MetaPathFinder):
    """Has `import tensorflow` write nothing if `TF_CPP_MIN_LOG_LEVEL` is above 0."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Finds TensorFlow as the other finders do, and leaves everything else to them."""
        if fullname != "tensorflow":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec and spec.loader and os.environ.get("TF_CPP_MIN_LOG_LEVEL", "0") != "0":
            execute = spec.loader.exec_module
            spec.loader.exec_module = functools.partial(_quietly, execute)  # type: ignore[method-assign]
        return spec


def _quietly(execute: Any, module: Any) -> None:
    with _silent_stderr():
        execute(module)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Sends what is written to file descriptor 2, by libraries too, to nowhere."""
    try:
        kept = os.dup(2)
    except OSError:  # it is closed: there is nothing to silence
        yield
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(nowhere)
        os.close(kept)
