import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant import geometry
from tempo_invariant.model import layers, levels, normalization
from tests.layer_checks import check_layer


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_unit_length_divides_by_the_norm_and_keeps_zero(rng):
    vectors = rng.normal(size=(5, 7)).astype("float32")
    vectors[3] = 0
    expected = vectors.copy()
    for row in (0, 1, 2, 4):
        expected[row] /= np.sqrt(np.sum(vectors[row].astype(float) ** 2))
    np.testing.assert_allclose(layers.unit_length(vectors), expected, atol=1e-6)


def test_gradient_of_unit_length_is_bounded_at_zero():
    vectors = tf.Variable(tf.zeros([3, 4]))
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(layers.unit_length(vectors))
    # d(x / sqrt(1e-3)) / dx = 31.6
    np.testing.assert_allclose(tape.gradient(total, vectors), 31.6228, rtol=1e-4)


def test_uniform_attention_is_the_identity(rng):
    spectrogram = rng.random((2, 92, 6)).astype("float32")
    uniform = np.full((2, 6), 1 / 6, "float32")
    np.testing.assert_allclose(
        layers.FrameAttention()([spectrogram, uniform]), spectrogram, rtol=1e-6
    )


def test_frame_attention_scales_each_frame(rng, tmp_path):
    spectrogram = rng.random((2, 5, 3)).astype("float32")
    weights = np.array([[0.5, 0.25, 0.25], [1, 0, 0]], "float32")
    attended = check_layer(
        layers.FrameAttention(), [spectrogram, weights], (2, 5, 3), 0, 0, tmp_path
    )
    for item in range(2):
        for frame in range(3):
            expected = spectrogram[item, :, frame] * 3 * weights[item, frame]
            np.testing.assert_allclose(attended[item, :, frame], expected, rtol=1e-6)


