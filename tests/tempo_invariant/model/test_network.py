import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.config import ModelConfig
from tempo_invariant.evaluation.metrics import retrieval_metrics
from tempo_invariant.model import network as models
from tempo_invariant.model.losses import PairwiseRankingLoss, SoftmaxLoss

SMALL = {"frames": 32, "filters": (4, 6, 8), "embedding_size": 8}
OURS = SMALL | {
    "attention": True,
    "blocks": "residual",
    "activation_before_norm": False,
    "attention_filters": (3, 5),
    "projection": "linear",
    "audio_normalization": "excerpt",
    "temperature": 0.07,
}


def random_pairs(pairs, frames, seed=0):
    rng = np.random.default_rng(seed)
    return {
        "sheet": rng.integers(0, 256, (pairs, 80, 100)).astype("uint8"),
        "audio": rng.random((pairs, 92, frames)).astype("float32"),
    }


def expected_parameters(frames, attention):
    """Trainable parameters of the published stack, counted by hand."""
    # 3 x 3 kernels and biases of 1-24-24-48-48-96-96-96-96, and scale and shift of each norm.
    channels = [1, 24, 24, 48, 48, 96, 96, 96, 96]
    stack = sum(9 * a * b + b + 2 * b for a, b in zip(channels, channels[1:], strict=False))
    bottleneck = 96 * 32 + 32  # 1 x 1 kernel, scale of its norm
    sheet_map = (80 // 16) * (100 // 16) * 32  # what is left after four poolings
    audio_map = (92 // 16) * (frames // 16) * 32
    total = 2 * (stack + bottleneck) + 32 * (sheet_map + audio_map)
    return total + attention * (stack + 96 * frames + frames)


@pytest.mark.parametrize("frames, attention", [(84, False), (84, True), (168, True)])
def test_parameter_count_of_the_published_models(frames, attention):
    model = models.build_model(ModelConfig(frames=frames, attention=attention))
    count = sum(int(np.prod(weight.shape)) for weight in model.trainable_weights)
    assert count == expected_parameters(frames, attention)
    assert model.output_shape == (None, 2, 32)


@pytest.mark.parametrize("attention", [False, True])
@pytest.mark.parametrize("projection", ["cca", "linear"])
def test_towers_alone_agree_with_the_joint_model(attention, projection):
    model = models.build_model(ModelConfig(attention=attention, projection=projection, **SMALL))
    pairs = random_pairs(6, 32)
    model(pairs, training=True)
    joint = model(pairs, training=False).numpy()
    np.testing.assert_allclose(np.linalg.norm(joint, axis=-1), 1, atol=1e-5)
    audio = models.audio_encoder(model)(pairs["audio"])
    np.testing.assert_allclose(models.sheet_encoder(model)(pairs["sheet"]), joint[:, 0], atol=1e-6)
    np.testing.assert_allclose(audio["embedding"], joint[:, 1], atol=1e-6)
    assert audio["attention"].shape == (6, 32)
    np.testing.assert_allclose(np.sum(audio["attention"], axis=1), 1, atol=1e-6)
    assert (np.ptp(audio["attention"], axis=1) > 1e-7).all() == attention


def test_refitting_the_features_of_the_model_changes_its_projection():
    # Features of small variance, as some initial weights give them, feel the regularisation.
    keras.utils.set_random_seed(0)
    model = models.build_model(ModelConfig(**SMALL))
    pairs = random_pairs(40, 32)
    before = model(pairs, training=False).numpy()
    outputs = [model.get_layer(f"{view}_features").output for view in ("sheet", "audio")]
    features = [each.numpy() for each in keras.Model(model.input, outputs)(pairs)]
    correlations = model.get_layer("projection").refit(*features)
    after = model(pairs, training=False).numpy()
    assert np.abs(after - before).max() > 0.1
    # With a projection fitted on the very rows, outputs correlate as it says.
    centred = [x - x.mean(axis=0) for x in features]
    projections = [w.numpy() for w in model.get_layer("projection").projections]
    projected = [x @ w for x, w in zip(centred, projections, strict=True)]
    found = [np.corrcoef(a, b)[0, 1] for a, b in zip(*(x.T for x in projected), strict=True)]
    np.testing.assert_allclose(found, correlations, atol=0.02)


def test_regularizer_covers_every_kernel_and_nothing_else():
    model = models.build_model(ModelConfig(attention=True, l2=1e-3, **SMALL))
    kernels = [w for w in model.trainable_weights if w.name == "kernel"]
    assert len(kernels) == 3 * 6 + 1 + 2 + 2
    expected = 1e-3 * sum(np.sum(np.square(kernel.numpy())) for kernel in kernels)
    np.testing.assert_allclose(sum(float(loss) for loss in model.losses), expected, rtol=1e-5)


def test_saved_model_gives_the_same_embeddings(tmp_path):
    model = models.build_model(ModelConfig(attention=True, **SMALL))
    pairs = random_pairs(5, 32)
    model(pairs, training=True)
    expected = model(pairs, training=False).numpy()
    model.save(tmp_path / "model.keras")
    reloaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(reloaded(pairs, training=False), expected, atol=1e-6)
    model.save_weights(tmp_path / "model.weights.h5")
    rebuilt = models.build_model(ModelConfig(attention=True, **SMALL))
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(rebuilt(pairs, training=False), expected, atol=1e-6)


def test_attention_that_rests_on_the_borders_hears_the_rest(tmp_path):
    plain, resting = (
        models.build_model(ModelConfig(attention=True, attention_rest=rest, **SMALL))
        for rest in (False, True)
    )
    plain.save_weights(tmp_path / "plain.weights.h5")
    resting.load_weights(tmp_path / "plain.weights.h5")
    audio = np.random.default_rng(2).random((6, 92, 32)).astype("float32")
    softmax = models.audio_encoder(plain)(audio)["attention"].numpy()
    found = models.audio_encoder(resting)(audio)
    inner = softmax * (np.arange(32) % 31 > 0)
    wanted = inner / inner.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found["attention"], wanted, rtol=1e-5)
    # What is heard is not made up for what the borders took.
    after = keras.Model(
        plain.get_layer("attended").output,
        plain.get_layer("projection")(plain.get_layer("audio_features").output, view="audio"),
    )
    expected = after(audio * 32 * inner[:, None])
    np.testing.assert_allclose(found["embedding"], expected, atol=1e-5)


def test_mixed_precision_keeps_attention_and_embeddings_in_float32():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = models.build_model(ModelConfig(attention=True, **SMALL))
    finally:
        keras.config.set_dtype_policy(policy)
    pairs = random_pairs(16, 32)
    model.compile(keras.optimizers.SGD(1e-3), PairwiseRankingLoss())
    assert np.isfinite(model.train_on_batch(pairs, np.zeros(16)))
    assert model(pairs).dtype == tf.float32
    attention = models.audio_encoder(model)(pairs["audio"])["attention"]
    assert attention.dtype == tf.float32
    np.testing.assert_allclose(np.sum(attention, axis=1), 1, atol=1e-5)


def related_pairs(pairs, frames, seed):
    """Dots at random heights and columns, at the same place in both views, on noise."""
    rng = np.random.default_rng(seed)
    data = random_pairs(pairs, frames, seed)
    data["sheet"] //= 4
    for item in range(pairs):
        for place in range(4):
            height, column = rng.random(), (place + rng.random()) / 4
            top, left = int(height * 70), int(column * 90)
            data["sheet"][item, top : top + 10, left : left + 10] = 255
            band, frame = int(height * 80), int(column * (frames - 4))
            data["audio"][item, band : band + 10, frame : frame + 4] += 3
    return data


def test_training_learns_to_match_related_pairs():
    keras.utils.set_random_seed(0)
    model = models.build_model(ModelConfig(**SMALL))
    model.compile(keras.optimizers.Adam(0.005), PairwiseRankingLoss())
    model.optimizer.build(model.trainable_variables)  # or else the step is traced twice
    train, test = related_pairs(200, 32, seed=1), related_pairs(100, 32, seed=2)
    model.fit(train, np.zeros(200), batch_size=25, epochs=5, verbose=0)
    embeddings = model.predict(test, verbose=0)
    found = retrieval_metrics(embeddings[:, 0], embeddings[:, 1])
    assert found["r@5"] > 0.3  # chance: 0.05
    assert model.get_layer("projection").correlations()[0] > 0.7


def test_layers_of_the_published_model_keep_their_names_and_order():
    """Weights are stored by kind of layer and order: those of earlier runs must fit."""
    model = models.build_model(ModelConfig(attention=True))
    weighted = [layer.name for layer in model.layers if layer.weights]
    block = [
        f"attention_conv{block}_{step}{end}"
        for block in (1, 2, 3, 4)
        for step in (1, 2)
        for end in ("", "_norm")
    ]
    assert weighted[:17] == [*block, "attention_channels"]
    assert sorted(weighted[17:]) == sorted(
        [name.replace("attention", view) for name in block for view in ("sheet", "audio")]
        + [
            f"{view}_{name}"
            for name in ("channels", "channels_norm", "features")
            for view in ("sheet", "audio")
        ]
        + ["projection"]
    )


def test_multiply_adds_of_the_published_model_by_hand():
    def stack(rows, columns):
        total, channels = 0, 1
        for filters in (24, 48, 96, 96):
            total += rows * columns * 9 * (channels * filters + filters * filters)
            rows, columns, channels = rows // 2, columns // 2, filters
        return total, rows * columns

    sheet, sheet_places = stack(80, 100)
    audio, audio_places = stack(92, 168)
    heads = (sheet_places + audio_places) * (96 * 32 + 32 * 32) + 2 * 32 * 32
    attention = audio + audio_places * 96 * 168
    model = models.build_model(ModelConfig(frames=168, attention=True))
    assert models.multiply_adds(model) == sheet + audio + heads + attention
    assert models.parameters(model) == expected_parameters(168, True)


@pytest.mark.parametrize("blocks", ["residual", "separable"])
def test_multiply_adds_of_strided_blocks_by_hand(blocks):
    config = ModelConfig(**(OURS | {"blocks": blocks, "attention": False, "units": 2}))

    def kernel(channels, filters):
        if blocks == "separable":
            return 9 * channels + channels * filters
        return 9 * channels * filters

    def tower(rows, columns):
        rows, columns = -(-rows // 2), -(-columns // 2)
        total = rows * columns * (25 * 4 + 2 * kernel(4, 4))
        for channels, filters in ((4, 6), (6, 8)):
            rows, columns = -(-rows // 2), -(-columns // 2)
            places = rows * columns
            work = kernel(channels, filters) + 2 * kernel(filters, filters)
            total += places * work
            if blocks == "separable":  # the pointwise half of a strided one sees the output
                assert kernel(channels, filters) == 9 * channels + channels * filters
        return total + rows * columns * (8 * 8 + 8 * 8)

    expected = tower(80, 100) + tower(92, 32) + 2 * 8 * 8
    assert models.multiply_adds(models.build_model(config)) == expected


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"blocks": "separable", "activation_before_norm": True},
        {"blocks": "conv", "audio_normalization": "pcen", "units": 2, "attention": False},
    ],
)
def test_our_models_take_any_level_and_learn(changes, tmp_path):
    keras.utils.set_random_seed(0)
    model = models.build_model(ModelConfig(**(OURS | changes)))
    model.compile(keras.optimizers.Adam(0.01), SoftmaxLoss(), run_eagerly=True)
    data = related_pairs(20, 32, seed=1)
    losses = [float(model.train_on_batch(data, np.zeros(20))) for _ in range(6)]
    assert losses[-1] < losses[0]
    embeddings = model(data, training=False).numpy()
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=-1), 1, atol=1e-5)
    for gain_db in (-20, 20):
        magnitudes = 10 ** data["audio"].astype("float64") - 1
        other = np.log10(1 + magnitudes * 10 ** (gain_db / 20)).astype("float32")
        found = models.audio_encoder(model)(other)["embedding"]
        np.testing.assert_allclose(found, embeddings[:, 1], atol=2e-4)
    model.save_weights(tmp_path / "model.weights.h5")
    rebuilt = models.build_model(ModelConfig(**(OURS | changes)))
    rebuilt.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(rebuilt(data, training=False), embeddings, atol=1e-6)


def test_statistics_move_with_the_momentum_asked_for():
    slow, fast = (
        models.build_model(ModelConfig(**OURS), momentum=momentum) for momentum in (0.99, 0.5)
    )
    fast.set_weights(slow.get_weights())
    pairs = random_pairs(6, 32)
    moved = []
    for model in (slow, fast):
        statistic = model.get_layer("audio_conv1_1_norm").moving_mean
        before = statistic.numpy()
        model(pairs, training=True)
        moved.append(statistic.numpy() - before)
    np.testing.assert_allclose(moved[1], 50 * moved[0], rtol=1e-3)
