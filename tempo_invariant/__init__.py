"""Matches audio recordings with sheet music through a shared embedding space."""

import os
import sys

from tempo_invariant.loading import QuietLoading

__version__ = "0.1.0"

# TensorFlow leaves oneDNN's kernels off on processors without AVX-512; training is twice as fast
# with them on any. Has to be set before TensorFlow is first imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
sys.meta_path.insert(0, QuietLoading())
