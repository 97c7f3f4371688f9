import keras
import numpy as np
import pytest
import tensorflow as tf

from tempo_invariant import layers, normalization
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
