"""TensorFlow is loaded quietly, and what is no chatter still comes through."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

LOADED = """import os
os.write(2, b"WARNING: All log messages before absl::InitializeLog() is called are written to\\n")
os.write(2, b"I0000 00:00:1795750399.454768   30303 port.cc:153] oneDNN is on.\\n")
os.write(2, b"2026-11-27 03:51:16.616873: E external/cuda_fft.cc:479] Unable to register\\n")
os.write(2, b"something is wrong with this installation\\n")
LEVEL = os.environ["TF_CPP_MIN_LOG_LEVEL"]
"""


def test_only_what_is_no_chatter_is_shown(tmp_path):
    (tmp_path / "tensorflow.py").write_text(LOADED)
    script = (
        "from tempo_invariant import quiet; quiet.install(); quiet.install(); import tensorflow; "
        "import os, sys; os.write(2, b'I0000 00:00: later\\n'); print(tensorflow.LEVEL)"
    )
    environment = {name: text for name, text in os.environ.items() if not name.startswith("TF_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment | {"PYTHONPATH": f"{tmp_path}:{ROOT}"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "3\n"
    assert done.stderr == "something is wrong with this installation\nI0000 00:00: later\n"
