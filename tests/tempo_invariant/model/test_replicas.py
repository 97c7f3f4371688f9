"""Two logical devices against one with the whole batch, and JAX against TensorFlow."""

import dataclasses
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant.config import ModelConfig, TrainingConfig
from tempo_invariant.model import normalization, replicas
from tempo_invariant.model.losses import PairwiseRankingLoss, SoftmaxLoss
from tempo_invariant.model.network import build_model
from tempo_invariant.training import loop
from tempo_invariant.training.callbacks import evaluation_weights

CONFIG = ModelConfig(
    frames=16, attention=True, filters=(4,), embedding_size=8, cca_alpha=0.3, l2=1e-4
)
OURS = ModelConfig(
    frames=16,
    attention=True,
    filters=(4,),
    embedding_size=8,
    projection="linear",
    l2=1e-4,
    blocks="residual",
    activation_before_norm=False,
    audio_normalization="excerpt",
    temperature=0.2,
)
SETTINGS = TrainingConfig(
    loss="softmax", optimizer="adamw", weight_decay=0.01, clip_norm=0.3, ema_momentum=0.7
)
MUON = dataclasses.replace(SETTINGS, optimizer="muon", clip_norm=0.0)
PAIRS = 24


def pairs(seed=0):
    """Coarse random patterns: unlike fine noise, they leave features that differ by much."""
    rng = np.random.default_rng(seed)
    sheet = np.kron(rng.integers(0, 256, (PAIRS, 4, 5)), np.ones((1, 20, 20)))
    audio = np.kron(rng.random((PAIRS, 4, 4)), np.ones((1, 23, 4)))
    return {"sheet": sheet.astype("uint8"), "audio": audio.astype(keras.config.floatx())}


@pytest.fixture(scope="module")
def strategy():
    return tf.distribute.MirroredStrategy(
        ["CPU:0", "CPU:1"], cross_device_ops=tf.distribute.ReductionToOneDevice()
    )


@pytest.fixture
def float64():
    """Double precision: TensorFlow's float32 sums over a batch of maps are only good to 1e-4."""
    keras.config.set_floatx("float64")
    keras.config.set_dtype_policy("float64")
    yield
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


def compiled(symmetric=True, synchronized=False, config=CONFIG):
    keras.utils.set_random_seed(3)
    model = build_model(config, synchronized=synchronized)
    loss = SoftmaxLoss() if config.temperature else PairwiseRankingLoss(symmetric=symmetric)
    model.compile(keras.optimizers.SGD(0.05), loss)
    return model


def compiled_as_in_training(synchronized=False, settings=SETTINGS):
    """Our model with averaged weights and, by default, clipped gradients."""
    keras.utils.set_random_seed(3)
    model = build_model(OURS, synchronized=synchronized, momentum=0.9)
    loop.compile_model(model, settings)
    return model


def loss_and_gradients(model, data):
    """Loss of a training step as Keras computes it, and its gradients."""
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=tf.zeros([]), y_pred=model(data, training=True))
    weights = [weight.value for weight in model.trainable_weights]
    return loss, tape.gradient(loss, weights)


def halves(strategy, data):
    def part(context):
        index = context.replica_id_in_sync_group
        half = PAIRS // 2
        return {key: tf.constant(x[index * half : (index + 1) * half]) for key, x in data.items()}

    return strategy.experimental_distribute_values_from_function(part)


@pytest.mark.parametrize("config", [CONFIG, OURS])
def test_loss_gradients_and_state_equal_those_of_the_whole_batch(strategy, float64, config):
    single = compiled(config=config)
    with strategy.scope():
        double = compiled(synchronized=True, config=config)
    for before, after in zip(single.weights, double.weights, strict=True):
        np.testing.assert_array_equal(before.numpy(), after.numpy())

    @tf.function
    def step(data):
        loss, gradients = strategy.run(lambda part: loss_and_gradients(double, part), (data,))
        return [strategy.reduce("SUM", value, axis=None) for value in [loss, *gradients]]

    for seed in (0, 1):  # the second step has moving statistics behind it
        data = pairs(seed)
        loss, gradients = loss_and_gradients(single, data)
        found_loss, *found = step(halves(strategy, data))
        np.testing.assert_allclose(found_loss, loss, rtol=1e-5)
        total = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))
        for weight, one, two in zip(single.trainable_weights, gradients, found, strict=True):
            error = np.linalg.norm(one - two)
            # Shifts ahead of the projection's mean have no gradient but rounding errors.
            assert error < 1e-5 * max(np.linalg.norm(one), 1e-6 * total), weight.path
    for one, two in zip(single.non_trainable_weights, double.non_trainable_weights, strict=True):
        np.testing.assert_allclose(two.numpy(), one.numpy(), atol=1e-6, err_msg=one.path)


