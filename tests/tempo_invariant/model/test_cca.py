import keras
import numpy as np
import pytest
import scipy.linalg
import tensorflow as tf

from tempo_invariant.model import cca
from tests.layer_checks import check_layer

REGULARIZATION = 1e-3


def correlated(pairs, size, seed=0, noise=0.7):
    """Two views of common factors, mixed differently, with offsets; float64."""
    rng = np.random.default_rng(seed)
    factors = rng.normal(size=(pairs, size)) * np.linspace(1, 0.3, size)
    return [
        (factors + noise * rng.normal(size=factors.shape)) @ rng.normal(size=(size, size))
        + rng.normal(size=size)
        for _ in range(2)
    ]


def reference(first, second, regularization=REGULARIZATION):
    """Projections and correlations as a generalised symmetric eigenvalue problem (SciPy)."""
    n = len(first)
    first, second = first - first.mean(axis=0), second - second.mean(axis=0)
    identity = np.eye(first.shape[1])
    s11 = first.T @ first / (n - 1) + regularization * identity
    s22 = second.T @ second / (n - 1) + regularization * identity
    s12 = first.T @ second / (n - 1)
    squared, u = scipy.linalg.eigh(s12 @ np.linalg.solve(s22, s12.T), s11)
    order = np.argsort(squared)[::-1]
    correlations, u = np.sqrt(squared[order]), u[:, order]
    v = np.linalg.solve(s22, s12.T @ u) / correlations
    return u, v, correlations, first, second


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def test_training_step_agrees_with_scipy():
    sheet, audio = correlated(60, 6)
    layer = cca.CanonicalProjection(regularization=REGULARIZATION, dtype="float64")
    outputs = layer([sheet, audio], training=True).numpy()
    u, v, correlations, sheet_centred, audio_centred = reference(sheet, audio)
    np.testing.assert_allclose(layer.correlations(), correlations, atol=1e-6)
    sign = np.sign(np.sum(layer.projections[0].numpy() * u, axis=0))
    np.testing.assert_allclose(layer.projections[0], u * sign, atol=1e-5)
    np.testing.assert_allclose(layer.projections[1], v * sign, atol=1e-5)
    np.testing.assert_allclose(outputs[:, 0], unit(sheet_centred @ (u * sign)), atol=1e-7)
    np.testing.assert_allclose(outputs[:, 1], unit(audio_centred @ (v * sign)), atol=1e-7)


def test_moving_statistics_are_bias_corrected_averages():
    alpha, size = 0.2, 4
    batches = [correlated(30, size, seed=seed) for seed in range(3)]
    layer = cca.CanonicalProjection(alpha=alpha)
    for batch in batches:
        layer([x.astype("float32") for x in batch], training=True)
    weights = np.array([(1 - alpha) ** 2, 1 - alpha, 1.0])
    weights /= weights.sum()
    stacked = [np.concatenate(batch, axis=1) for batch in batches]
    mean = sum(w * x.mean(axis=0) for w, x in zip(weights, stacked, strict=True))
    covariance = sum(w * np.cov(x.T) for w, x in zip(weights, stacked, strict=True))
    np.testing.assert_allclose(layer.mean, mean, atol=1e-5)
    np.testing.assert_allclose(layer.covariance, covariance, rtol=1e-4, atol=1e-4)


def ranking_like_loss(outputs):
    """Smooth, and a function of the cosine similarities alone."""
    similarities = tf.matmul(outputs[:, 0], outputs[:, 1], transpose_b=True)
    positives = tf.linalg.diag_part(similarities)[:, None]
    return tf.reduce_mean(tf.math.softplus(3 * (0.7 - positives + similarities)))


def gradient_errors(layer, sheet, audio, directions=8, step=1e-5):
    """Relative errors of directional derivatives against central differences, float64."""
    if not layer.built:
        layer.build([sheet.shape, audio.shape])
    state = layer.get_weights()

    def loss(first, second):
        layer.set_weights(state)
        return ranking_like_loss(layer([first, second], training=True))

    inputs = [tf.Variable(sheet), tf.Variable(audio)]
    with tf.GradientTape() as tape:
        value = loss(*inputs)
    gradients = [gradient.numpy() for gradient in tape.gradient(value, inputs)]
    scale = np.sqrt(sum(np.sum(gradient**2) for gradient in gradients))
    rng = np.random.default_rng(1)
    errors = []
    for _ in range(directions):
        moves = [rng.normal(size=sheet.shape), rng.normal(size=audio.shape)]
        ahead = loss(sheet + step * moves[0], audio + step * moves[1])
        behind = loss(sheet - step * moves[0], audio - step * moves[1])
        expected = float(ahead - behind) / (2 * step)
        found = sum(np.sum(g * m) for g, m in zip(gradients, moves, strict=True))
        errors.append(abs(found - expected) / scale)
    return np.array(errors)


