import dataclasses
import json

import pytest

from tempo_invariant import fields
from tempo_invariant.config import Experiment, ModelConfig, TrainingConfig
from tempo_invariant.errors import UserError
from tempo_invariant.model import pretrained, runs
from tempo_invariant.variations import Augmentation


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
    training = TrainingConfig(loss="softmax", augmentation=Augmentation(scale=0.1, tempo=False))
    experiment = Experiment(config, training)
    assert Experiment.from_json(experiment.to_json()) == experiment
    written = json.loads(experiment.to_json())
    assert written["model"]["filters"] == [8, 16]
    assert written["training"]["augmentation"]["tempo"] is False


@pytest.mark.parametrize("name", pretrained.names())
def test_experiments_that_ship_are_written_as_they_are(name):
    text = (pretrained.find(name) / "experiment.json").read_text()
    assert Experiment.from_json(text).to_json() == text


@pytest.mark.parametrize(
    "content",
    [
        b"\x89HDF\r\n\x1a\n",
        b"",
        b'{"model": {"filters": [[4]]}, "training": {}}',
        b'{"model": {}, "training": {"augmentation": [1]}}',
        b'{"model": {"l2": NaN}, "training": {}}',
        b'{"model": {"frames": 1' + 5000 * b"0" + b'}, "training": {}}',
    ],
)
def test_damaged_experiments_are_refused_in_one_line(tmp_path, content):
    (tmp_path / "experiment.json").write_bytes(content)
    with pytest.raises(UserError, match=f"^{tmp_path}/experiment.json: ") as caught:
        runs.load_experiment(tmp_path)
    assert len(str(caught.value)) < 400


def test_defaults_are_the_published_baseline():
    config = ModelConfig()
    assert (config.frames, config.attention, config.embedding_size) == (84, False, 32)
    assert config.filters == (24, 48, 96, 96)
    assert (config.projection, config.cca_regularization, config.l2) == ("cca", 1e-3, 1e-5)


def test_missing_fields_take_defaults_and_unknown_ones_are_named():
    experiment = Experiment.from_fields({"attention": True}, {"augmentation": {"ink": False}})
    assert experiment.model == ModelConfig(attention=True)
    assert experiment.training == TrainingConfig(augmentation=Augmentation(ink=False))
    with pytest.raises(UserError, match="unknown field of ModelConfig: heads"):
        Experiment.from_fields({"heads": 4}, {})
    with pytest.raises(UserError, match="unknown field of Augmentation: echo"):
        Experiment.from_fields({}, {"augmentation": {"echo": 4}})
    with pytest.raises(UserError, match="not an experiment: 'training' is missing"):
        Experiment.from_json('{"model": {}}')
    for text in (
        *(
            "{",
            "[]",
            "[" * 100_000,
            '{"model": {}, "training": []}',
            '{"model": 1, "training": {}}',
        ),
        '{"model": {}, "training": {}, "model": {}}',
    ):
        with pytest.raises(UserError, match="not an experiment: "):
            Experiment.from_json(text)


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
        ("frames", 10**9),
        ("frames", 10**30),
        ("embedding_size", 2**31 - 1),
        ("filters", (10_000,)),
        ("l2", 10**400),
        ("l2", float("inf")),
        ("frames", True),
        ("frames", 84.0),
        ("attention", 1),
        ("filters", (4, 0.5)),
        ("l2", "1e-5"),
        ("l2", float("nan")),
    ],
)
def test_impossible_values_are_refused_by_name(field, value):
    with pytest.raises(UserError, match=f"{field} must be .*, received "):
        ModelConfig(**{field: value})


def test_one_wording_for_every_kind_of_setting():
    @dataclasses.dataclass(frozen=True)
    class Settings:
        free: int = fields.setting(1, "")
        share: float = fields.setting(0.5, "", above=0, upper=1)
        switched: float = fields.setting(0.0, "", off=True, lower=30, below=60)
        kind: str = fields.setting("a", "", choices=("a", "b"))
        sizes: tuple[int, ...] = fields.setting((4,), "", lower=1)

    def refusal(**values):
        with pytest.raises(UserError) as caught:
            fields.check(Settings(**values))
        return str(caught.value)

    assert refusal(free=0.5) == "free must be an integer, received 0.5"
    assert refusal(share=0.0) == "share must be a number > 0 and <= 1, received 0.0"
    assert refusal(switched=60) == "switched must be 0 or a number >= 30 and < 60, received 60"
    assert refusal(kind="c") == "kind must be one of a, b, received 'c'"
    assert refusal(sizes=(4, 0)) == "sizes must be integers >= 1, received (4, 0)"
    for settings in (Settings(share=1, switched=0), Settings(free=-7, switched=30, sizes=())):
        fields.check(settings)


def test_too_few_frames_for_the_blocks_of_the_attention():
    with pytest.raises(UserError, match="frames must be at least 128 .*, received 84"):
        ModelConfig(attention=True, attention_filters=(4,) * 7)
    with pytest.raises(UserError, match="filters must be at most 6 integers, .*received .4, 4"):
        ModelConfig(frames=200, filters=(4,) * 7)


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
    published = TrainingConfig(augmentation=Augmentation(scale=0.05, level_db=12.0))
    assert experiment.training == published
    assert (published.loss, published.clip_norm, published.ema_momentum) == ("ranking", 0, 0)
    assert published.passage_pairs == 1
    assert (published.data_weights, published.teacher) == ((), "")
    assert experiment.differences(Experiment(ModelConfig(attention=True), published)) == []


@pytest.mark.parametrize(
    ("model", "training", "message"),
    [
        ({}, {"loss": "softmax"}, "received 0 with the softmax loss"),
        ({"temperature": 0.1}, {}, "received 0.1 with the ranking loss"),
        ({}, {"ema_momentum": 0.9}, "ema_momentum must be 0 unless"),
        ({}, {"ema_momentum": 1.0}, "ema_momentum must be a number >= 0 and < 1, received 1.0"),
        ({}, {"clip_norm": -1.0}, "clip_norm must be a number >= 0, received -1.0"),
        ({}, {"clip_norm": 1.0, "optimizer": "muon"}, "clip_norm must be 0 for muon"),
        ({}, {"passage_pairs": 3}, "passage_pairs must divide batch_size .100., received 3"),
        ({}, {"data_weights": [1, 0]}, "data_weights must be integers >= 1 and <= 100, received"),
        ({}, {"teacher_weight": 0.0}, "teacher_weight must be a number > 0, received 0.0"),
        ({}, {"passage_pairs": 0}, "passage_pairs must be an integer >= 1, received 0"),
        ({}, {"loss": "hinge"}, "loss must be one of ranking, softmax, received 'hinge'"),
        ({"units": 0}, {}, "units must be an integer >= 1 and <= 100, received 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused(model, training, message):
    with pytest.raises(UserError, match=message):
        Experiment.from_fields(model, training)