def test_fit_over_two_replicas_equals_fit_on_one(strategy, float64):
    data = {key: np.concatenate([pairs(0)[key], pairs(1)[key]]) for key in pairs()}
    dataset = tf.data.Dataset.from_tensor_slices((data, np.zeros(2 * PAIRS))).batch(
        PAIRS, drop_remainder=True
    )
    single = compiled(symmetric=False)
    with strategy.scope():
        double = compiled(symmetric=False, synchronized=True)
    losses = [model.fit(dataset, epochs=2, verbose=0).history["loss"] for model in (single, double)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    for one, two in zip(single.trainable_weights, double.trainable_weights, strict=True):
        np.testing.assert_allclose(two.numpy(), one.numpy(), atol=1e-5, err_msg=one.path)


@pytest.mark.parametrize("settings", [SETTINGS, MUON])
def test_steps_and_averaged_weights_are_those_of_one_replica(strategy, float64, settings):
    data = {key: np.concatenate([pairs(0)[key], pairs(1)[key]]) for key in pairs()}
    dataset = tf.data.Dataset.from_tensor_slices((data, np.zeros(2 * PAIRS))).batch(
        PAIRS, drop_remainder=True
    )
    single = compiled_as_in_training(settings=settings)
    with strategy.scope():
        double = compiled_as_in_training(synchronized=True, settings=settings)
    _, gradients = loss_and_gradients(compiled_as_in_training(), pairs(0))
    length = np.sqrt(sum(np.sum(np.square(gradient)) for gradient in gradients))
    assert length > 2 * SETTINGS.clip_norm  # there is something to clip
    seen = []
    for model in (single, double):
        judged = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda epoch, logs, model=model: seen.append(evaluation_weights(model))
        )
        model.fit(dataset, epochs=2, verbose=0, callbacks=[judged], shuffle=False)
    for weight, one, two in zip(single.weights, seen[1], seen[3], strict=True):
        np.testing.assert_allclose(two, one, atol=1e-6, err_msg=weight.path)


def test_every_replica_holds_the_same_state(strategy):
    with strategy.scope():
        models = [compiled(synchronized=True), compiled_as_in_training(synchronized=True)]
    data = tf.data.Dataset.from_tensor_slices((pairs(), np.zeros(PAIRS))).batch(PAIRS)
    held = []
    for model in models:
        model.fit(data, epochs=2, verbose=0)
        held += model.non_trainable_weights
    for weight in [*held, models[1].get_layer("temperature").log_scale]:
        first, second = (copy.numpy() for copy in weight.value.values)
        np.testing.assert_array_equal(first, second, err_msg=weight.path)


def test_normalization_over_replicas_is_exact_for_nearly_constant_channels(strategy):
    images = 0.9 + 1e-3 * np.random.default_rng(0).normal(size=(4, 8, 9, 2)).astype("float32")
    with strategy.scope():
        layer = normalization.FusedBatchNormalization(epsilon=1e-8, synchronized=True)
        layer.build(images.shape)

    @tf.function
    def halves_normalized():
        def work():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            return layer(tf.constant(images)[2 * index : 2 * index + 2], training=True)

        return strategy.experimental_local_results(strategy.run(work))

    exact = images.astype("float64")
    exact = (exact - exact.mean(axis=(0, 1, 2))) / np.sqrt(exact.var(axis=(0, 1, 2)) + 1e-8)
    np.testing.assert_allclose(np.concatenate(halves_normalized()), exact, atol=2e-3)


def test_global_rows_and_sums_with_uneven_shares(strategy):
    @tf.function
    def shares():
        def work():
            index = tf.distribute.get_replica_context().replica_id_in_sync_group
            rows = tf.fill([index + 2, 3], tf.cast(index, tf.float32))
            everyone, offset = replicas.global_rows(rows)
            return everyone, offset, replicas.global_sum(tf.reduce_sum(rows)), replicas.count()

        return strategy.run(work)

    everyone, offset, total, count = map(strategy.experimental_local_results, shares())
    expected = np.repeat([0.0, 0.0, 1.0, 1.0, 1.0], 3).reshape(5, 3)
    for replica in range(2):
        np.testing.assert_array_equal(everyone[replica], expected)
        assert (int(offset[replica]), float(total[replica])) == (2 * replica, 9.0)
    assert set(np.ravel(count)) == {2}


JAX_RUN = """
import sys, warnings
warnings.simplefilter("error", UserWarning)
import numpy as np, keras
from tests.tempo_invariant.model import test_replicas as shared
model = shared.compiled()
data = shared.pairs()
losses = [float(model.train_on_batch(data, np.zeros(shared.PAIRS))) for _ in range(3)]
model.save_weights(sys.argv[1] + "/jax.weights.h5")
model.save(sys.argv[1] + "/jax.keras")
np.savez(sys.argv[1] + "/jax.npz", embeddings=model.predict(data, verbose=0), losses=losses)
assert keras.backend.backend() == "jax"
ours = shared.compiled_as_in_training()
ours.load_weights(sys.argv[1] + "/ours.weights.h5")
losses = [float(ours.train_on_batch(data, np.zeros(shared.PAIRS))) for _ in range(4)]
ours.jax_state_sync()
weights = shared.evaluation_weights(ours)
np.savez(sys.argv[1] + "/ours.npz", *weights, losses=losses)
"""


def test_weights_trained_on_jax_give_the_same_embeddings_on_tensorflow(tmp_path):
    environment = os.environ | {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    ours = compiled_as_in_training()
    ours.save_weights(tmp_path / "ours.weights.h5")
    run = subprocess.run(
        [sys.executable, "-c", JAX_RUN, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    expected = np.load(tmp_path / "jax.npz")
    model = build_model(CONFIG)
    model.load_weights(tmp_path / "jax.weights.h5")
    np.testing.assert_allclose(model.predict(pairs(), verbose=0), expected["embeddings"], atol=1e-5)
    whole = keras.saving.load_model(tmp_path / "jax.keras")
    np.testing.assert_allclose(whole.predict(pairs(), verbose=0), expected["embeddings"], atol=1e-5)
    assert int(whole.optimizer.iterations.numpy()) == 3
    assert expected["losses"][-1] < expected["losses"][0]

    # Our own model, from the same weights: the same losses, and the same averages in the end.
    expected = dict(np.load(tmp_path / "ours.npz"))
    losses = [float(ours.train_on_batch(pairs(), np.zeros(PAIRS))) for _ in range(4)]
    np.testing.assert_allclose(losses, expected.pop("losses"), rtol=2e-3)
    for weight, one, other in zip(
        ours.weights, evaluation_weights(ours), expected.values(), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=2e-3, err_msg=weight.path)