@pytest.mark.parametrize("steps_before", [0, 3])
def test_gradient_agrees_with_finite_differences(steps_before):
    sheet, audio = correlated(40, 6)
    layer = cca.CanonicalProjection(alpha=0.3, dtype="float64")
    for step in range(steps_before):
        layer(correlated(40, 6, seed=10 + step), training=True)
    assert gradient_errors(layer, sheet, audio).max() < 1e-5


def test_gradient_is_right_where_all_correlations_coincide():
    rng = np.random.default_rng(0)
    size, pairs = 5, 40
    basis = rng.normal(size=(pairs, 2 * size))
    basis = np.linalg.qr(basis - basis.mean(axis=0))[0] * np.sqrt(pairs - 1)
    sheet = basis[:, :size]
    audio = 0.6 * sheet + 0.8 * basis[:, size:]
    layer = cca.CanonicalProjection(alpha=1.0, dtype="float64")
    layer([sheet, audio], training=True)
    assert np.ptp(layer.correlations()) < 1e-6
    assert gradient_errors(layer, sheet, audio).max() < 1e-5


def test_collapsed_tower_and_dead_units_leave_finite_gradients():
    sheet, audio = (x.astype("float32") for x in correlated(40, 6))
    for broken in (np.ones_like(sheet), sheet * np.array([1, 1, 0, 1, 0, 1], "float32")):
        inputs = [tf.Variable(broken), tf.Variable(audio)]
        layer = cca.CanonicalProjection()
        with tf.GradientTape() as tape:
            value = ranking_like_loss(layer(inputs, training=True))
        for gradient in tape.gradient(value, inputs):
            assert np.isfinite(gradient).all()
            assert np.linalg.norm(gradient) < 1e3


def test_batch_that_is_not_finite_gives_nan_and_leaves_the_state():
    sheet, audio = (x.astype("float32") for x in correlated(40, 4))
    layer = cca.CanonicalProjection()
    layer([sheet, audio], training=True)
    before = layer.get_weights()
    audio[3, 2] = np.nan
    outputs = layer([sheet, audio], training=True).numpy()
    assert np.isnan(outputs[3, 1]).any()
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_allclose(old, new, rtol=1e-4, atol=1e-5)


def test_refit_agrees_with_scipy_and_changes_inference():
    sheet, audio = correlated(500, 6)
    layer = cca.CanonicalProjection(regularization=REGULARIZATION)
    layer.build([sheet.shape, audio.shape])
    correlations = layer.refit(sheet, audio)
    u, v, expected, sheet_centred, audio_centred = reference(sheet, audio)
    np.testing.assert_allclose(correlations, expected, atol=1e-6)
    similarity = np.sum(unit(sheet_centred @ u) * unit(audio_centred @ v), axis=-1)
    outputs = layer([sheet.astype("float32"), audio.astype("float32")], training=False).numpy()
    found = np.sum(outputs[:, 0] * outputs[:, 1], axis=-1)
    np.testing.assert_allclose(found, similarity, atol=1e-4)
    with pytest.raises(ValueError, match="5 pairs are too few for 6 features"):
        layer.refit(sheet[:5], audio[:5])
    with pytest.raises(ValueError, match="got .*500, 6.* and .*499, 6"):
        layer.refit(sheet, audio[1:])
    with pytest.raises(ValueError, match="not finite"):
        layer.refit(sheet * np.inf, audio)


def test_layer_saves_and_projects_single_views_without_decomposition(tmp_path):
    sheet, audio = (x.astype("float32") for x in correlated(40, 4))
    layer = cca.CanonicalProjection(alpha=0.5, regularization=1e-2)
    joint = check_layer(layer, [sheet, audio], (40, 2, 4), 0, 6, tmp_path)
    np.testing.assert_allclose(layer(sheet, view="sheet"), joint[:, 0], atol=1e-6)
    np.testing.assert_allclose(layer(audio, view="audio"), joint[:, 1], atol=1e-6)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, layer(inputs, view="audio"))
    graph = tf.function(model).get_concrete_function(tf.TensorSpec([None, 4])).graph
    operations = {operation.type for operation in graph.get_operations()}
    assert not operations & {"Svd", "Cholesky", "MatrixTriangularSolve", "SelfAdjointEigV2"}
