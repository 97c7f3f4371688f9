"""Layers of the two-tower model besides Keras' own; the CCA layer is in `cca`."""

import math
from typing import Any

import keras
from keras import ops

Tensor = Any
"""A tensor of Keras' backend, or a symbolic one."""

Shape = Any
"""A shape, or a list of them."""

PACKAGE = "tempo_invariant"
VIEWS = ("sheet", "audio")
"""The two modalities, in the order in which every joint tensor holds them."""

SMALLEST_SQUARED_LENGTH = 1e-3
"""Shorter vectors are not stretched to unit length: bounds the gradient at a collapsed tower."""


def unit_length(vectors: Tensor) -> Tensor:
    """Divides vectors by their Euclidean length.

    Vectors whose squared length is below `SMALLEST_SQUARED_LENGTH` are divided by the square root
    of that instead, so that zero stays zero and the gradient stays finite.

    Args:
        vectors: Vectors `[..., size]`.

    Returns:
        Vectors `[..., size]`.
    """
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared, SMALLEST_SQUARED_LENGTH))


@keras.saving.register_keras_serializable(PACKAGE)
def elu(values: Tensor) -> Tensor:
    """Computes ELU; for 16-bit values in float32.

    TensorFlow's kernel for bfloat16 on processors takes eight times as long as that for float32,
    and five times as long as the convolution before it.

    Args:
        values: Floating-point numbers, of any shape.

    Returns:
        Values of the same shape and type.
    """
    if keras.backend.standardize_dtype(values.dtype) not in ("bfloat16", "float16"):
        return ops.elu(values)
    return ops.cast(ops.elu(ops.cast(values, "float32")), values.dtype)


