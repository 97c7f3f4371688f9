"""Bounds the predictions in hand."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from concurrent import futures
from typing import TypeVar

import grpc

from serving.hosting.request_validation import RequestError

Result = TypeVar("Result")


class Admission:
    """Bounds the work in hand: some requests run, some wait, the rest is turned away at once.

    One client may not take all places: a quarter of them is kept for the others.

    Args:
        running: Number of requests that may run at the same time.
        admitted: Number of requests that may run or wait at the same time.
    """

    def __init__(self, running: int, admitted: int):
        self._pool = futures.ThreadPoolExecutor(running, "prediction")
        self._limit = admitted
        self._limit_of_one = admitted - admitted // 4
        self._changed = threading.Condition()
        self._admitted: Counter[str] = Counter()
        self._closed = False

    async def run(self, client: str, work: Callable[[], Result]) -> Result:
        """Returns what `work` returns, once it is its turn; when cancelled, gives its turn up.

        Args:
            client: Who asks; a connection is a client.
            work: The function to call, without arguments, in a thread.

        Raises:
            RequestError: UNAVAILABLE after `close`, RESOURCE_EXHAUSTED if too many wait already.
        """
        self._enter(client)
        future = self._pool.submit(work)
        future.add_done_callback(lambda _: self._leave(client))
        return await asyncio.wrap_future(future)

    def close(self, seconds: float) -> bool:
        """Admits nothing more and waits for what was admitted.

        Args:
            seconds: Longest time to wait, in seconds.

        Returns:
            Whether everything has finished.
        """
        with self._changed:
            self._closed = True
            finished = self._changed.wait_for(lambda: not self._admitted, seconds)
        self._pool.shutdown(wait=False, cancel_futures=True)
        return finished

    def _enter(self, client: str) -> None:
        with self._changed:
            if self._closed:
                raise RequestError(grpc.StatusCode.UNAVAILABLE, "the server is stopping")
            if self._admitted.total() >= self._limit:
                raise _too_many(self._limit, "")
            if self._admitted[client] >= self._limit_of_one:
                raise _too_many(self._limit_of_one, " over one connection")
            self._admitted[client] += 1

    def _leave(self, client: str) -> None:
        with self._changed:
            self._admitted[client] -= 1
            self._admitted += Counter()  # forgets those who have nothing in hand
            self._changed.notify_all()


def _too_many(limit: int, where: str) -> RequestError:
    return RequestError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        f"more than {limit} requests at the same time{where}; try again later",
    )
