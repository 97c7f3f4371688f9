"""Five hundred damaged files of each kind that a model is loaded from."""

import shutil
import tempfile
from pathlib import Path

import h5py
import pytest

from tempo_invariant.model import pretrained, runs, weight_files
from tests import fuzzing
from tests.fuzz.structured import damaged_json
from tests.tiny_records import write_run

pytestmark = pytest.mark.slow


def use(damage):
    """Loads a model from a copy of its directory in which one file has other content."""
    import keras

    directory, name, content = damage
    keras.backend.clear_session()
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "model"
        shutil.copytree(directory, copy)
        (copy / name).write_bytes(content)
        runs.load_model(copy)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run") / "tiny", Path("records"), attention=True)


def test_weights_of_a_run(run):
    content = (run / "best.weights.h5").read_bytes()
    fuzzing.check(use, ((run, "best.weights.h5", each) for each in fuzzing.damaged_each(content)))


def test_weights_without_a_checksum(run, tmp_path):
    """As runs of earlier versions have them: HDF5 and Keras read the damage."""
    old = shutil.copytree(run, tmp_path / "old")
    with h5py.File(old / "best.weights.h5", "r+") as file:
        del file.attrs[weight_files.CHECKSUM]
    content = (old / "best.weights.h5").read_bytes()
    fuzzing.check(use, ((old, "best.weights.h5", each) for each in fuzzing.damaged_each(content)))


def test_weights_that_ship():
    directory = pretrained.find("bl")
    name = runs.weights_path(directory).name
    content = (directory / name).read_bytes()
    fuzzing.check(use, ((directory, name, each) for each in fuzzing.damaged_each(content)))


@pytest.mark.parametrize("name", ["experiment.json", "card.json"])
def test_text_beside_weights(run, tmp_path, name):
    directory = pretrained.find("bl") if name == "card.json" else run
    text = (directory / name).read_text()
    fuzzing.check(use, ((directory, name, each) for each in damaged_json(text)))