def test_frame_attention_may_rest_on_the_borders(rng, tmp_path):
    spectrogram = rng.random((2, 5, 4)).astype("float32")
    weights = np.array([[0.4, 0.1, 0.3, 0.2], [0, 0, 0, 1]], "float32")
    layer = layers.FrameAttention(rest=True)
    attended = check_layer(layer, [spectrogram, weights], (2, 5, 4), 0, 0, tmp_path)
    factors = np.array([[0, 0.4, 1.2, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(attended, spectrogram * factors[:, None], rtol=1e-6)
    assert layer.get_config()["rest"]


def test_frame_attention_refuses_another_number_of_weights():
    with pytest.raises(ValueError, match="6 frames but 5 weights"):
        layers.FrameAttention()([keras.Input((92, 6)), keras.Input((5,))])


def test_linear_projection_is_an_affine_map_of_unit_length(rng, tmp_path):
    sheet, audio = rng.normal(size=(2, 4, 6)).astype("float32")
    layer = layers.LinearProjection(3, l2=1e-5)
    joint = check_layer(layer, [sheet, audio], (4, 2, 3), 4, 0, tmp_path)
    for index, (view, features) in enumerate(zip(layers.VIEWS, (sheet, audio), strict=True)):
        projected = features @ layer.kernels[index].numpy() + layer.biases[index].numpy()
        projected /= np.linalg.norm(projected, axis=1, keepdims=True)
        np.testing.assert_allclose(joint[:, index], projected, atol=1e-6)
        np.testing.assert_allclose(layer(features, view=view), projected, atol=1e-6)
    penalty = 1e-5 * sum(np.sum(kernel.numpy() ** 2) for kernel in layer.kernels)
    np.testing.assert_allclose(sum(layer.losses), penalty, rtol=1e-5)


def test_projection_refuses_unknown_views_and_unequal_sizes(rng):
    features = rng.normal(size=(4, 6)).astype("float32")
    with pytest.raises(ValueError, match="view must be one of .* got 'midi'"):
        layers.LinearProjection(3)(features, view="midi")
    with pytest.raises(ValueError, match="both views need one known size"):
        layers.LinearProjection(3)([features, features[:, :5]])


def test_fused_normalization_equals_keras(rng, tmp_path):
    images = rng.normal(2, 3, size=(4, 5, 6, 3)).astype("float32")
    upstream = rng.normal(size=images.shape).astype("float32")
    results = []
    for kind in (normalization.FusedBatchNormalization, keras.layers.BatchNormalization):
        layer = kind(momentum=0.9, epsilon=1e-4)
        layer.build(images.shape)
        layer.gamma.assign([0.5, 1.0, 2.0])
        layer.beta.assign([1.0, 0.0, -1.0])
        inputs = tf.Variable(images)
        with tf.GradientTape() as tape:
            outputs = layer(inputs, training=True)
            total = tf.reduce_sum(outputs * upstream)
        gradients = tape.gradient(total, [inputs, layer.gamma.value, layer.beta.value])
        moving = [layer.moving_mean, layer.moving_variance]
        results.append([outputs, layer(images, training=False), *gradients, *moving])
    for fused, reference in zip(*results, strict=True):
        np.testing.assert_allclose(fused, reference, rtol=1e-4, atol=2e-5)
    layer = normalization.FusedBatchNormalization(center=False)
    check_layer(layer, images, images.shape, 1, 2, tmp_path)


@pytest.mark.parametrize("channels", [24, 32])
def test_normalization_in_bfloat16_is_that_in_float32_to_its_rounding(rng, channels):
    images = tf.cast(rng.normal(2, 3, size=(4, 5, 6, channels)), tf.bfloat16)
    exact = normalization.FusedBatchNormalization()(tf.cast(images, tf.float32), training=True)
    layer = normalization.FusedBatchNormalization(dtype="mixed_bfloat16")
    outputs = layer(images, training=True)
    assert outputs.dtype == tf.bfloat16
    np.testing.assert_allclose(tf.cast(outputs, tf.float32), exact, rtol=2**-8, atol=2**-8)


@pytest.mark.parametrize("dtype", [tf.bfloat16, tf.float16, tf.float32, tf.float64])
def test_elu_and_its_gradient_in_every_type(rng, dtype):
    values = tf.cast(rng.normal(0, 2, size=(5, 7)), dtype)
    with tf.GradientTape() as tape:
        tape.watch(values)
        outputs = layers.elu(values)
    gradient = tape.gradient(outputs, values)
    assert outputs.dtype == gradient.dtype == dtype
    exact = values.numpy().astype("float64")
    tolerance = {2: 2**-8, 4: 1e-6, 8: 1e-12}[dtype.size]
    expected = np.where(exact > 0, exact, np.expm1(exact))
    np.testing.assert_allclose(outputs.numpy().astype("float64"), expected, atol=4 * tolerance)
    slope = np.where(exact > 0, 1, np.exp(exact))
    np.testing.assert_allclose(gradient.numpy().astype("float64"), slope, atol=tolerance)


def quiet_music(rng):
    """Log spectrograms of sparse partials on a weak floor, and their magnitudes, [3, 92, 40]."""
    magnitudes = 0.003 * rng.random((3, 92, 40))
    magnitudes[:, ::7, 5:] += np.exp(-np.arange(35) / 10) * rng.uniform(0.2, 3, (3, 14, 1))
    return np.log10(1 + magnitudes).astype("float32"), magnitudes


def test_level_normalization_undoes_any_gain(rng, tmp_path):
    spectrogram, magnitudes = quiet_music(rng)
    layer = levels.LevelNormalization(level=4.0)
    outputs = check_layer(layer, spectrogram, spectrogram.shape, 0, 0, tmp_path)
    for gain_db in (-20, -6, 13, 20):
        louder = np.log10(1 + magnitudes * 10 ** (gain_db / 20)).astype("float32")
        np.testing.assert_allclose(layer(louder), outputs, rtol=1e-4, atol=1e-6)
    # The level that all are brought to: the mean of magnitudes weighted by their energy.
    found = 10.0**outputs - 1
    level = (found**3).sum(axis=(1, 2)) / (found**2).sum(axis=(1, 2))
    np.testing.assert_allclose(level, 4.0, rtol=1e-4)
    before = (magnitudes**3).sum(axis=(1, 2)) / (magnitudes**2).sum(axis=(1, 2))
    np.testing.assert_allclose(found, magnitudes * (4 / before)[:, None, None], atol=1e-5)


def test_level_normalization_does_not_look_at_silence(rng):
    spectrogram, _ = quiet_music(rng)
    padded = np.pad(spectrogram, [(0, 0), (0, 0), (30, 10)])
    layer = levels.LevelNormalization()
    np.testing.assert_allclose(layer(padded)[:, :, 30:70], layer(spectrogram), rtol=1e-5)


def test_normalizations_of_silence_are_silent_and_finite():
    silence = np.zeros((2, 92, 20), "float32")
    silence[1] = 1e-7  # a rounding error, 80 dB below what is raised in full
    for layer in (levels.LevelNormalization(), levels.ChannelEnergyNormalization()):
        outputs = np.array(layer(silence))
        assert np.isfinite(outputs).all() and np.abs(outputs).max() < 2e-3, layer.name


def test_channel_energy_normalization_is_that_of_librosa(rng, tmp_path):
    import librosa

    spectrogram, magnitudes = quiet_music(rng)
    layer = levels.ChannelEnergyNormalization(floor=0.1)
    outputs = check_layer(layer, spectrogram, spectrogram.shape, 0, 0, tmp_path)
    constants = {"gain": 0.98, "bias": 2, "power": 0.5, "time_constant": 0.4, "eps": 0.1}
    weight = (np.sqrt(1 + 4 * 8**2) - 1) / (2 * 8**2)
    for item, bands in enumerate(magnitudes):
        start = (1 - weight) * bands.mean(axis=1, keepdims=True)
        expected = librosa.pcen(
            bands, sr=geometry.FRAMES_PER_SECOND, hop_length=1, zi=start, **constants
        )
        np.testing.assert_allclose(outputs[item], expected, atol=2e-5)


def test_temperature_scales_logits_in_training_alone(rng, tmp_path):
    embeddings = rng.normal(size=(5, 2, 3)).astype("float32")
    layer = layers.Temperature(0.05)
    outputs = check_layer(layer, embeddings, embeddings.shape, 1, 0, tmp_path)
    np.testing.assert_array_equal(outputs, embeddings)
    scaled = layer(embeddings, training=True)
    np.testing.assert_allclose(
        np.einsum("ik,jk", scaled[:, 0], scaled[:, 1]),
        20 * np.einsum("ik,jk", embeddings[:, 0], embeddings[:, 1]),
        rtol=1e-4,
        atol=1e-4,
    )
    assert layer.temperature() == pytest.approx(0.05)


def test_temperature_stays_where_logits_are_at_most_100():
    layer = layers.Temperature(0.02)
    layer.build((2, 2, 3))
    optimizer = keras.optimizers.SGD(100.0)
    for direction, expected in ((-1.0, 0.01), (1.0, 1.0)):
        optimizer.apply_gradients([(tf.constant(direction), layer.log_scale)])
        assert layer.temperature() == pytest.approx(expected)
    with pytest.raises(ValueError, match="initial must be from 0.01 to 1, got 0"):
        layers.Temperature(0.0)
