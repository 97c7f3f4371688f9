"""Losses that compare every pair with the global batch: pairwise ranking, softmax."""

from typing import Any

import keras
from keras import ops

from tempo_invariant.model import layers, replicas
from tempo_invariant.model.layers import Tensor


def pairwise_ranking_loss(queries: Tensor, candidates: Tensor, margin: float = 0.7) -> Tensor:
    """Returns the mean hinge of every query against the candidates that are not its partner.

    Kiros et al. 2014 in one direction: for query i and global batch size n, the mean over j != i of
    `max(0, margin - s_ii + s_ij)` with cosine similarities s. Negatives come from all replicas.

    Args:
        queries: Unit-length embeddings, `[local batch, size]`.
        candidates: Unit-length embeddings of the partners, row by row, `[local batch, size]`.
        margin: Similarity by which a partner should exceed any other candidate.

    Returns:
        One mean per query, `[local batch]`.
    """
    everyone, offset = replicas.global_rows(candidates)
    count = ops.shape(everyone)[0]
    similarities = ops.matmul(queries, ops.transpose(everyone))
    partners = ops.sum(queries * candidates, axis=-1, keepdims=True)
    hinges = ops.relu(margin - partners + similarities)
    own = offset + ops.arange(ops.shape(queries)[0], dtype="int32")
    is_partner = ops.equal(ops.arange(count, dtype="int32")[None, :], own[:, None])
    hinges = ops.where(is_partner, ops.zeros_like(hinges), hinges)
    negatives = ops.cast(ops.maximum(count - 1, 1), hinges.dtype)
    return ops.sum(hinges, axis=-1) / negatives


@keras.saving.register_keras_serializable(layers.PACKAGE)
class PairwiseRankingLoss(keras.losses.Loss):
    """`pairwise_ranking_loss` of the model's joint output, sheet to audio.

    Under a strategy, Keras' division by the number of replicas makes the sum over replicas the
    loss of the global batch, given equal shares.

    Args:
        margin: Similarity by which a partner should exceed any other candidate.
        symmetric: Whether the other direction, audio to sheet, is added.

    Call arguments:
        y_true: Ignored; anything with one entry per pair.
        y_pred: Unit-length embeddings `[batch, 2, size]`, sheet first.
    """

    def __init__(self, margin: float = 0.7, symmetric: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.margin = margin
        self.symmetric = symmetric

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        sheet, audio = y_pred[:, 0], y_pred[:, 1]
        loss = pairwise_ranking_loss(sheet, audio, self.margin)
        if self.symmetric:
            loss = loss + pairwise_ranking_loss(audio, sheet, self.margin)
        return loss

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"margin": self.margin, "symmetric": self.symmetric}


def softmax_cross_entropy(queries: Tensor, candidates: Tensor) -> Tensor:
    """Returns the cross-entropy of every query's partner among the candidates of the global batch.

    For query i, `log sum_j exp(s_ij) - s_ii` with logits s, the inner products.

    Args:
        queries: Embeddings scaled so that inner products are logits, `[local batch, size]`.
        candidates: Embeddings of the partners, row by row, `[local batch, size]`.

    Returns:
        One value per query, `[local batch]`.
    """
    everyone, _ = replicas.global_rows(candidates)
    logits = ops.matmul(queries, ops.transpose(everyone))
    return ops.logsumexp(logits, axis=-1) - ops.sum(queries * candidates, axis=-1)


@keras.saving.register_keras_serializable(layers.PACKAGE)
class SoftmaxLoss(keras.losses.Loss):
    """Mean of `softmax_cross_entropy` in both directions, as in CLIP (Radford et al. 2021).

    The temperature is learned in the model, by `layers.Temperature`.

    Call arguments:
        y_true: Ignored; anything with one entry per pair.
        y_pred: Embeddings `[batch, 2, size]` whose inner products are logits, sheet first.
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        sheet, audio = y_pred[:, 0], y_pred[:, 1]
        return (softmax_cross_entropy(sheet, audio) + softmax_cross_entropy(audio, sheet)) / 2
