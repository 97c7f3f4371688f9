"""The example that people copy runs as it stands against a served model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import soundfile
from PIL import Image

from tempo_invariant.geometry import SAMPLE_RATE
from tests import tiny_saved_model
from tests.server_calls import make_server

EXAMPLE = Path(__file__).parents[2] / "examples" / "client.py"


def test_the_example_prints_the_similarity_of_a_recording_and_a_snippet(tmp_path):
    tiny_saved_model.save(tmp_path / "model", 1, shift=0.25)
    soundfile.write(tmp_path / "a.wav", np.full(SAMPLE_RATE, 0.5), SAMPLE_RATE, "PCM_16")
    Image.new("L", (200, 160), 102).save(tmp_path / "a.png")
    server = make_server(tmp_path / "model", model_name="tempo_invariant")
    server.start()
    arguments = [f"localhost:{server.port}", tmp_path / "a.wav", tmp_path / "a.png"]
    finished = subprocess.run(
        [sys.executable, EXAMPLE, *arguments], capture_output=True, text=True, cwd=tmp_path
    )
    server.stop()
    # The tiny model embeds a sound as [mean, shift] and a snippet as [mean / 255, shift].
    assert not finished.returncode, finished.stderr
    assert finished.stdout == f"cosine similarity: {0.5 * 102 / 255 + 0.25**2:.3f}\n"


def test_the_example_imports_nothing_of_ours():
    lines = EXAMPLE.read_text().splitlines()
    assert not [line for line in lines if "import" in line and "tempo_invariant" in line]
