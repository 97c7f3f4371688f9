"""The devices over which training is spread, and the roles of its processes."""

from collections.abc import Callable

import keras
import tensorflow as tf

from tempo_invariant.errors import UserError

STRATEGIES = ("default", "mirrored", "multi_worker")


def make_strategy(name: str) -> tf.distribute.Strategy | None:
    """Makes the strategy with which TensorFlow distributes training.

    Args:
        name: Name of the strategy: "mirrored" (all GPUs of this machine, else its CPU), "default"
            (one device) or "multi_worker" (the cluster described in the environment's `TF_CONFIG`;
            the run directory must be on a file system that all workers share).

    Returns:
        A strategy, or None for one device, as on every other backend of Keras.

    Raises:
        ValueError: There is no strategy of this name.
        UserError: The strategy is "multi_worker" and the backend is not TensorFlow.
    """
    if name not in STRATEGIES:
        raise ValueError(f"strategy must be one of {STRATEGIES}, received {name!r}")
    backend = keras.backend.backend()
    tf.get_logger().setLevel("WARNING")
    if name == "multi_worker":
        if backend != "tensorflow":
            raise UserError(f"strategy multi_worker needs the tensorflow backend, not {backend}")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if name == "default" or backend != "tensorflow":
        return None
    return tf.distribute.MirroredStrategy()


def replica_count(distribution: tf.distribute.Strategy | None) -> int:
    """Returns the number of replicas that share a batch."""
    return distribution.num_replicas_in_sync if distribution else 1


def is_chief(distribution: tf.distribute.Strategy | None) -> bool:
    """Returns whether this process writes checkpoints and logs."""
    resolver = distribution.cluster_resolver if distribution else None
    return (
        resolver is None
        or not resolver.task_type
        or (resolver.task_type in ("chief", "worker") and resolver.task_id == 0)
    )


def synchronizer(distribution: tf.distribute.Strategy | None) -> Callable[[float], float]:
    """Returns a function from this worker's value to the mean over workers.

    Workers validate the same pairs with the same weights, but not to the last bit, and must not
    disagree about when to stop.
    """
    if not isinstance(distribution, tf.distribute.MultiWorkerMirroredStrategy):
        return float

    return lambda value: float(distribution.reduce("MEAN", tf.constant(value), axis=None))


def mixed_policy() -> str:
    """Returns Keras' policy: half precision with loss scaling on GPUs, bfloat16 elsewhere."""
    return "mixed_float16" if tf.config.list_physical_devices("GPU") else "mixed_bfloat16"
