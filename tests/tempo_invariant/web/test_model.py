"""The one model, and those who wait for it."""

from concurrent.futures import Future

import pytest

from tempo_invariant.web.model import SharedModel


class LateFuture(Future):
    """A future that is done just when somebody has stopped waiting for it."""

    def __init__(self, done):
        super().__init__()
        self._finish = done

    def result(self, timeout=None):
        if not self.done():
            self._finish(self)
            raise TimeoutError
        return super().result(timeout)


def waiting(done):
    """A model whose loading ends so."""
    model = SharedModel(lambda: None, lambda: None)
    model._loaded = LateFuture(done)
    return model


def test_a_model_that_is_loaded_as_the_patience_ends_is_no_failure():
    assert waiting(lambda future: future.set_result("loaded")).wait() == "loaded"
    with pytest.raises(TimeoutError, match="a slow disk"):
        waiting(lambda future: future.set_exception(TimeoutError("a slow disk"))).wait()
