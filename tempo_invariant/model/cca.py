"""Canonical correlation analysis as a layer that gradients pass through.

Dorfer, Schlueter, Vall, Korzeniowski, Widmer: "End-to-end cross-modality retrieval with CCA
projections and pairwise ranking loss", IJMIR 7(2), 2018. Three things are done differently here,
all with the same projections as their result: whitening by Cholesky factors instead of inverse
square roots, one singular value decomposition instead of two eigenvalue decompositions, and a
gradient that stays right where singular values coincide (see `canonical_projections`).
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from tempo_invariant.model import layers, replicas
from tempo_invariant.model.layers import Tensor

GRADIENT_DAMPING = 1e-3
"""Sums of two canonical correlations below this are damped in the gradient."""


def canonical_projections(
    first: Tensor, second: Tensor, cross: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Computes the projections onto the canonical variates from covariance matrices.

    With whitening matrices `W = L^-T` of the Cholesky factors and `T = W1' S12 W2 = E diag(s) F'`,
    the projections are `U = W1 E` and `V = W2 F`, the same as with symmetric square roots.

    The decomposition itself is a constant for the gradient. A loss that depends on the outputs'
    inner products and lengths alone, with every component kept, does not change when E and F turn
    together. What is left is a first-order term in `1 / (s_i + s_j)` with the value zero and the
    exact gradient, free of the `1 / (s_i - s_j)` that breaks at equal values.

    Args:
        first: Covariance of the first view with its regularisation, `[size, size]`.
        second: Covariance of the second view, likewise, `[size, size]`.
        cross: Cross-covariance of the views, `[size, size]`.

    Returns:
        `(u, v, correlations)`: `[size, size]`, `[size, size]` and `[size]`, descending.
    """
    first_whitening = _whitening(first)
    second_whitening = _whitening(second)
    target = ops.matmul(ops.transpose(first_whitening), ops.matmul(cross, second_whitening))
    left, correlations, right = ops.linalg.svd(ops.stop_gradient(target), full_matrices=False)
    left = ops.stop_gradient(left)
    right = ops.transpose(ops.stop_gradient(right))
    correlations = ops.stop_gradient(correlations)
    rotated = ops.matmul(ops.transpose(left), ops.matmul(target, right))
    sums = correlations[:, None] + correlations[None, :]
    turn = (rotated - ops.transpose(rotated)) * sums / (sums**2 + GRADIENT_DAMPING**2) / 2
    u = ops.matmul(first_whitening, left + ops.matmul(left, turn))
    v = ops.matmul(second_whitening, right - ops.matmul(right, turn))
    return u, v, correlations


def _whitening(covariance: Tensor) -> Tensor:
    """Returns W with W' S W = I: the transposed inverse of the Cholesky factor."""
    factor = ops.linalg.cholesky(covariance)
    identity = ops.eye(covariance.shape[0], dtype=factor.dtype)
    return ops.transpose(ops.linalg.solve_triangular(factor, identity, lower=True))


def _working_dtype() -> str:
    """Returns float64, or float32 on a JAX that was started without 64-bit types."""
    if keras.backend.backend() == "jax":
        import jax

        settings: Any = jax.config
        return "float64" if settings.jax_enable_x64 else "float32"
    return "float64"


