"""What has changed, told to every page that follows; the slow ones get the newest state only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any


class Events:
    """Passes changes on, from any thread, to those who follow.

    Of each thing that changes only the newest state waits for a follower, so nothing grows.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._followers: set[_Follower] = set()
        self._ended = False

    def begin(self) -> None:
        """Has the running loop serve the followers; before, nothing is told."""
        self._loop = asyncio.get_running_loop()

    def end(self) -> None:
        """Lets all go who follow; called by the loop."""
        self._ended = True
        for follower in self._followers:
            follower.news.set()

    def publish(self, key: str, content: dict[str, Any]) -> None:
        """Tells that something has changed.

        Args:
            key: Name of the thing.
            content: Its state now.
        """
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                self._loop.call_soon_threadsafe(self._pass_on, key, content)

    def _pass_on(self, key: str, content: dict[str, Any]) -> None:
        for follower in self._followers:
            follower.changes.pop(key, None)
            follower.changes[key] = content
            follower.news.set()

    async def follow(self, pause_seconds: float) -> AsyncIterator[dict[str, Any] | None]:
        """Yields changes as they come, None at first and after every pause without any."""
        follower = _Follower()
        self._followers.add(follower)
        try:
            yield None
            while not self._ended:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(follower.news.wait(), pause_seconds)
                if not follower.changes:
                    yield None
                while follower.changes:
                    yield follower.changes.pop(next(iter(follower.changes)))
                follower.news.clear()
        finally:
            self._followers.discard(follower)


class _Follower:
    def __init__(self) -> None:
        self.changes: dict[str, dict[str, Any]] = {}
        self.news = asyncio.Event()
