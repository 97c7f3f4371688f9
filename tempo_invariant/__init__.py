"""Matches audio recordings with sheet music through a shared embedding space."""

import os
from typing import TYPE_CHECKING

from tempo_invariant.errors import UserError

if TYPE_CHECKING:
    from tempo_invariant.retrieval.matching import MatchingModel

__all__ = ["UserError", "__version__", "load"]

__version__ = "0.1.0"

# TensorFlow leaves oneDNN's kernels off on processors without AVX-512; training is twice as fast
# with them on any. Has to be set before TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def load(model: str | os.PathLike = "best") -> "MatchingModel":
    """Opens a model, to embed sound and score with it and to ask it.

        model = tempo_invariant.load("best")
        model.index("my_scores", "my_index")
        answer = model.identify("take.flac", "my_index")
        print(answer.candidates[0].name, answer.places[0])

    Args:
        model: Name of a model that ships ("best", "bl_at", ...), directory of a training run or of
            an export, or HOST:PORT of a server.

    Raises:
        tempo_invariant.UserError: There is no such model, or it cannot be used.
    """
    from tempo_invariant import quiet

    quiet.install()
    from tempo_invariant.retrieval import matching

    return matching.load(model)
