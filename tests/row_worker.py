"""What `test_rows.py` has the Python of either row do, in a process of its own.

python -m tests.row_worker train EXPERIMENT OUTPUT      # trains, or continues
python -m tests.row_worker embed OUTPUT KIND=NAME...    # a fixed probe with every model
"""

import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

import tempo_invariant
from tempo_invariant.audio.windows import window_samples
from tempo_invariant.config import Experiment
from tempo_invariant.retrieval.embedders import open_embedder
from tempo_invariant.training import loop


def train(experiment: str, output: str) -> None:
    """Trains the experiment that is in a file."""
    loop.train(Experiment.from_json(Path(experiment).read_text()), output, "default")


def embed(output: str, *models: str) -> None:
    """Writes the embeddings of noise and the attention to it, by the names of models."""
    arrays = {"tensorflow": np.array(tf.__version__)}
    for model in models:
        embedder = open_embedder(*model.split("="))
        random = np.random.default_rng(0)
        windows = random.normal(0, 0.1, [4, window_samples(embedder.frames)]).astype(np.float32)
        snippets = random.integers(0, 256, [4, 160, 200], np.uint8)
        answer = embedder.embed_audio(windows)
        arrays[f"{model} audio"] = answer.embedding
        arrays[f"{model} attention"] = answer.attention * embedder.frames
        arrays[f"{model} sheet"] = embedder.embed_sheet(snippets)
    np.savez(output, **arrays)


if __name__ == "__main__":
    assert tempo_invariant.__file__ == str(Path("tempo_invariant/__init__.py").absolute())
    {"train": train, "embed": embed}[sys.argv[1]](*sys.argv[2:])
