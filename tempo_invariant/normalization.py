"""Batch normalisation, fast where one device trains on TensorFlow."""

import keras
from keras import ops

from tempo_invariant import layers, replicas


@keras.saving.register_keras_serializable(layers.PACKAGE)
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Keras' batch normalisation of images, with TensorFlow's fused kernel where it applies.

    Same arguments, weights and numbers. On TensorFlow, Keras composes the training step of this
    layer from elementwise operations, which takes a fifth of a training step on a processor; the
    fused kernel is used for `[batch, rows, columns, channels]` unless the statistics have to be
    summed over several replicas.

    Args:
        **kwargs: those of `keras.layers.BatchNormalization`; axis, scale and masks stay at their
            defaults.
    """

    def call(self, inputs, training=None, mask=None):
        if not (training and self.trainable and self._fusible(inputs)):
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=ops.cast(self.gamma, "float32"),
            offset=ops.cast(self.beta, "float32") if self.center else ops.zeros_like(self.gamma),
            epsilon=self.epsilon,
            is_training=True,
        )
        # The kernel divides the variance that it reports by n - 1, Keras by n.
        count = ops.cast(ops.prod(ops.shape(inputs)[:-1]), variance.dtype)
        variance = variance * (count - 1) / count
        self.moving_mean.assign(self._moved(self.moving_mean, mean))
        self.moving_variance.assign(self._moved(self.moving_variance, variance))
        return outputs

    def _fusible(self, inputs):
        return (
            keras.backend.backend() == "tensorflow"
            and len(inputs.shape) == 4
            and not (self.synchronized and replicas.count() > 1)
        )

    def _moved(self, average, value):
        return average * self.momentum + value * (1 - self.momentum)
