"""The two-tower model as a Keras functional model, and its towers alone.

Section 2 of the paper; sizes and order of layers as in the authors' published code by default.
`ModelConfig.blocks` and the fields after it depart from it, for cheaper and sturdier models.
"""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from tempo_invariant import geometry
from tempo_invariant.config import ModelConfig
from tempo_invariant.model import cca, layers, levels, normalization

MOMENTUM = 0.9
"""Momentum of batch normalisation as in the authors' framework: averages over ten batches."""

EPSILON = 1e-4
"""Constant of batch normalisation as in the authors' framework."""

STEM = 5
"""Kernel size of the convolution that halves an image, which has one channel, in strided blocks."""


def build_model(
    config: ModelConfig, synchronized: bool = False, momentum: float = MOMENTUM
) -> keras.Model:
    """Builds the model that embeds pairs.

    Inputs, as a dictionary: "sheet", snippets `[batch, 80, 100]` of grey values 0 (ink) to 255
    (paper), uint8; and "audio", log spectrograms `[batch, 92, frames]`, float32.

    Output: `[batch, 2, embedding_size]`, unit-length embeddings of the sheet and of the audio. With
    a temperature, and in training alone, they are scaled so that inner products are logits.

    Layers to find by name: "sheet_features" and "audio_features" (the encoders' outputs),
    "projection", and, where there are such, "attention" (weights `[batch, frames]`) and
    "temperature".

    Args:
        config: Architecture of the model.
        synchronized: Whether batch normalisation uses the batch of all replicas; needs the
            TensorFlow backend.
        momentum: Momentum of batch normalisation's statistics; it matters in training alone.

    Raises:
        ValueError: `synchronized` is true on another backend.
    """
    if synchronized and keras.backend.backend() != "tensorflow":
        raise ValueError("synchronized batch normalisation needs the TensorFlow backend")
    sheet = keras.Input((geometry.SHEET_HEIGHT, geometry.SHEET_WIDTH), dtype="uint8", name="sheet")
    audio = keras.Input((geometry.BANDS, config.frames), name="audio")

    parts = _Parts(config, synchronized, momentum)
    scaled = keras.layers.Rescaling(1 / 255, name="sheet_scale")(sheet)
    heard = _level(audio, config)
    attended = _attend(heard, parts) if config.attention else heard
    features = [_encoder(scaled, "sheet", parts), _encoder(attended, "audio", parts)]
    embeddings = _projection(config)(features)
    if config.temperature:
        dtype = keras.config.floatx()
        temperature = layers.Temperature(config.temperature, name="temperature", dtype=dtype)
        embeddings = temperature(embeddings)
    return keras.Model({"sheet": sheet, "audio": audio}, embeddings, name="tempo_invariant")


def sheet_encoder(model: keras.Model) -> keras.Model:
    """Returns the model from snippets `[batch, 80, 100]` to embeddings; shares the weights."""
    features = model.get_layer("sheet_features").output
    embedding = model.get_layer("projection")(features, view="sheet")
    return keras.Model(model.input["sheet"], embedding, name="sheet_encoder")


def audio_encoder(model: keras.Model) -> keras.Model:
    """Returns the model from spectrograms to embeddings and attention; shares the weights.

    Its input is `[batch, 92, frames]`, its output a dictionary: "embedding"
    `[batch, embedding_size]` and "attention" `[batch, frames]`, which sums to one and is uniform
    in a model without attention.
    """
    features = model.get_layer("audio_features").output
    embedding = model.get_layer("projection")(features, view="audio")
    outputs = {"embedding": embedding, "attention": _attention_weights(model)}
    return keras.Model(model.input["audio"], outputs, name="audio_encoder")


def _attention_weights(model: keras.Model) -> keras.KerasTensor:
    """Returns the weights of the attention, or uniform ones, `[batch, frames]`."""
    audio = model.input["audio"]
    if any(layer.name == "attention" for layer in model.layers):
        weights, attended = model.get_layer("attention").output, model.get_layer("attended")
        if not attended.rest:
            return weights
        heard = attended.heard(weights)
        return heard / ops.maximum(ops.sum(heard, axis=-1, keepdims=True), 1e-30)
    return ops.full_like(audio[:, 0, :], 1 / audio.shape[-1])


def multiply_adds(model: keras.Model) -> int:
    """Counts the multiplications by a weight, each with its addition, that embedding a pair takes.

    Counted from the shapes of kernels and outputs: convolutions (depthwise ones too), dense layers,
    the projection and the matrix product of PCEN. Operations on single values (normalisation,
    activation, pooling) are not.

    Args:
        model: Model as `build_model` makes it.
    """
    return sum(map(_multiply_adds, model.layers))


def parameters(model: keras.Model) -> int:
    """Counts the trainable numbers of a model."""
    return sum(math.prod(weight.shape) for weight in model.trainable_weights)


def size_line(parameters: int, multiply_adds: int) -> str:
    """Returns the size of a model in words, for reports."""
    return f"{parameters:,d} parameters, {multiply_adds / 1e6:,.1f} M multiply-adds a pair"


def _multiply_adds(layer: keras.Layer) -> int:
    if hasattr(layer, "multiply_adds"):
        return layer.multiply_adds()
    kernels = [weight for weight in layer.trainable_weights if weight.name.endswith("kernel")]
    # Every kernel is applied once at each place of the output (of a separable convolution both).
    return sum(math.prod(layer.output.shape[1:-1]) * math.prod(k.shape) for k in kernels)


