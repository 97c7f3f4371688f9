"""Muon for convolutions: steps in which every direction of a kernel counts alike."""

import math

import keras
from keras import ops


class Muon(keras.optimizers.Muon):
    """Keras' Muon, which also takes the kernels of convolutions, as matrices to output channels.

    Jordan et al. 2024: the momentum of a matrix is replaced by the orthogonal matrix nearest to it.
    Scaled as in Liu et al. 2025 (arXiv:2502.16982), `0.2 sqrt(larger side)`, a step has the size of
    one of Adam's, and rates carry over. Keras' own takes matrices only. Vectors, and the last layer
    (the projection), are left to Adam, as there.

    Args:
        learning_rate: a rate or a schedule.
        weight_decay: decoupled decay, for Adam's variables too.
        options: of `keras.optimizers.Optimizer`.
    """

    def __init__(self, learning_rate=0.001, weight_decay=0.0, **options):
        options = {"adam_weight_decay": weight_decay} | options
        super().__init__(learning_rate, weight_decay=weight_decay, **options)

    def _should_use_adamw(self, variable):
        return len(variable.shape) < 2 or "projection" in variable.path

    def _muon_update_step(self, gradient, variable, lr, m):
        self.assign(m, self.momentum * m + gradient)
        ahead = gradient + self.momentum * m
        matrix = ops.reshape(ahead, (-1, variable.shape[-1]))
        step = self.zeropower_via_newtonschulz5(matrix, self.ns_steps)
        size = lr * self.rms_rate * math.sqrt(max(matrix.shape))
        self.assign_sub(variable, size * ops.reshape(step, variable.shape))
