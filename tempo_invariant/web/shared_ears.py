"""One model for several listeners: windows that wait at the same moment are embedded together."""

import threading
from typing import Any

import numpy as np

from tempo_invariant.retrieval.embedders import AudioEmbeddings, Embedder


class _Request:
    def __init__(self, windows: np.ndarray):
        self.windows = windows
        self.result: AudioEmbeddings | None = None
        self.error: BaseException | None = None


class SharedEars:
    """A model that many threads ask at once, see `embedders.Embedder`.

    While one batch is being embedded, what comes meanwhile waits and becomes the next one. So
    nobody waits longer than for the batch before, and the more there are, the larger they are.

    Args:
        embedder: The model.
    """

    def __init__(self, embedder: Embedder):
        self.name, self.frames, self.size = embedder.name, embedder.frames, embedder.size
        self.staves, self.source = embedder.staves, embedder.source
        self.embed_sheet = embedder.embed_sheet
        self._embedder = embedder
        self._turn = threading.Lock()
        self._door = threading.Lock()
        self._waiting: list[_Request] = []

    def embed_audio(self, windows: np.ndarray) -> AudioEmbeddings:
        """Embeds windows together with those of others, see `Embedder`."""
        mine = _Request(windows)
        with self._door:
            self._waiting.append(mine)
        with self._turn:
            if mine.result is None and mine.error is None:
                with self._door:
                    batch, self._waiting = self._waiting, []
                self._embed(batch)
        if mine.error is not None:
            raise mine.error
        assert mine.result is not None
        return mine.result

    def _embed(self, batch: list[_Request]) -> None:
        try:
            outputs = self._embedder.embed_audio(np.concatenate([each.windows for each in batch]))
        except BaseException as error:
            for each in batch:
                each.error = error
            return
        first = 0
        for each in batch:
            rows = slice(first, first + len(each.windows))
            each.result = AudioEmbeddings(outputs.embedding[rows], outputs.attention[rows])
            first = rows.stop

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._embedder, name)
