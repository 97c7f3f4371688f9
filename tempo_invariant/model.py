"""The two-tower model as a Keras functional model, and its towers alone.

Section 2 of the paper; sizes and order of layers as in the authors' published code.
"""

import keras
from keras import ops

from tempo_invariant import cca, geometry, layers, normalization
from tempo_invariant.config import ModelConfig

NORMALIZATION = {"momentum": 0.9, "epsilon": 1e-4}
"""Batch normalisation as in the authors' framework; statistics follow within ten batches."""


def build_model(config: ModelConfig, synchronized: bool = False) -> keras.Model:
    """Builds the model that embeds pairs.

    Inputs, as a dictionary: "sheet", snippets `[batch, 80, 100]` of grey values 0 (ink) to 255
    (paper), uint8; and "audio", log spectrograms `[batch, 92, frames]`, float32.

    Output: `[batch, 2, embedding_size]`, unit-length embeddings of the sheet and of the audio.

    Layers to find by name: "sheet_features" and "audio_features" (the encoders' outputs),
    "projection", and with attention "attention" (weights `[batch, frames]`).

    Args:
        config: the architecture.
        synchronized: whether batch normalisation uses the batch of all replicas; needs the
            TensorFlow backend.

    Raises:
        ValueError: `synchronized` on another backend.
    """
    if synchronized and keras.backend.backend() != "tensorflow":
        raise ValueError("synchronized batch normalisation needs the TensorFlow backend")
    sheet = keras.Input((geometry.SHEET_HEIGHT, geometry.SHEET_WIDTH), dtype="uint8", name="sheet")
    audio = keras.Input((geometry.BANDS, config.frames), name="audio")

    scaled = keras.layers.Rescaling(1 / 255, name="sheet_scale")(sheet)
    attended = _attend(audio, config, synchronized) if config.attention else audio
    features = [
        _encoder(scaled, "sheet", config, synchronized),
        _encoder(attended, "audio", config, synchronized),
    ]
    embeddings = _projection(config)(features)
    return keras.Model({"sheet": sheet, "audio": audio}, embeddings, name="tempo_invariant")


def sheet_encoder(model: keras.Model) -> keras.Model:
    """Snippets `[batch, 80, 100]` to embeddings `[batch, embedding_size]`; shares the weights."""
    features = model.get_layer("sheet_features").output
    embedding = model.get_layer("projection")(features, view="sheet")
    return keras.Model(model.input["sheet"], embedding, name="sheet_encoder")


def audio_encoder(model: keras.Model) -> keras.Model:
    """Spectrograms `[batch, 92, frames]` to embeddings and attention; shares the weights.

    The output is a dictionary: "embedding" `[batch, embedding_size]` and "attention"
    `[batch, frames]`, which sums to one and is uniform in a model without attention.
    """
    features = model.get_layer("audio_features").output
    embedding = model.get_layer("projection")(features, view="audio")
    outputs = {"embedding": embedding, "attention": _attention_weights(model)}
    return keras.Model(model.input["audio"], outputs, name="audio_encoder")


def sheet_features(model: keras.Model) -> keras.Model:
    """Snippets to the sheet encoder's output before the projection, `[batch, embedding_size]`."""
    features = model.get_layer("sheet_features").output
    return keras.Model(model.input["sheet"], features, name="sheet_features_model")


def audio_features(model: keras.Model) -> keras.Model:
    """Spectrograms to the audio encoder's output before the projection."""
    features = model.get_layer("audio_features").output
    return keras.Model(model.input["audio"], features, name="audio_features_model")


def _attention_weights(model):
    audio = model.input["audio"]
    if any(layer.name == "attention" for layer in model.layers):
        return model.get_layer("attention").output
    return ops.full_like(audio[:, 0, :], 1 / audio.shape[-1])


def _attend(spectrogram, config, synchronized):
    """Spectrogram times T times the attention pathway's weights, `[batch, 92, frames]`."""
    maps = _convolutions(spectrogram, "attention", config, synchronized)
    maps = _convolution(config.frames, 1, "attention_channels", config, use_bias=True)(maps)
    scores = keras.layers.GlobalAveragePooling2D(name="attention_scores")(maps)
    weights = keras.layers.Softmax(name="attention", dtype=keras.config.floatx())(scores)
    return layers.FrameAttention(name="attended")([spectrogram, weights])


def _encoder(image, name, config, synchronized):
    """Convolutions, then `embedding_size` features, shifted by nothing but the projection."""
    maps = _convolutions(image, name, config, synchronized)
    maps = _convolution(config.embedding_size, 1, f"{name}_channels", config)(maps)
    maps = _normalization(f"{name}_channels_norm", synchronized, center=False)(maps)
    return keras.layers.Dense(
        config.embedding_size,
        use_bias=False,
        kernel_initializer="he_uniform",
        kernel_regularizer=_regularizer(config),
        name=f"{name}_features",
    )(keras.layers.Flatten(name=f"{name}_flat")(maps))


def _convolutions(image, name, config, synchronized):
    """Blocks of two [convolution, ELU, batch norm] and a pooling that halves both axes."""
    maps = keras.layers.Reshape((*image.shape[1:], 1), name=f"{name}_image")(image)
    for block, filters in enumerate(config.filters, start=1):
        for step in (1, 2):
            label = f"{name}_conv{block}_{step}"
            convolution = _convolution(filters, 3, label, config, activation="elu", use_bias=True)
            maps = convolution(maps)
            maps = _normalization(f"{label}_norm", synchronized)(maps)
        maps = keras.layers.MaxPooling2D(2, name=f"{name}_pool{block}")(maps)
    return maps


def _convolution(filters, size, name, config, activation=None, use_bias=False):
    return keras.layers.Conv2D(
        filters,
        size,
        padding="same",
        activation=activation,
        use_bias=use_bias,
        kernel_initializer="he_uniform",
        kernel_regularizer=_regularizer(config),
        name=name,
    )


def _normalization(name, synchronized, center=True):
    return normalization.FusedBatchNormalization(
        name=name, synchronized=synchronized, center=center, **NORMALIZATION
    )


def _projection(config):
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


def _regularizer(config):
    return keras.regularizers.L2(config.l2) if config.l2 else None
