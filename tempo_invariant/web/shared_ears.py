"""One model for several listeners: windows that wait at the same moment are embedded together."""

import functools
import operator
import threading
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import numpy as np

from tempo_invariant.retrieval.embedders import AudioEmbeddings, Embedder

Result = TypeVar("Result")


class _Request(Generic[Result]):
    def __init__(self, rows: np.ndarray):
        self.rows = rows
        self.result: Result | None = None
        self.error: BaseException | None = None


class Together(Generic[Result]):
    """A function of rows that many threads call at once, each with rows of its own.

    While it works, what comes meanwhile waits, and is done next in one call. So nobody waits longer
    than for the call before, and the more there are, the larger the calls.

    Args:
        function: The function of an array [rows, ...].
        cut: What takes some rows out of its result.

    Attributes:
        waiting: What waits to be done next.
    """

    def __init__(
        self, function: Callable[[np.ndarray], Result], cut: Callable[[Result, slice], Result]
    ):
        self.waiting: list[_Request[Result]] = []
        self._function = function
        self._cut = cut
        self._turn = threading.Lock()
        self._door = threading.Lock()

    def __call__(self, rows: np.ndarray) -> Result:
        """Returns the result for some rows."""
        mine = _Request[Result](rows)
        with self._door:
            self.waiting.append(mine)
        with self._turn:
            if mine.result is None and mine.error is None:
                with self._door:
                    batch, self.waiting = self.waiting, []
                self._work(batch)
        if mine.error is not None:
            raise mine.error
        assert mine.result is not None
        return mine.result

    def _work(self, batch: list[_Request[Result]]) -> None:
        try:
            result = self._function(np.concatenate([each.rows for each in batch]))
        except BaseException as error:
            for each in batch:
                each.error = error
            return
        first = 0
        for each in batch:
            each.result = self._cut(result, slice(first, first + len(each.rows)))
            first += len(each.rows)


def _cut(outputs: AudioEmbeddings, rows: slice) -> AudioEmbeddings:
    return AudioEmbeddings(outputs.embedding[rows], outputs.attention[rows])


class SharedEars:
    """A model that many threads ask at once, see `embedders.Embedder` and `Together`.

    Args:
        embedder: The model.
    """

    def __init__(self, embedder: Embedder):
        self.name, self.frames, self.size = embedder.name, embedder.frames, embedder.size
        self.staves, self.source = embedder.staves, embedder.source
        self.embed_sheet = embedder.embed_sheet
        self.embed_audio = Together(embedder.embed_audio, _cut)
        self._embedder = embedder
        together: Any = getattr(embedder, "embed_unfinished", None)
        self._unfinished: Callable[[tuple[int, ...]], Together] = functools.cache(
            lambda behind: Together(lambda rows: together(rows, behind), operator.getitem)
        )
        if together is not None:
            self.embed_unfinished = lambda sounds, behind: self._unfinished(behind)(sounds)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._embedder, name)
