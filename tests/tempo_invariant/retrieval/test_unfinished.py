"""Windows without a future come out the same, whether what they share is computed once or not."""

import numpy as np
import pytest

from tempo_invariant.config import ModelConfig
from tempo_invariant.model import saved_model
from tempo_invariant.model.network import build_model
from tempo_invariant.retrieval.embedders import GraphEmbedder
from tempo_invariant.retrieval.run_layers import RunLayers
from tempo_invariant.retrieval.unfinished import embed_unfinished, heard_samples


@pytest.mark.parametrize(("frames", "behind"), [(42, (2, 8)), (16, (8, 20))])
def test_a_run_embeds_them_as_if_each_were_alone(frames, behind):
    model = build_model(
        ModelConfig(frames=frames, attention=True, filters=(4, 4, 8, 8), embedding_size=8)
    )
    made = saved_model.make_signatures(model)
    signatures = {
        name: made[name].get_concrete_function() for name in ("embed_audio", "embed_sheet")
    }
    generator = np.random.default_rng(0)
    sounds = generator.normal(0, 0.1, (3, heard_samples(frames, behind))).astype(np.float32)
    sounds[0, :-3000] = 0
    apart = embed_unfinished(GraphEmbedder(signatures, "apart"), sounds, behind)
    together = embed_unfinished(
        GraphEmbedder(signatures, "together", RunLayers(model)), sounds, behind
    )
    assert apart.shape == together.shape == (3, 2, 8)
    np.testing.assert_allclose(together, apart, atol=1e-5)
    assert np.abs(apart[:, 0] - apart[:, 1]).max() > 1e-3  # the windows are not the same