@keras.saving.register_keras_serializable(PACKAGE)
class FrameAttention(keras.layers.Layer):
    """Multiplies every spectrogram frame by its attention weight times the number of frames.

    Section 2.1 of the paper; the factor T makes uniform attention the identity.

    Args:
        rest: Whether the weights of the first and the last frame go to silence. To lower all others
            where music is loud or dense, networks give what is left over to one of these.

    Call arguments:
        inputs: List of the spectrogram `[batch, bands, frames]` and the weights
            `[batch, frames]`, which are not negative and sum to one.

    Output shape:
        `[batch, bands, frames]`.
    """

    def __init__(self, rest: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rest = rest

    def heard(self, weights: Tensor) -> Tensor:
        """Returns the weights `[batch, frames]`, those that go to silence as 0."""
        return ops.pad(weights[:, 1:-1], [[0, 0], [1, 1]]) if self.rest else weights

    def call(self, inputs: Tensor) -> Tensor:
        spectrogram, weights = inputs
        return spectrogram * ops.expand_dims(self.heard(weights) * spectrogram.shape[-1], axis=1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"rest": self.rest}

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        spectrogram, weights = input_shape
        if spectrogram[-1] != weights[-1]:
            raise ValueError(
                f"{self.name}: inputs have {spectrogram[-1]} frames but {weights[-1]} weights"
            )
        return spectrogram


@keras.saving.register_keras_serializable(PACKAGE)
class Temperature(keras.layers.Layer):
    """Holds the learned temperature of a softmax over similarities.

    In training, embeddings are multiplied by the square root of 1 / temperature, so that their
    inner products are logits; otherwise they pass unchanged. As in CLIP (Radford et al. 2021)
    the logarithm is learned, and the scale 1 / temperature stays between 1 and 100.

    Args:
        initial: Temperature at the start.

    Call arguments:
        inputs: Unit-length embeddings `[..., size]`.
        training: Whether to scale.

    Output shape:
        That of the input.
    """

    LARGEST_SCALE = 100.0

    def __init__(self, initial: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 1 / self.LARGEST_SCALE <= initial <= 1:
            raise ValueError(f"initial must be from {1 / self.LARGEST_SCALE:g} to 1, got {initial}")
        self.initial = initial

    def build(self, input_shape: Shape) -> None:
        self.log_scale = self.add_weight(
            name="log_scale",
            shape=(),
            initializer=keras.initializers.Constant(-math.log(self.initial)),
            constraint=self._clip,
            aggregation="only_first_replica",
        )
        self.built = True

    def _clip(self, log_scale: Tensor) -> Tensor:
        return ops.clip(log_scale, 0.0, math.log(self.LARGEST_SCALE))

    def call(self, inputs: Tensor, training: bool = False) -> Tensor:
        return inputs * ops.exp(self.log_scale / 2) if training else inputs

    def temperature(self) -> float:
        """Returns the temperature."""
        return math.exp(-float(ops.convert_to_numpy(self.log_scale)))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"initial": self.initial}


class Projection(keras.layers.Layer):
    """Base of the layers that map both encoders' outputs into the shared space.

    A subclass builds its weights from the number of features, and defines `project`, and `join`
    where training does more than projecting both views.

    Call arguments:
        inputs: List of the sheet and audio features, each `[batch, features]`; or the features of
            one view alone, named by `view`.
        view: "sheet" or "audio" for a single view; None for both.
        training: Whether statistics of the batch are used, and the stored ones updated.

    Output shape:
        `[batch, 2, size]` for both views (sheet first), `[batch, size]` for one; unit length.
    """

    def call(self, inputs: Tensor, view: str | None = None, training: bool = False) -> Tensor:
        if view is None:
            projected = self.join(inputs[0], inputs[1], training)
            return ops.stack([unit_length(vectors) for vectors in projected], axis=1)
        if view not in VIEWS:
            raise ValueError(f"{self.name}: view must be one of {VIEWS}, got {view!r}")
        return unit_length(self.project(inputs, VIEWS.index(view)))

    def join(self, sheet: Tensor, audio: Tensor, training: bool) -> tuple[Tensor, Tensor]:
        """Projects both views; returns two tensors `[batch, size]`."""
        return self.project(sheet, 0), self.project(audio, 1)

    def project(self, features: Tensor, index: int) -> Tensor:
        """Projects one view, `[batch, features]` to `[batch, size]`."""
        raise TypeError(f"{type(self).__name__} does not define project")

    def build(self, input_shape: Shape) -> None:
        shapes = input_shape if isinstance(input_shape[0], list | tuple) else [input_shape]
        sizes = {shape[-1] for shape in shapes}
        if len(sizes) != 1 or None in sizes:
            raise ValueError(f"{self.name}: both views need one known size, got {input_shape}")
        self.build_weights(sizes.pop())
        self.built = True

    def build_weights(self, features: int) -> None:
        """Adds the layer's weights for `features` inputs in each view."""

    def output_size(self, features: int) -> int:
        """Returns the dimensions of the shared space."""
        return features

    def multiply_adds(self) -> int:
        """Counts the multiply-adds for one pair at inference."""
        return sum(features.shape[-1] * self.output.shape[-1] for features in self.input)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        if isinstance(input_shape[0], list | tuple):
            batch, features = input_shape[0]
            return (batch, len(VIEWS), self.output_size(features))
        batch, features = input_shape
        return (batch, self.output_size(features))


@keras.saving.register_keras_serializable(PACKAGE)
class LinearProjection(Projection):
    """Learned affine map of each view into the shared space: the alternative to CCA.

    Args:
        size: Dimensions of the shared space.
        l2: Weight of the squared-norm penalty on both kernels.
    """

    def __init__(self, size: int, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.l2 = l2

    def build_weights(self, features: int) -> None:
        self.kernels = [
            self.add_weight(
                name=f"{view}_kernel",
                shape=(features, self.size),
                initializer="he_uniform",
                regularizer=keras.regularizers.L2(self.l2) if self.l2 else None,
            )
            for view in VIEWS
        ]
        self.biases = [
            self.add_weight(name=f"{view}_bias", shape=(self.size,), initializer="zeros")
            for view in VIEWS
        ]

    def project(self, features: Tensor, index: int) -> Tensor:
        return ops.matmul(features, self.kernels[index]) + self.biases[index]

    def output_size(self, features: int) -> int:
        return self.size

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"size": self.size, "l2": self.l2}
