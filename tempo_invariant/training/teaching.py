"""A teacher: a trained model whose embeddings another model imitates while it is trained.

A small model that is told where a large one puts each pair learns more of it than of the pairs
alone; see Hinton et al. 2015, "Distilling the Knowledge in a Neural Network".
"""

from typing import Any

import keras
from keras import ops

from tempo_invariant.model import layers
from tempo_invariant.model.layers import Tensor


@keras.saving.register_keras_serializable(layers.PACKAGE)
class ImitationLoss(keras.losses.Loss):
    """Distance of both embeddings of a pair from the teacher's: weight (2 - cos sheet - cos audio).

    Args:
        weight: Factor of the distance.

    Call arguments:
        y_true: The teacher's embeddings `[batch, 2, size]`, of unit length, sheet first.
        y_pred: The student's embeddings `[batch, 2, size]`, of any length.
    """

    def __init__(self, weight: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.weight = weight

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        cosines = ops.sum(layers.unit_length(y_pred) * y_true, axis=-1)
        return self.weight * ops.sum(1.0 - cosines, axis=-1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"weight": self.weight}


def teach(model: keras.Model, teacher: keras.Model, weight: float) -> None:
    """Adds a teacher's term to the loss of a compiled model.

    For the same pairs as the student, the teacher computes embeddings as in use. Its weights are no
    part of the student: they are neither trained nor saved with it.

    Args:
        model: Student, as `tempo_invariant.model.network.build_model` makes it.
        teacher: Teacher, likewise.
        weight: Weight of its term, see `ImitationLoss`.
    """
    teacher.trainable = False
    ordinary, imitation = model.compute_loss, ImitationLoss(weight)

    # As an attribute, the teacher would become a part of the student.
    def compute_loss(
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Tensor:
        shown = ops.stop_gradient(teacher(x, training=False))
        return ordinary(x, y, y_pred, sample_weight, training) + imitation(shown, y_pred)

    model.compute_loss = compute_loss
