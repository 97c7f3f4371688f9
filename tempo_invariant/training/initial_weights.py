"""Initial weights from another model, which may lack parts or hear shorter excerpts."""

from collections.abc import Sequence

import keras
import numpy as np

from tempo_invariant.errors import UserError
from tempo_invariant.model.cca import CanonicalProjection
from tempo_invariant.model.layers import LinearProjection

_FREE_LAYERS = ("audio_features", "attention_channels", "projection", "temperature")
"""Layers that depend on the length of the excerpt, the kind of projection or the loss."""


def copy_weights(model: keras.Model, source: keras.Model) -> list[str]:
    """Copies the weights of a model's layers from the layers of the same name in another.

    A CCA layer becomes a linear projection. If the source hears shorter excerpts, the audio encoder
    listens to the middle of the longer ones, and the attention gives each new frame the mean score
    of the others. Layers that the source lacks (an attention, say), and layers that cannot be
    converted, stay as they are.

    Args:
        model: Model as `tempo_invariant.model.network.build_model` makes it.
        source: Model of the same kind, with the same channels.

    Returns:
        The names of the layers with weights that stay as they are.

    Raises:
        UserError: Any other layer differs in shape.
    """
    others = {layer.name: layer for layer in source.layers}
    untouched = []
    for layer in model.layers:
        other = others.get(layer.name)
        weights = _weights(layer, other, model, source) if other else []
        expected = [tuple(weight.shape) for weight in layer.weights]
        if [value.shape for value in weights] == expected:
            layer.set_weights(weights)
        elif other is None or layer.name in _FREE_LAYERS:
            untouched.append(layer.name)
        else:
            raise UserError(f"the initial run is of another model: layer {layer.name} differs")
    return untouched


def _weights(
    layer: keras.Layer, other: keras.Layer, model: keras.Model, source: keras.Model
) -> list[np.ndarray]:
    """Returns weights for one layer, from the layer of its name in the source."""
    if isinstance(layer, LinearProjection) and isinstance(other, CanonicalProjection):
        return other.linear_weights()
    weights = other.get_weights()
    longer = model.input["audio"].shape[-1] - source.input["audio"].shape[-1]
    if longer > 0 and layer.name == "audio_features":
        old, new = (each.get_layer("audio_flat").input.shape[1:] for each in (source, model))
        return [_in_the_middle(weights[0], old, new)]
    if longer > 0 and layer.name == "attention_channels":
        width = (longer // 2, longer - longer // 2)
        return [np.pad(v, [(0, 0)] * (v.ndim - 1) + [width], mode="mean") for v in weights]
    return weights


def _in_the_middle(kernel: np.ndarray, old: Sequence[int], new: Sequence[int]) -> np.ndarray:
    """Widens a kernel over flat maps, with the old maps in the middle.

    The kernel is `[rows * columns * channels, outputs]`, and the shapes of the maps are rows,
    columns and channels. If the difference is odd, each old column is shared by two neighbours.
    """
    wider = new[1] - old[1]
    result = np.zeros([*new, kernel.shape[-1]], kernel.dtype)
    for left in (wider // 2, wider - wider // 2):
        result[:, left : left + old[1]] += kernel.reshape(*old, -1) / 2
    return result.reshape(-1, kernel.shape[-1])
