"""The model that the tests of the server host."""

from pathlib import Path

import pytest

from tests import tiny_saved_model


@pytest.fixture(scope="module")
def base_path(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model")
    tiny_saved_model.save(path, 3, shift=3.0)
    return path
