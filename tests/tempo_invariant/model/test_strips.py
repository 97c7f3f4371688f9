"""All snippets of a strip at once against each by itself."""

import dataclasses

import keras
import numpy as np
import pytest

from tempo_invariant.config import ModelConfig
from tempo_invariant.geometry import STRIP_UNIT
from tempo_invariant.model import strips
from tempo_invariant.model.network import build_model, sheet_encoder
from tempo_invariant.scores.strips import halve

CONFIG = ModelConfig(frames=42, filters=(3, 4, 5, 6), embedding_size=8, projection="linear")


@pytest.fixture(scope="module")
def model():
    return make_model()


def make_model(**changes):
    keras.utils.set_random_seed(1)
    made = build_model(dataclasses.replace(CONFIG, **changes))
    generator = np.random.default_rng(0)
    for weight in made.weights:  # normalisations that do something
        if weight.name in ("beta", "moving_mean"):
            weight.assign(generator.normal(0, 0.3, weight.shape))
    return made


def by_hand(model, strip, step):
    """Two blocks of the strip, cut; and what follows of every part by itself."""

    def layers(maps, first, last):
        for block in range(first, last + 1):
            for name in ("conv{}_1", "conv{}_1_norm", "conv{}_2", "conv{}_2_norm", "pool{}"):
                maps = model.get_layer(f"sheet_{name.format(block)}")(maps)
        return maps

    maps = layers(halve(strip)[None, :, :, None].astype(np.float32) / 255, 1, 2)
    starts = range(0, maps.shape[2] - 24, step)
    blocks = sum(layer.name.startswith("sheet_pool") for layer in model.layers)
    maps = layers(np.concatenate([maps[:, :, start : start + 25] for start in starts]), 3, blocks)
    maps = model.get_layer("sheet_channels_norm")(model.get_layer("sheet_channels")(maps))
    features = model.get_layer("sheet_features")(np.reshape(maps, [len(starts), -1]))
    return np.array(model.get_layer("projection")(features, view="sheet"))


@pytest.mark.parametrize("step", [1, 3, 40])
def test_what_neighbours_share_changes_nothing_else(model, step):
    check(model, step)


@pytest.mark.parametrize("filters", [(3, 4, 5), (3, 4, 5, 6, 7)])
def test_blocks_may_be_fewer_and_more(filters):
    check(make_model(filters=filters), 3)


def check(model, step):
    width = 200 + 4 * step * STRIP_UNIT
    strip = np.random.default_rng(2).integers(0, 256, (160, width)).astype(np.uint8)
    found = np.array(strips.StripEncoder(model)(strip, step))
    assert found.shape == (5, 8)
    np.testing.assert_allclose(found, by_hand(model, strip, step), atol=1e-5)


def test_a_snippet_alone_is_embedded_as_ever(model):
    snippet = np.random.default_rng(3).integers(0, 256, (160, 200)).astype(np.uint8)
    alone = sheet_encoder(model)(halve(snippet)[None])
    found = strips.StripEncoder(model)(snippet, 3)
    np.testing.assert_allclose(np.array(found), np.array(alone), atol=1e-5)


def test_encoders_of_other_kinds_embed_no_strips(model):
    assert strips.can_share(model)
    assert not strips.can_share(make_model(blocks="separable"))
    assert not strips.can_share(make_model(filters=(4, 4)))
    assert not strips.can_share(make_model(units=2))
    assert not strips.can_share(make_model(activation_before_norm=False))
