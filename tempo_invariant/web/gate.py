"""Who may ask: this machine's own pages, and with a token those of other devices; nobody else.

Any page in a browser can send requests to this machine, and a name that it has looked up can be
made to mean this machine later (DNS rebinding). So the host that is asked must be an address or
this machine's own name, what changes something or listens must come from a page of this server,
and nothing of it can be shown within pages of others.
"""

import asyncio
import hmac
import ipaddress
import socket
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tempo_invariant.web import faults
from tempo_invariant.web.connections import Connections
from tempo_invariant.web.limits import Limits
from tempo_invariant.web.refusals import Refusal

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; media-src 'self' blob: data:; worker-src 'self'; frame-src 'self'; "
    "manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

ANSWER_POLICY = "sandbox allow-scripts; frame-ancestors 'self'"
"""That of an answer's page, beside the one that it brings itself."""

ANSWERS = "/answers/"
"""Below are pages that run apart from all others; whoever knows the name of one may see it."""

_HEADERS = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "microphone=(self), camera=(), geolocation=()",
    "cache-control": "no-store",
}
_SAFE = ("GET", "HEAD")
_PRINTED = "open the address as it is printed in the terminal"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine itself, and nobody else can ask."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


@dataclass(frozen=True)
class Door:
    """Where the server is asked.

    Attributes:
        host: Host that it listens on, as it was given.
        port: The port.
        token: What a client of another machine has to know; None: only this machine may ask.
        scheme: "http" or "https".
    """

    host: str
    port: int
    token: str | None = None
    scheme: str = "http"

    @property
    def cookie(self) -> str:
        """Name of the cookie that holds the token; ports of one host share their cookies."""
        return f"tempo_invariant_{self.port}"

    def is_ours(self, host: str) -> bool:
        """Whether a `Host` header names this server in a way that nobody else can have made."""
        try:
            found = urlsplit(f"//{host}")
            name, port = found.hostname, found.port or (443 if self.scheme == "https" else 80)
        except ValueError:
            return False
        if not name or port != self.port or "@" in host or found.path or found.query:
            return False
        if self.token is None or is_loopback(name):
            return is_loopback(name)
        try:
            ipaddress.ip_address(name)
        except ValueError:
            own = socket.gethostname().lower()
            return name in {self.host.lower(), own, f"{own}.local"}
        return True


class Gate:
    """Lets requests in, or refuses them before anything is done; it bounds their time, too.

    Args:
        app: What answers those that are let in.
        door: Where the server is asked.
        connections: Where is noted that something was asked.
        limits: How long a client may do nothing.
    """

    def __init__(self, app: ASGIApp, door: Door, connections: Connections, limits: Limits):
        self._app = app
        self._door = door
        self._connections = connections
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        client = scope.get("client")
        self._connections.begun(client)
        try:
            await self._handle(scope, receive, send)
        except (ClientDisconnect, ConnectionAbortedError):
            self._connections.abort(client)
        finally:
            self._connections.ended(client)

    async def _handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        try:
            self._check(scope, headers)
            gives_token = self._check_token(scope, headers)
        except Refusal as refusal:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.close", "code": 1008, "reason": str(refusal)})
                return
            response = faults.answer(headers, refusal.status, str(refusal), way_back=False)
            response.headers["connection"] = "close"
            await response(scope, receive, self._sender(scope, send, False))
            return
        if scope["type"] == "websocket":
            await self._app(scope, receive, self._bounded(send))
        else:
            send = self._sender(scope, send, gives_token)
            await self._app(scope, self._receiver(receive), send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        """Raises `Refusal` unless a request comes from a page of this server, or from none."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._door.is_ours(hosts[0]):
            raise Refusal(403, f"this server goes by another name; {_PRINTED}")
        if not scope["path"].isprintable():
            raise Refusal(404, "no such page")
        origins = headers.getlist("origin")
        own = f"{self._door.scheme}://{hosts[0]}".lower()
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        answer = scope["path"].startswith(ANSWERS) and not changes
        if any(origin.lower() != own for origin in origins) and not answer:
            raise Refusal(403, "a page of another origin must not ask this")
        site = headers.get("sec-fetch-site", "none")
        if changes and not origins and site != "same-origin":
            raise Refusal(403, "only a page of this server may ask this")
        if site not in ("none", "same-origin") and not answer:
            opened = headers.get("sec-fetch-dest") == "document" and scope["path"] == "/"
            if not opened or changes:
                raise Refusal(403, "a page of another origin must not ask this")

    def _check_token(self, scope: Scope, headers: Headers) -> bool:
        """Raises `Refusal` unless the token is known; returns whether the address has it."""
        if self._door.token is None:
            return False
        try:
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20)
        except ValueError:
            query = {}
        if any(self._is_token(value) for value in query.get("token", ())):
            return True
        cookie = SimpleCookie()
        try:
            cookie.load(headers.get("cookie", ""))
        except CookieError:
            cookie.clear()
        morsel = cookie.get(self._door.cookie)
        if morsel is not None and self._is_token(morsel.value):
            return False
        if scope["path"].startswith(ANSWERS) and scope["type"] == "http":
            return False
        raise Refusal(403, f"the address lacks its token; {_PRINTED}")

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), (self._door.token or "").encode())

    def _receiver(self, receive: Receive) -> Receive:
        """Returns a function that receives, but waits only so long for a body."""
        is_whole = False

        async def received() -> Message:
            nonlocal is_whole
            if is_whole:  # what comes now is that the client has gone
                return await receive()
            try:
                message = await asyncio.wait_for(receive(), self._limits.stall_seconds)
            except TimeoutError as error:
                raise Refusal(408, "nothing comes any more") from error
            is_whole = not message.get("more_body", False)
            return message

        return received

    def _bounded(self, send: Send) -> Send:
        """Returns a function that sends, but waits only so long for a client that does not read."""

        async def sent(message: Message) -> None:
            try:
                await asyncio.wait_for(send(message), self._limits.stall_seconds)
            except TimeoutError as error:
                raise ConnectionAbortedError("the client does not read") from error

        return sent

    def _sender(self, scope: Scope, send: Send, gives_token: bool) -> Send:
        """Returns a function that sends, with the headers that every response has."""
        bounded = self._bounded(send)
        answer = scope["path"].startswith(ANSWERS)
        more = dict(_HEADERS, **{"content-security-policy": ANSWER_POLICY if answer else POLICY})
        if answer:
            more["cross-origin-resource-policy"] = "cross-origin"
        if gives_token:
            secure = "; Secure" if self._door.scheme == "https" else ""
            more["set-cookie"] = (
                f"{self._door.cookie}={self._door.token}; Path=/; HttpOnly; SameSite=Strict{secure}"
            )

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _ in message.get("headers", ())}
                added = [(name.encode(), value.encode()) for name, value in more.items()]
                message["headers"] = [
                    *message.get("headers", ()),
                    *((name, value) for name, value in added if name not in present),
                ]
            await bounded(message)

        return sent
