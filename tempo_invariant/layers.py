"""Layers of the two-tower model besides Keras' own; the CCA layer is in `cca`."""

import keras
from keras import ops

PACKAGE = "tempo_invariant"
VIEWS = ("sheet", "audio")
"""The two modalities, in the order in which every joint tensor holds them."""

SMALLEST_SQUARED_LENGTH = 1e-3
"""Shorter vectors are not stretched to unit length: bounds the gradient at a collapsed tower."""


def unit_length(vectors):
    """Divides vectors by their Euclidean length.

    Vectors whose squared length is below `SMALLEST_SQUARED_LENGTH` are divided by the square root
    of that instead, so that zero stays zero and the gradient stays finite.

    Args:
        vectors: `[..., size]`.

    Returns:
        `[..., size]`.
    """
    squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True)
    return vectors * ops.rsqrt(ops.maximum(squared, SMALLEST_SQUARED_LENGTH))


@keras.saving.register_keras_serializable(PACKAGE)
class FrameAttention(keras.layers.Layer):
    """Multiplies every spectrogram frame with its attention weight times the number of frames.

    Section 2.1 of the paper; the factor T makes uniform attention the identity.

    Call arguments:
        inputs: list of the spectrogram `[batch, bands, frames]` and the weights
            `[batch, frames]`, which are not negative and sum to one.

    Output shape:
        `[batch, bands, frames]`.
    """

    def call(self, inputs):
        spectrogram, weights = inputs
        return spectrogram * ops.expand_dims(weights * spectrogram.shape[-1], axis=1)

    def compute_output_shape(self, input_shape):
        spectrogram, weights = input_shape
        if spectrogram[-1] != weights[-1]:
            raise ValueError(
                f"{self.name}: inputs have {spectrogram[-1]} frames but {weights[-1]} weights"
            )
        return spectrogram


class Projection(keras.layers.Layer):
    """Base of the layers that map both encoders' outputs into the shared space.

    A subclass builds its weights from the number of features, and defines `project`, and `join`
    where training does more than projecting both views.

    Call arguments:
        inputs: list of the sheet and audio features, each `[batch, features]`; or the features of
            one view alone, named by `view`.
        view: "sheet" or "audio" for a single view; None for both.
        training: whether statistics over the batch are used and updated.

    Output shape:
        `[batch, 2, size]` for both views (sheet first), `[batch, size]` for one; unit length.
    """

    def call(self, inputs, view=None, training=False):
        if view is None:
            projected = self.join(inputs[0], inputs[1], training)
            return ops.stack([unit_length(vectors) for vectors in projected], axis=1)
        if view not in VIEWS:
            raise ValueError(f"{self.name}: view must be one of {VIEWS}, got {view!r}")
        return unit_length(self.project(inputs, VIEWS.index(view)))

    def join(self, sheet, audio, training):
        """Projects both views; returns two tensors `[batch, size]`."""
        return self.project(sheet, 0), self.project(audio, 1)

    def project(self, features, index):
        """Projects one view, `[batch, features]` to `[batch, size]`."""
        raise TypeError(f"{type(self).__name__} does not define project")

    def build(self, input_shape):
        shapes = input_shape if isinstance(input_shape[0], list | tuple) else [input_shape]
        sizes = {shape[-1] for shape in shapes}
        if len(sizes) != 1 or None in sizes:
            raise ValueError(f"{self.name}: both views need one known size, got {input_shape}")
        self.build_weights(sizes.pop())
        self.built = True

    def build_weights(self, features):
        """Adds the layer's weights for `features` inputs in each view."""

    def output_size(self, features):
        """Dimensions of the shared space."""
        return features

    def compute_output_shape(self, input_shape):
        if isinstance(input_shape[0], list | tuple):
            batch, features = input_shape[0]
            return (batch, len(VIEWS), self.output_size(features))
        batch, features = input_shape
        return (batch, self.output_size(features))


@keras.saving.register_keras_serializable(PACKAGE)
class LinearProjection(Projection):
    """Learned affine map of each view into the shared space: the alternative to CCA.

    Args:
        size: dimensions of the shared space.
        l2: weight of the squared-norm penalty on both kernels.
    """

    def __init__(self, size, l2=0.0, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.l2 = l2

    def build_weights(self, features):
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

    def project(self, features, index):
        return ops.matmul(features, self.kernels[index]) + self.biases[index]

    def output_size(self, features):
        return self.size

    def get_config(self):
        return super().get_config() | {"size": self.size, "l2": self.l2}
