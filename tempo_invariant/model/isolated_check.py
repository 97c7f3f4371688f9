"""Runs a SavedModel in a process in which neither Keras nor this project can be imported.

`saved_model.check` starts this file as a script of its own, in isolated mode:

    python -I isolated_check.py SAVED_MODEL_DIRECTORY INPUTS.npz OUTPUTS.npz
"""

import importlib.abc
import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import numpy as np

BLOCKED = ("keras", "tf_keras", "tempo_invariant", "tfrecords_tools", "serving", "tensorflow_io")
_SEPARATOR = "/"


class Blocker(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Refuses to import the packages that an exported model must do without.

    TensorFlow asks where Keras is when it is imported, and does without it if there is none: a
    blocked package is found, with nothing in it, and cannot be imported.
    """

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Claims a blocked package and leaves the others to other finders."""
        if fullname.partition(".")[0] not in BLOCKED:
            return None
        return ModuleSpec(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> None:
        """Raises ImportError."""
        raise ImportError(f"{spec.name} is blocked")


def write_inputs(path: Path, inputs: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Saves arrays by signature and name; object arrays hold the bytes of files of one size."""
    arrays = {}
    for signature, values in inputs.items():
        for name, value in values.items():
            if value.dtype == object:
                value = value.astype(f"V{len(value[0])}")
            arrays[signature + _SEPARATOR + name] = value
    np.savez(path, **arrays)


def read_arrays(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """Reads arrays by signature and name, as `write_inputs` and `main` save them."""
    outputs: dict[str, dict[str, np.ndarray]] = {}
    with np.load(path) as arrays:
        for key, value in arrays.items():
            signature, _, name = key.partition(_SEPARATOR)
            outputs.setdefault(signature, {})[name] = value
    return outputs


def main(directory: str, inputs_path: str, outputs_path: str) -> None:
    """Loads a SavedModel, runs every signature for which there are inputs, saves the outputs."""
    sys.meta_path.insert(0, Blocker())
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    loaded = tf.saved_model.load(directory)
    outputs = {}
    for signature, inputs in read_arrays(Path(inputs_path)).items():
        tensors = {}
        for name, value in inputs.items():
            is_files = value.dtype.kind == "V"
            tensors[name] = tf.constant([row.tobytes() for row in value] if is_files else value)
        for name, tensor in loaded.signatures[signature](**tensors).items():
            outputs[signature + _SEPARATOR + name] = tensor.numpy()
    np.savez(outputs_path, **outputs)


if __name__ == "__main__":
    main(*sys.argv[1:])
