"""Learning from a trained model: a pair is drawn towards the places that the other gives it.

A partner among a batch of negatives says little about where an embedding should lie; a teacher's
embeddings of the same, equally varied pair say it in every component. As feature distillation in
CLIP-KD (Yang et al. 2024), next to the loss over the batch.
"""

import keras

from tempo_invariant.errors import UserError
from tempo_invariant.losses import CosineDistance


class Student(keras.Model):
    """A model in whose loss the distance from a teacher's embeddings of the same pairs counts too.

    Shares layers and weights with the model that it is made of; the teacher is no part of it, is
    not trained, and not saved with it. `fit` takes the teacher's audio as targets.

    Args:
        model: as `tempo_invariant.model.build_model` makes it.
        teacher: the same, trained; its excerpts may be longer, and are centred on the same onset.
        weight: of the mean distance, beside the compiled loss.

    Raises:
        UserError: the teacher's embeddings have another size.
    """

    def __init__(self, model: keras.Model, teacher: keras.Model, weight: float):
        if teacher.output.shape != model.output.shape:
            raise UserError(
                f"the teacher embeds in {teacher.output.shape[-1]} dimensions, "
                f"this model in {model.output.shape[-1]}"
            )
        super().__init__(model.input, model.output, name=model.name)
        self._weight = weight
        self._distance = CosineDistance()
        # A function: Keras would make a model that is an attribute a part of this one.
        self._teach = lambda pair: teacher(pair, training=False)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """The compiled loss, and the distance from the teacher times its weight."""
        loss = super().compute_loss(x, y, y_pred, sample_weight, training)
        taught = keras.ops.stop_gradient(self._teach({"sheet": x["sheet"], "audio": y}))
        return loss + self._weight * self._distance(taught, y_pred)


def middle(spectrograms, frames: int):
    """The middle of excerpts, `[batch, bands, longer]` to `[batch, bands, frames]`."""
    start = (spectrograms.shape[-1] - frames) // 2
    return spectrograms[:, :, start : start + frames]
