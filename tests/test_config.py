import json

import pytest

from tempo_invariant.config import ModelConfig


def test_json_round_trip_keeps_every_field():
    config = ModelConfig(
        frames=168,
        attention=True,
        embedding_size=16,
        projection="linear",
        cca_regularization=1e-2,
        cca_alpha=0.05,
        filters=(8, 16),
        l2=0.0,
    )
    assert ModelConfig.from_json(config.to_json()) == config
    assert json.loads(config.to_json())["filters"] == [8, 16]


def test_defaults_are_the_published_baseline():
    config = ModelConfig()
    assert (config.frames, config.attention, config.embedding_size) == (84, False, 32)
    assert config.filters == (24, 48, 96, 96)
    assert (config.projection, config.cca_regularization, config.l2) == ("cca", 1e-3, 1e-5)


def test_missing_fields_take_defaults_and_unknown_ones_are_named():
    assert ModelConfig.from_dict({"attention": True}) == ModelConfig(attention=True)
    with pytest.raises(ValueError, match="unknown field of ModelConfig: heads"):
        ModelConfig.from_dict({"heads": 4})


@pytest.mark.parametrize(
    "field, value",
    [
        ("frames", 15),
        ("embedding_size", 0),
        ("projection", "pca"),
        ("cca_regularization", 0.0),
        ("cca_alpha", 0.0),
        ("cca_alpha", 1.5),
        ("filters", ()),
        ("l2", -1.0),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        ModelConfig(**{field: value})
