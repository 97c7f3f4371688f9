"""Connections that wait: so many are open at the same time, and none without asking something."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from tempo_invariant.web.limits import Limits

_Client = tuple[object, ...]


class Connections:
    """Closes connections that are too many, or on which the head of a request takes too long.

    Args:
        limits: How many there may be, and how long a head may take.
    """

    def __init__(self, limits: Limits):
        self._limits = limits
        self._open: dict[_Client, Any] = {}

    def abort(self, client: _Client | None) -> None:
        """Closes the connection of a client at once, whatever is still to be sent."""
        if client and (connection := self._open.get(client)):
            connection.transport.abort()

    def begun(self, client: _Client | None) -> None:
        """Notes that a request of a client has come."""
        if client and (connection := self._open.get(client)):
            connection.wait_no_more()

    def ended(self, client: _Client | None) -> None:
        """Notes that it has been answered, so that the next one has to come."""
        if client and (connection := self._open.get(client)):
            connection.wait_on()

    def protocol(self) -> type[asyncio.Protocol]:
        """Returns the protocol for uvicorn."""
        limits, connections = self._limits, self._open

        class Connection(H11Protocol):
            """A connection whose client has to say what it wants."""

            _timer: asyncio.TimerHandle | None = None
            _is_refused = False

            def connection_made(self, transport: Any) -> None:
                """See `asyncio.Protocol`."""
                self._peer = tuple((transport.get_extra_info("peername") or ())[:2])
                if len(connections) >= limits.connections:
                    self._is_refused = True
                    transport.abort()
                    return
                super().connection_made(transport)
                connections[self._peer] = self
                self._wait_for_head()

            def connection_lost(self, exc: Exception | None) -> None:
                """See `asyncio.Protocol`."""
                if not self._is_refused:
                    self.wait_no_more()
                    connections.pop(self._peer, None)
                    super().connection_lost(exc)

            def data_received(self, data: bytes) -> None:
                """See `asyncio.Protocol`."""
                if not self._is_refused:
                    super().data_received(data)

            def wait_on(self) -> None:
                """Gives the client some time for the head of its next request, if one may come."""
                if self.transport.get_protocol() is self:
                    self._wait_for_head()
                else:  # it was a WebSocket
                    self._close()

            def _wait_for_head(self) -> None:
                self.wait_no_more()
                self._timer = self.loop.call_later(limits.head_seconds, self._close)

            def _close(self) -> None:
                self.wait_no_more()
                self.transport.abort()
                connections.pop(self._peer, None)

            def wait_no_more(self) -> None:
                """Lets it take the time that it takes."""
                if self._timer is not None:
                    self._timer.cancel()
                    self._timer = None

        return Connection
