"""Five hundred times damage to an exported model, each of its files in turn."""

import shutil
import tempfile
from pathlib import Path

import pytest

from tempo_invariant import files
from tests import fuzzing

pytestmark = pytest.mark.slow


def use(damage):
    """Opens an export with other content in one file and computes with it."""
    from tempo_invariant.retrieval import embedders, model_identity

    directory, name, content = damage
    with tempfile.TemporaryDirectory() as scratch:
        copy = shutil.copytree(directory, Path(scratch) / "exports")
        (copy / "1" / name).write_bytes(content)
        model_identity.probe(embedders.open_embedder("export", str(copy)))


@pytest.fixture(scope="module")
def exports(tmp_path_factory):
    from tempo_invariant.config import ModelConfig
    from tempo_invariant.model import saved_model
    from tempo_invariant.model.network import build_model

    config = ModelConfig(frames=42, attention=True, filters=(4, 4), embedding_size=8)
    saved_model.export(build_model(config), "{}", tmp_path_factory.mktemp("m") / "exports")
    return next(tmp_path_factory.getbasetemp().glob("m*/exports"))


def damaged_files(directory, names):
    contents = [(directory / "1" / name).read_bytes() for name in names]
    for seed in range(fuzzing.COUNT):
        which = seed % len(names)
        yield directory, names[which], fuzzing.damaged(contents[which], seed // len(names))


def test_files_of_an_export(exports):
    version = exports / "1"
    found = sorted(path for path in version.rglob("*") if path.is_file())
    names = [str(path.relative_to(version)) for path in found]
    assert files.CHECKSUMS in names and "saved_model.pb" in names
    fuzzing.check(use, damaged_files(exports, names))
