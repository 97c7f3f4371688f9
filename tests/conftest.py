"""Two virtual CPU devices for every test process, and quiet logs."""

import importlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")
importlib.import_module("tempo_invariant")  # chooses TensorFlow's kernels: before TensorFlow

import pytest  # noqa: E402
import tensorflow as tf  # noqa: E402

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)


@pytest.fixture(scope="session")
def no_tensorflow(tmp_path_factory):
    """What is added to the environment of a process that shall end where it loads TensorFlow."""
    folder = tmp_path_factory.mktemp("no_tensorflow")
    (folder / "tensorflow.py").write_text('raise SystemExit("TensorFlow was loaded")\n')
    root = os.path.dirname(os.path.dirname(__file__))
    return {"PYTHONPATH": f"{folder}{os.pathsep}{root}"}
