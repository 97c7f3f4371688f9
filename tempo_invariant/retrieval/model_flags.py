"""The flags by which a command is told who computes the embeddings."""

from absl import flags

from tempo_invariant import pretrained
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval.backends import Backend, open_backend


def define() -> None:
    """Defines --run, --pretrained, --export, --server, --weights, --model_name and --wait."""
    flags.DEFINE_string("run", None, "Directory of the training run whose model embeds.")
    flags.DEFINE_string("pretrained", None, "Name of a model that ships, which embeds instead.")
    flags.DEFINE_string("export", None, "SavedModel that embeds instead, or their directory.")
    flags.DEFINE_string("server", None, "HOST:PORT of a gRPC server that embeds instead.")
    flags.DEFINE_string("weights", None, "best, refined or a file; default: refined if there.")
    flags.DEFINE_string("model_name", "tempo_invariant", "The model's name at the server.")
    flags.DEFINE_float("wait", 0.0, "Seconds to wait for a server that is just starting.", 0)


def open_model() -> Backend:
    """Opens the model that the flags name.

    Raises:
        UserError: not exactly one is named, or it cannot be used.
    """
    values = flags.FLAGS
    if sum(map(bool, (values.run, values.pretrained, values.export, values.server))) != 1:
        raise UserError(
            "give one of --run, --export, --server and --pretrained: who computes the embeddings"
        )
    if not values.pretrained:
        return open_backend(
            values.run,
            values.export,
            values.server,
            values.weights,
            values.model_name,
            values.wait,
        )
    backend = open_backend(run=pretrained.chosen_run())
    backend.name = pretrained.label(pretrained.chosen_run())
    return backend
