import json

import pytest

from tempo_invariant.config import Experiment, ModelConfig, TrainingConfig
from tempo_invariant.errors import UserError


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
        blocks="residual",
        units=2,
        activation_before_norm=False,
        attention_filters=(4, 8),
        audio_normalization="excerpt",
        audio_level=3.0,
        temperature=0.1,
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
        ("blocks", "dense"),
        ("units", 0),
        ("attention_filters", (4, 0)),
        ("audio_normalization", "loudness"),
        ("audio_level", 0.0),
        ("temperature", 0.001),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(ValueError, match=field):
        ModelConfig(**{field: value})


def test_too_few_frames_for_the_blocks_of_the_attention():
    with pytest.raises(ValueError, match="frames must be at least 128, got 84"):
        ModelConfig(attention=True, attention_filters=(4,) * 7)


OLD = """{"model": {"frames": 84, "attention": true, "embedding_size": 32, "projection": "cca",
"cca_regularization": 0.001, "cca_alpha": 0.1, "filters": [24, 48, 96, 96], "l2": 1e-05},
"training": {"data": "data/records", "batch_size": 100, "epoch_pairs": 10000, "total_pairs": 0,
"schedule": "published", "patience": 60, "rounds": 5, "round_patience": 10, "warmup_pairs": 5000,
"optimizer": "adam", "learning_rate": 0.002, "weight_decay": 0.0, "margin": 0.7,
"symmetric": false, "validation_pairs": 1000, "mixed_precision": false, "seed": 0,
"augmentation": {"scale": 0.05, "level_db": 12.0}}}"""


def test_experiments_of_earlier_versions_are_the_published_model():
    experiment = Experiment.from_json(OLD)
    assert experiment.model == ModelConfig(attention=True)
    published = TrainingConfig(augmentation={"scale": 0.05, "level_db": 12.0})
    assert experiment.training == published
    assert (published.loss, published.clip_norm, published.ema_momentum) == ("ranking", 0, 0)
    assert published.passage_pairs == 1
    assert experiment.differences(Experiment(ModelConfig(attention=True), published)) == []


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        ({}, {"loss": "softmax"}, "received loss softmax and temperature 0"),
        ({"temperature": 0.1}, {}, "received loss ranking and temperature 0.1"),
        ({}, {"ema_momentum": 0.9}, "need the linear projection"),
        ({}, {"ema_momentum": 1.0}, "ema_momentum must be in .0, 1., received 1.0"),
        ({}, {"clip_norm": -1.0}, "clip_norm must not be negative, received -1.0"),
        ({}, {"clip_norm": 1.0, "optimizer": "muon"}, "clip_norm is not for muon"),
        ({}, {"passage_pairs": 3}, "passage_pairs must divide batch_size .100., received 3"),
        ({}, {"passage_pairs": 0}, "passage_pairs must divide batch_size .100., received 0"),
        ({}, {"loss": "hinge"}, "loss must be one of .*'hinge'"),
        ({"units": 0}, {}, "units must be at least 1, got 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(model, training, message):
    with pytest.raises(UserError, match=message):
        Experiment.from_fields(model, training)
