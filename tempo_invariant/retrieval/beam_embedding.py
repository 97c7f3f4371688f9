"""Scores read and embedded on Apache Beam, for libraries that are too large for one machine."""

import dataclasses
import functools
import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from tempo_invariant.beam_runner import Runner, run_calls
from tempo_invariant.errors import UserError
from tempo_invariant.files import why_left_out
from tempo_invariant.retrieval import embedders
from tempo_invariant.retrieval.embedders import Embedder
from tempo_invariant.scores import reading
from tempo_invariant.scores.collection import ScoreReader
from tempo_invariant.scores.reading import ReadScore

_opening = threading.Lock()


def read_and_embed(
    readers: Sequence[ScoreReader],
    embedder: Embedder,
    keep_pages: bool,
    directory: Path,
    runner: Runner,
) -> Generator[tuple[ScoreReader, Future], None, None]:
    """Has scores read and embedded, and when all are, yields them in their order.

    Args:
        readers: Readers of the scores.
        embedder: The model, which every worker opens as this one was opened.
        keep_pages: Whether images of the pages are wanted.
        directory: Directory, seen by the workers too, for results on their way.
        runner: The runner.

    Yields:
        A reader, and what it reads: a `ReadScore` with its vectors, or an error.

    Raises:
        UserError: Workers cannot open the model, Beam is not installed, or it failed.
    """
    if embedder.source is None:
        raise UserError(f"{embedder.name} cannot be opened by the workers of a runner")
    source = tuple(embedder.source.items())
    calls = [functools.partial(_embed, source, keep_pages, reader) for reader in readers]
    for reader, result in zip(readers, run_calls(calls, directory, runner, "score"), strict=True):
        future: Future = Future()
        if isinstance(result, ReadScore):
            future.set_result(result)
        else:
            future.set_exception(UserError(result))
        yield reader, future


def _embed(
    source: tuple[tuple[str, str], ...], keep_pages: bool, reader: ScoreReader
) -> ReadScore | str:
    """Returns a score with its vectors in place of its snippets; or why it cannot be used."""
    try:
        score = reading.read(keep_pages, reader)
    except Exception as error:  # one bad score must not end the rest
        reason = why_left_out(error)
        return reason if isinstance(error, UserError) else f"{reader.name}: {reason}"
    with _opening:  # the threads of a worker share the model
        embedder = _opened(source)
    vectors = embedders.embed_neighbours(embedder, score.document.snippets)
    document = dataclasses.replace(score.document, snippets=score.document.snippets[:0])
    return dataclasses.replace(score, document=document, vectors=vectors)


@functools.lru_cache(1)
def _opened(source: tuple[tuple[str, str], ...]) -> Embedder:
    arguments: dict[str, Any] = dict(source)
    return embedders.open_embedder(**arguments)
