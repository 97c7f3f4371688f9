"""TensorFlow says nothing while it loads, where it was told to be quiet, and errors are seen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def stderr(code, level):
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": level}
    command = [sys.executable, "-c", code]
    finished = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    return finished.stderr


@pytest.mark.parametrize(("level", "is_quiet"), [("3", True), ("0", False)])
def test_the_level_holds_while_tensorflow_loads(level, is_quiet):
    code = "import tempo_invariant, sys, tensorflow; print('after', file=sys.stderr)"
    assert (stderr(code, level) == "after\n") == is_quiet


def test_a_failed_import_is_still_told(tmp_path):
    (tmp_path / "tensorflow.py").write_text("import sys\nsys.stderr.write('chatter')\n1 / 0\n")
    code = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import tempo_invariant, tensorflow"
    told = stderr(code, "3")
    assert "ZeroDivisionError" in told and "chatter\n" not in told
