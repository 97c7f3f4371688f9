import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant import model as models
from tempo_invariant.config import ModelConfig
from tempo_invariant.losses import PairwiseRankingLoss
from tempo_invariant.metrics import retrieval_metrics

SMALL = {"frames": 32, "filters": (4, 6, 8), "embedding_size": 8}


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
    model = models.build_model(ModelConfig(**SMALL))
    pairs = random_pairs(40, 32)
    before = model(pairs, training=False).numpy()
    features = [
        models.sheet_features(model)(pairs["sheet"]).numpy(),
        models.audio_features(model)(pairs["audio"]).numpy(),
    ]
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
