"""What every layer of the package has to pass."""

import keras
import numpy as np


def check_layer(layer, inputs, expected_shape, trainable, non_trainable, folder):
    """Asserts config round trip, shapes in both modes, weight counts, and saving with a model.

    Args:
        layer: an unbuilt layer.
        inputs: an array, or a list of arrays where the layer takes a list.
        expected_shape: shape of the output for `inputs`.
        trainable: number of trainable weight tensors.
        non_trainable: number of other weight tensors.
        folder: where a model may be saved.

    Returns:
        The layer's output at inference, NumPy.
    """
    copy = type(layer).from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()

    in_training = layer(inputs, training=True)
    outputs = keras.ops.convert_to_numpy(layer(inputs, training=False))
    assert tuple(in_training.shape) == tuple(outputs.shape) == tuple(expected_shape)
    shapes = [x.shape for x in inputs] if isinstance(inputs, list) else inputs.shape
    assert tuple(layer.compute_output_shape(shapes)) == tuple(expected_shape)
    assert len(layer.trainable_weights) == trainable
    assert len(layer.non_trainable_weights) == non_trainable

    symbolic = keras.tree.map_structure(lambda x: keras.Input(x.shape[1:]), inputs)
    model = keras.Model(symbolic, layer(symbolic))
    path = folder / f"{layer.name}.keras"
    model.save(path)
    reloaded = keras.saving.load_model(path)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(reloaded(inputs)), outputs)
    for before, after in zip(model.weights, reloaded.weights, strict=True):
        np.testing.assert_array_equal(
            keras.ops.convert_to_numpy(before), keras.ops.convert_to_numpy(after)
        )
    return outputs