def joint_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Returns mean and covariance over the global batch.

    Args:
        features: Features of both views side by side, `[local batch, size]`.

    Returns:
        `(mean, covariance)`: `[size]` and `[size, size]`, the latter divided by n - 1.
    """
    rows = ops.cast(ops.shape(features)[0], features.dtype)
    sums = ops.concatenate([ops.reshape(rows, [1]), ops.sum(features, axis=0)])
    sums = replicas.global_sum(sums)
    count, mean = sums[0], sums[1:] / sums[0]
    centred = features - mean
    products = replicas.global_sum(ops.matmul(ops.transpose(centred), centred))
    return mean, products / ops.maximum(count - 1, 1)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class CanonicalProjection(layers.Projection):
    """Projects sheet and audio features onto their canonical variates.

    In training the projections follow from moving statistics that contain the current (global)
    batch, and gradients pass through their computation. Otherwise they are stored values, with no
    decomposition in the graph. Batches whose statistics are not finite are ignored, so that a
    diverged run ends in a loss that is not a number rather than in an error of the decomposition.

    Batches of about 100 rows invent correlation between 32 + 32 features (0.9 for independent
    ones), hence the moving statistics; they are bias-corrected, so the first batch stands alone.

    Args:
        alpha: Weight of the newest batch in the moving statistics; 1.0 uses it alone.
        regularization: Term r that is added to the diagonals of both covariance matrices.

    Call arguments and output shape: see `Projection`; the size is that of the features.
    """

    def __init__(self, alpha: float = 0.1, regularization: float = 1e-3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 < alpha <= 1:
            raise ValueError(f"alpha must be in (0, 1], got {alpha}")
        if not regularization > 0:
            raise ValueError(f"regularization must be > 0, got {regularization}")
        self.alpha = alpha
        self.regularization = regularization
        # XLA on TensorFlow compiles the decompositions into slow code; JAX has no choice.
        self.supports_jit = keras.backend.backend() != "tensorflow"

    def build_weights(self, features: int) -> None:
        self.features = features

        def state(name: str, *shape: int, initializer: str = "zeros") -> keras.Variable:
            return self.add_weight(
                name=name,
                shape=shape,
                initializer=initializer,
                trainable=False,
                autocast=False,
                aggregation="only_first_replica",
            )

        self.mean = state("mean", 2 * features)
        self.covariance = state("covariance", 2 * features, 2 * features)
        self.projections = [
            state(f"{view}_projection", features, features, initializer="identity")
            for view in layers.VIEWS
        ]
        self.correlation = state("correlation", features)
        self.updates = state("updates")

    def project(self, features: Tensor, index: int) -> Tensor:
        first = index * self.features
        mean = self.mean[first : first + self.features]
        return ops.matmul(features - mean, self.projections[index])

    def join(self, sheet: Tensor, audio: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        if not training:
            return super().join(sheet, audio, training)
        features = ops.cast(ops.concatenate([sheet, audio], axis=-1), _working_dtype())
        mean, covariance = self._updated_moments(features)
        u, v, correlations = self._decompose(covariance)
        self._store(mean, covariance, (u, v), correlations)
        centred = features - mean
        return (
            ops.cast(ops.matmul(centred[:, : self.features], u), self.compute_dtype),
            ops.cast(ops.matmul(centred[:, self.features :], v), self.compute_dtype),
        )

    def _updated_moments(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """Returns moving mean and covariance with this batch in them; counts the batch."""
        dtype = features.dtype
        mean, covariance = joint_moments(features)
        finite = ops.isfinite(ops.sum(covariance))
        updates = ops.cast(self.updates, dtype)
        weight = self.alpha / (1 - (1 - self.alpha) ** (updates + 1))
        old_mean, old_covariance = ops.cast(self.mean, dtype), ops.cast(self.covariance, dtype)
        mean = old_mean + weight * (mean - old_mean)
        covariance = old_covariance + weight * (covariance - old_covariance)
        self._assign(self.updates, ops.where(finite, updates + 1, updates))
        return ops.where(finite, mean, old_mean), ops.where(finite, covariance, old_covariance)

    def _decompose(self, covariance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        k = self.features
        ridge = self.regularization * ops.eye(k, dtype=covariance.dtype)
        return canonical_projections(
            covariance[:k, :k] + ridge, covariance[k:, k:] + ridge, covariance[:k, k:]
        )

    def _store(
        self,
        mean: Tensor,
        covariance: Tensor,
        projections: tuple[Tensor, Tensor],
        correlations: Tensor,
    ) -> None:
        self._assign(self.mean, mean)
        self._assign(self.covariance, covariance)
        self._assign(self.correlation, correlations)
        for variable, value in zip(self.projections, projections, strict=True):
            self._assign(variable, value)

    def _assign(self, variable: keras.Variable, value: Tensor) -> None:
        variable.assign(ops.cast(value, variable.dtype))

    def refit(self, sheet: np.ndarray, audio: np.ndarray, weighted: bool = False) -> np.ndarray:
        """Sets means and projections to those of a large sample of features.

        Args:
            sheet: Outputs of the sheet encoder before the projection, `[pairs, features]`.
            audio: Outputs of the audio encoder for the same pairs, `[pairs, features]`.
            weighted: Whether to scale each canonical variate by its correlation. CCA gives all
                the same variance, and those that hardly correlate are noise to a cosine.

        Returns:
            The canonical correlations of the sample, `[features]`, descending, NumPy.

        Raises:
            ValueError: The shapes do not fit, there are too few pairs, or a value is not finite.
        """
        expected = (len(sheet), self.features)
        if np.shape(sheet) != expected or np.shape(audio) != expected:
            raise ValueError(
                f"sheet and audio must be [pairs, {self.features}] features of the same pairs, "
                f"got {np.shape(sheet)} and {np.shape(audio)}"
            )
        if len(sheet) <= self.features:
            raise ValueError(f"{len(sheet)} pairs are too few for {self.features} features")
        features = np.concatenate([sheet, audio], axis=1).astype(np.float64)
        if not np.isfinite(features).all():
            raise ValueError("sheet or audio features are not finite")
        covariance = np.cov(features, rowvar=False)
        dtype = _working_dtype()
        u, v, correlations = self._decompose(ops.convert_to_tensor(covariance, dtype=dtype))
        scale = correlations if weighted else ops.ones_like(correlations)
        self._store(features.mean(axis=0), covariance, (u * scale, v * scale), correlations)
        return self.correlations()

    def linear_weights(self) -> list[np.ndarray]:
        """Returns the weights of a `layers.LinearProjection` that does the same, NumPy."""
        kernels = [ops.convert_to_numpy(projection) for projection in self.projections]
        means = np.split(ops.convert_to_numpy(self.mean), 2)
        return [*kernels, *(-mean @ kernel for mean, kernel in zip(means, kernels, strict=True))]

    def correlations(self) -> np.ndarray:
        """Returns the canonical correlations of the stored statistics, `[features]`, descending."""
        return ops.convert_to_numpy(self.correlation)

    def get_config(self) -> dict[str, Any]:
        config = {"alpha": self.alpha, "regularization": self.regularization}
        return super().get_config() | config
