"""Sums and rows over every replica of a distributed step.

Statistics over a batch are statistics over the global batch. Under a TensorFlow strategy each
replica sees its share, so it has to ask the others; elsewhere (one device, or JAX, where a
sharded batch is one global array) the local value is the global one already.

Both functions are differentiable, and the gradient is that of one replica with the whole batch
as long as every replica's loss is divided by the number of replicas, as Keras does.
"""

from typing import Any

import keras
from keras import ops

from tempo_invariant.model.layers import Tensor


def _context() -> Any:
    """Returns the TensorFlow replica context when there are several replicas, else None."""
    if keras.backend.backend() != "tensorflow":
        return None
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return context if context is not None and context.num_replicas_in_sync > 1 else None


def count() -> int:
    """Returns the number of replicas that share a step's batch, 1 outside any strategy."""
    context = _context()
    return 1 if context is None else context.num_replicas_in_sync


def global_sum(values: Any) -> Any:
    """Returns the sum of a tensor over replicas, or of each tensor of a list.

    Args:
        values: Tensor, or list of tensors, of the same shapes on every replica.

    Returns:
        Tensors of those shapes, equal on every replica.
    """
    context = _context()
    return values if context is None else context.all_reduce("SUM", values)


def global_rows(rows: Tensor) -> tuple[Tensor, Tensor | int]:
    """Returns the rows of every replica, in the order of the replicas.

    Args:
        rows: Rows of this replica, `[local batch, size]`.

    Returns:
        All the rows, `[global batch, size]`, and the number of this replica's first one.
    """
    context = _context()
    if context is None:
        return rows, 0
    sizes = context.all_gather(ops.reshape(ops.shape(rows)[0], [1]), axis=0)
    offset = ops.sum(sizes[: context.replica_id_in_sync_group])
    return context.all_gather(rows, axis=0), offset
