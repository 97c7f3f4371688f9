"""Serves the page until it is told to stop."""

import asyncio
import contextlib
import ipaddress
import logging
import os
import secrets
import signal
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from tempo_invariant import files, progress
from tempo_invariant.errors import UserError, one_line, printable
from tempo_invariant.web.connections import Connections
from tempo_invariant.web.desk import Desk
from tempo_invariant.web.gate import Door, Gate, is_loopback
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.site import Site

PORT = 8421
_TRIED_PORTS = 20


@dataclass(frozen=True)
class Place:
    """Where the page is served.

    Attributes:
        host: Host to listen on; anything but this machine itself needs a token.
        port: Port to listen on, 0 for a free one; None: `PORT`, or the next one that is free.
        certificate: File of a certificate, for HTTPS.
        key: File of its key.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    certificate: str | None = None
    key: str | None = None


def bind(place: Place) -> socket.socket:
    """Returns a socket that listens.

    Raises:
        UserError: There is no such host, or the port is taken.
    """
    try:
        found = socket.getaddrinfo(place.host, place.port or 0, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:  # the latter, where it can be no name at all
        reason = getattr(error, "strerror", None) or one_line(error)
        raise UserError(f"no such host: {place.host} ({reason})") from error
    family, _, _, _, address = found[0]
    ports = [place.port] if place.port is not None else [*range(PORT, PORT + _TRIED_PORTS), 0]
    for port in ports:
        listener = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":  # where it would let two servers share a port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((address[0], port))
            listener.listen(128)
            return listener
        except OSError as error:
            listener.close()
            problem = error
    raise UserError(f"cannot listen on {place.host}:{ports[-1]} ({problem.strerror})")


def addresses(door: Door) -> list[str]:
    """Returns the addresses of the page: that for this machine, and that for others."""
    hosts = [door.host]
    try:
        if ipaddress.ip_address(door.host).is_unspecified:
            hosts = ["127.0.0.1", _own_address(door.host)]
    except ValueError:
        pass
    query = f"?token={door.token}" if door.token else ""
    shown = [f"[{host}]" if ":" in host else host for host in dict.fromkeys(hosts)]
    return [f"{door.scheme}://{host}:{door.port}/{query}" for host in shown]


def _own_address(host: str) -> str:
    """Returns the address by which other machines know this one; nothing is sent for it."""
    six = ":" in host
    family = socket.AF_INET6 if six else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe, contextlib.suppress(OSError):
        probe.connect(("2001:db8::1" if six else "192.0.2.1", 9))  # for documents, never reached
        return str(probe.getsockname()[0])
    return socket.gethostname()


@contextlib.contextmanager
def work_directory() -> Iterator[Path]:
    """Yields a directory for what is kept as long as the block lasts, on this user's disk."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tempo-invariant"
    with contextlib.ExitStack() as stack:
        with files.telling_failures(root):
            files.remove_leftovers(root)
            directory = stack.enter_context(files.partial_directory(root))
        yield directory


def serve(
    place: Place, make_desk: Callable[[Path], Desk], browser: bool, limits: Limits | None = None
) -> None:
    """Serves the page until this process is interrupted or told to end.

    Args:
        place: Where.
        make_desk: Function of the work directory that returns what works behind the page.
        browser: Whether the page is opened in a browser.
        limits: How much is taken from outside.

    Raises:
        UserError: It cannot be served there.
    """
    limits = limits or Limits()
    with contextlib.closing(bind(place)) as listener, work_directory() as work:
        token = None if is_loopback(place.host) else secrets.token_urlsafe(16)
        scheme = "https" if place.certificate else "http"
        door = Door(place.host, listener.getsockname()[1], token, scheme)
        desk = make_desk(work)
        server = Server(desk, door, limits, place)
        for address in addresses(door):
            print(address, flush=True)
        progress.note(printable(desk.where))
        if browser:
            server.when_started = lambda: _open(addresses(door)[0])
        with _quiet_end():
            asyncio.run(server.serve([listener]))


def _configuration(app, door: Door, limits: Limits, place: Place) -> uvicorn.Config:
    """Returns how uvicorn serves an application behind the gate."""
    connections = Connections(limits)
    try:
        config = uvicorn.Config(
            Gate(app, door, connections, limits),
            http=connections.protocol(),
            ws="websockets-sansio",
            ws_max_size=limits.message_bytes,
            ws_per_message_deflate=False,
            h11_max_incomplete_event_size=limits.head_bytes,
            lifespan="on",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=5,
            timeout_graceful_shutdown=1,
            ssl_certfile=place.certificate,
            ssl_keyfile=place.key,
        )
        config.load()
    except OSError as error:
        raise UserError(
            f"{place.certificate}: not a usable certificate ({one_line(error)})"
        ) from error
    return config


class Server(uvicorn.Server):
    """The server, which says when it has begun, and ends what would not end by itself.

    Args:
        desk: What works behind the page.
        door: Where the server is asked.
        limits: How much is taken from outside.
        place: Where it is served.

    Attributes:
        when_started: Called once it answers.

    Raises:
        UserError: The certificate cannot be used.
    """

    when_started: Callable[[], None] | None = None

    def __init__(self, desk: Desk, door: Door, limits: Limits, place: Place):
        super().__init__(_configuration(Site(desk).app(), door, limits, place))
        self._desk = desk

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins."""
        await super().startup(sockets)
        if self.when_started is not None:
            self.when_started()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends."""
        self._desk.events.end()
        await super().shutdown(sockets)


def _open(address: str) -> None:
    """Opens an address in the browser; that there is none is no fault."""

    if sys.platform == "linux" and not (os.environ.keys() & {"DISPLAY", "WAYLAND_DISPLAY"}):
        return  # a browser in the terminal is not meant

    def work() -> None:
        with contextlib.suppress(Exception):
            webbrowser.open(address)

    threading.Thread(target=work, name="browser", daemon=True).start()


def leave() -> None:
    """Ends the process: TensorFlow would take seconds to be taken down, for nothing."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    os._exit(0)


@contextlib.contextmanager
def _quiet_end() -> Iterator[None]:
    """Ends what runs in the block when the process is told to, without a word."""
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
    try:
        yield
    except KeyboardInterrupt:
        pass
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
