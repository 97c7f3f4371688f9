"""A model that is opened when it is first needed: what is wrong with the input is told before."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any, cast

from tempo_invariant.model import pretrained, runs
from tempo_invariant.retrieval.embedders import Embedder, open_embedder, source_of


def open_later(**choice: Any) -> Embedder:
    """Returns a model that is opened when it is first asked something.

    Args:
        **choice: Arguments of `open_embedder`, which opens it.
    """
    staves, kind, name = None, choice["kind"], choice["name"]
    if kind in ("run", "pretrained"):
        run = pretrained.find(name) if kind == "pretrained" else name
        staves = runs.load_experiment(run).model.staves
    return cast(Embedder, _Later(source_of(**choice), staves, partial(open_embedder, **choice)))


def is_open(embedder: Embedder) -> bool:
    """Whether a model is open, and asking it something takes no time."""
    return not isinstance(embedder, _Later) or "opened" in vars(embedder)


class _Later:
    """A model that is opened when something is asked of it but its source, and maybe its staves."""

    def __init__(self, source: dict[str, str], staves: str | None, opener: Callable[[], Embedder]):
        self.source = source
        if staves is not None:
            self.staves = staves
        self._opener = opener

    @cached_property
    def opened(self) -> Embedder:
        """The model."""
        return self._opener()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self.opened, name)