def _level(spectrogram: keras.KerasTensor, config: ModelConfig) -> keras.KerasTensor:
    """Returns the spectrogram at the level of `audio_normalization`, `[batch, 92, frames]`."""
    dtype = keras.config.floatx()  # not that of a mixed-precision policy
    if config.audio_normalization == "none":
        return spectrogram
    level = levels.LevelNormalization(config.audio_level, name="audio_level", dtype=dtype)
    if config.audio_normalization == "excerpt":
        return level(spectrogram)
    floor = config.audio_level / 100
    energy = levels.ChannelEnergyNormalization(floor, name="audio_pcen", dtype=dtype)
    return energy(level(spectrogram))


def _attend(spectrogram: keras.KerasTensor, parts: "_Parts") -> keras.KerasTensor:
    """Returns the spectrogram times T times the attention's weights, `[batch, 92, frames]`."""
    config = parts.config
    maps = parts.blocks(spectrogram, "attention", config.attention_filters or config.filters)
    maps = parts.convolution(config.frames, 1, "attention_channels", use_bias=True)(maps)
    scores = keras.layers.GlobalAveragePooling2D(name="attention_scores")(maps)
    weights = keras.layers.Softmax(name="attention", dtype=keras.config.floatx())(scores)
    attended = layers.FrameAttention(config.attention_rest, name="attended")
    return attended([spectrogram, weights])


def _encoder(image: keras.KerasTensor, name: str, parts: "_Parts") -> keras.KerasTensor:
    """Returns `embedding_size` features of an image; only the projection shifts them."""
    config = parts.config
    maps = parts.blocks(image, name, config.filters)
    maps = parts.convolution(config.embedding_size, 1, f"{name}_channels")(maps)
    maps = parts.normalization(f"{name}_channels_norm", center=False)(maps)
    return keras.layers.Dense(
        config.embedding_size,
        use_bias=False,
        kernel_initializer="he_uniform",
        kernel_regularizer=_regularizer(config),
        name=f"{name}_features",
    )(keras.layers.Flatten(name=f"{name}_flat")(maps))


class _Parts:
    """Makes the parts of encoders and attention; arguments as in `build_model`."""

    def __init__(self, config: ModelConfig, synchronized: bool, momentum: float) -> None:
        self.config = config
        self.synchronized = synchronized
        self.momentum = momentum

    def blocks(
        self, image: keras.KerasTensor, name: str, filters: Sequence[int]
    ) -> keras.KerasTensor:
        """Adds a block for each number of filters; each halves rows and columns.

        Published: convolutions, then a pooling. Otherwise the first convolution strides, which
        leaves a quarter of the work to those after it, each of which is added to its input.
        """
        maps = keras.layers.Reshape((*image.shape[1:], 1), name=f"{name}_image")(image)
        pooled = self.config.blocks == "conv"
        for block, channels in enumerate(filters, start=1):
            label = f"{name}_conv{block}"
            stride = 1 if pooled else 2
            maps = self.unit(maps, channels, f"{label}_1", stride)
            for step in range(2, self.config.units + 2):
                new = self.unit(maps, channels, f"{label}_{step}")
                add = keras.layers.Add(name=f"{name}_add{block}_{step}")
                maps = new if pooled else add([maps, new])
            if pooled:
                maps = keras.layers.MaxPooling2D(2, name=f"{name}_pool{block}")(maps)
        return maps

    def unit(
        self, maps: keras.KerasTensor, filters: int, label: str, strides: int = 1
    ) -> keras.KerasTensor:
        """Adds convolution, ELU and batch normalisation, in the order of the configuration."""
        size = STEM if strides > 1 and maps.shape[-1] == 1 else 3
        separable = self.config.blocks == "separable" and maps.shape[-1] > 1
        first = self.config.activation_before_norm
        maps = self.convolution(
            filters,
            size,
            label,
            separable=separable,
            strides=strides,
            activation=layers.elu if first else None,
            use_bias=first,
        )(maps)
        maps = self.normalization(f"{label}_norm")(maps)
        if first:
            return maps
        return keras.layers.Activation(layers.elu, name=f"{label}_elu")(maps)

    def convolution(
        self,
        filters: int,
        size: int,
        name: str,
        separable: bool = False,
        use_bias: bool = False,
        **kwargs: Any,
    ) -> keras.Layer:
        """Makes a convolution with its initial weights and penalty."""
        regularizer = _regularizer(self.config)
        kwargs |= {"padding": "same", "use_bias": use_bias, "name": name}
        if not separable:
            return keras.layers.Conv2D(
                filters,
                size,
                kernel_initializer="he_uniform",
                kernel_regularizer=regularizer,
                **kwargs,
            )
        return keras.layers.SeparableConv2D(
            filters,
            size,
            # Each channel has its own kernel: he_uniform would count the inputs of all.
            depthwise_initializer=keras.initializers.VarianceScaling(2.0, "fan_out", "uniform"),
            depthwise_regularizer=regularizer,
            pointwise_initializer="he_uniform",
            pointwise_regularizer=regularizer,
            **kwargs,
        )

    def normalization(self, name: str, center: bool = True) -> keras.Layer:
        """Makes a batch normalisation."""
        return normalization.FusedBatchNormalization(
            name=name,
            synchronized=self.synchronized,
            center=center,
            momentum=self.momentum,
            epsilon=EPSILON,
        )


def _projection(config: ModelConfig) -> layers.Projection:
    dtype = keras.config.floatx()  # not that of a mixed-precision policy
    if config.projection == "linear":
        return layers.LinearProjection(
            config.embedding_size, l2=config.l2, name="projection", dtype=dtype
        )
    return cca.CanonicalProjection(
        alpha=config.cca_alpha,
        regularization=config.cca_regularization,
        name="projection",
        dtype=dtype,
    )


def _regularizer(config: ModelConfig) -> keras.Regularizer | None:
    return keras.regularizers.L2(config.l2) if config.l2 else None
