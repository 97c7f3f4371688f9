"""The one model that all share: it is loaded while the page is there already."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

from tempo_invariant.web.refusals import told

if TYPE_CHECKING:
    from tempo_invariant.retrieval.embedders import Embedder
    from tempo_invariant.retrieval.library import SnippetIndex

_STEP_SECONDS = 0.2


class Stopped(Exception):
    """The server ends, so what is being done is left."""


class SharedModel:
    """A model that is loaded in a thread; who needs it waits for it.

    Args:
        opener: Function that returns the model, not loaded yet, see `late_embedder.open_later`.
        told: Called when it has been loaded, or cannot be.
    """

    def __init__(self, opener: "Callable[[], Embedder]", told: Callable[[], None]):
        self._opener = opener
        self._told = told
        self._lock = threading.Lock()
        self._later: Future[Embedder] = Future()
        self._loaded: Future[Embedder] = Future()
        self._stopped = threading.Event()
        self._checked = b""

    def load(self) -> None:
        """Loads the model."""
        try:
            later = self._opener()
            self._later.set_result(later)
            _ = later.frames  # whatever is asked of it loads it
            self._loaded.set_result(later)
        except Exception as error:
            logging.warning("%s", told(error))
            for future in (self._later, self._loaded):
                if not future.done():
                    future.set_exception(error)
        self._told()

    @property
    def is_loading(self) -> bool:
        """Whether it is still to come."""
        return not self._loaded.done()

    @property
    def error(self) -> str | None:
        """Why it cannot be loaded, one line."""
        error = self._loaded.exception() if self._loaded.done() else None
        return None if error is None else told(error)

    def wait(self, index: "SnippetIndex | None" = None) -> Any:
        """Returns the model, once it is loaded.

        Args:
            index: Index that must have been made with it.

        Raises:
            UserError: It cannot be loaded, or the index is that of another one.
            Stopped: The server ends.
        """
        found = self._result(self._loaded)
        if index is not None and (probe := index.probe.tobytes()) != self._checked:
            index.check_model(found)
            self._checked = probe
        return found

    def wait_for_unloaded(self) -> Any:
        """Returns the model as soon as it is known, loaded or not; see `wait`."""
        return self._result(self._later)

    def _result(self, future: "Future[Embedder]") -> Any:
        while not self._stopped.is_set():
            try:
                return future.result(_STEP_SECONDS)
            except TimeoutError:
                if future.done():  # just now, or what it failed with was such an error
                    return future.result()
        raise Stopped

    def stop(self) -> None:
        """Has nobody wait any more."""
        self._stopped.set()


def open_model(choice: dict[str, Any]) -> "Embedder":
    """Returns the model of a choice, see `flag_sets.model_choice`; it isn't loaded yet."""
    from tempo_invariant.retrieval import late_embedder

    return late_embedder.open_later(**choice)
