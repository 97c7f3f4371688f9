"""What the page and the server say to each other while somebody plays."""

import asyncio
import contextlib
import json
from typing import Any

from starlette.websockets import WebSocket, WebSocketDisconnect

from tempo_invariant.errors import UserError
from tempo_invariant.web.microphone import Microphone
from tempo_invariant.web.refusals import Refusal
from tempo_invariant.web.sessions import Session, Sessions

_REFUSED, _CANNOT, _TOO_MANY = 1008, 1011, 1013
"""Codes with which a connection is closed."""


async def converse(socket: WebSocket, sessions: Sessions) -> None:
    """Listens to a microphone and says what is heard, until either side ends.

    The first message is JSON with the sampling rate, {"rate": 48000}. Then come samples, signed 16
    bits, mono, in binary messages, and orders in JSON ones: {"choose": ID or null}, {"correct":
    {"document": ID, "page": 1, "system": 2, "x": 345.6}}, {"stop": true}. What is told is JSON: at
    first the session, by which another connection can go on when this one breaks, then states.

    Args:
        socket: The connection, which is not accepted yet.
        sessions: All who play.
    """
    await socket.accept()
    session: Session | None = None
    try:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):
            try:
                microphone = await _microphone(socket, sessions)
                query = socket.query_params
                session, resumed = sessions.open(query.get("session"), query.get("document"))
                session.connection = socket  # whoever had it before is not listened to any more
                await _talk(socket, sessions, session, resumed, microphone)
            except UserError as error:
                busy = isinstance(error, Refusal) and error.status == 503
                await _end(socket, str(error), _TOO_MANY if busy else _REFUSED)
    finally:
        if session is not None and session.connection is socket:
            sessions.leave(session)


async def _end(socket: WebSocket, error: str, code: int) -> None:
    await socket.send_json({"error": error})
    await socket.close(code)


async def _microphone(socket: WebSocket, sessions: Sessions) -> Microphone:
    """Reads the first message."""
    try:
        first = await asyncio.wait_for(_receive(socket), sessions.limits.stall_seconds)
    except TimeoutError as error:
        raise Refusal(408, "nothing comes") from error
    if isinstance(first, bytes) or "rate" not in first:
        raise Refusal(400, 'the first message must be JSON with the rate, {"rate": 48000}')
    return Microphone(first["rate"])


async def _talk(
    socket: WebSocket, sessions: Sessions, session: Session, resumed: bool, microphone: Microphone
) -> None:
    await socket.send_json({"session": session.id, "resumed": resumed, "seconds": session.seconds})
    tasks = {
        asyncio.create_task(_listen(socket, sessions, session, microphone)),
        asyncio.create_task(_tell(socket, sessions, session)),
    }
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _listen(
    socket: WebSocket, sessions: Sessions, session: Session, microphone: Microphone
) -> None:
    while session.connection is socket:
        message = await _receive(socket)
        if session.connection is not socket:
            break
        if isinstance(message, bytes):
            session.hear(microphone.take(message))
        elif message.get("stop"):
            sessions.end(session)
            break
        else:
            _order(session, message)
    await socket.close()


def _order(session: Session, message: dict[str, Any]) -> None:
    """Has done what a message asks for; what none of it says is passed over.

    Raises:
        Refusal: What it says is nothing that can be done.
    """
    if "choose" in message:
        chosen = message["choose"]
        if chosen is not None and not isinstance(chosen, str):
            raise Refusal(400, "choose: must be the id of a score, or null")
        session.choose(chosen)
    if "correct" in message:
        place = message["correct"]
        try:
            document, x = place["document"], float(place["x"])
            page, system = place["page"], place["system"]
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Refusal(400, "correct: needs document, page, system and x") from error
        if not (isinstance(document, str) and type(page) is type(system) is int):
            raise Refusal(400, "correct: page and system are whole numbers, document is an id")
        if not abs(x) < 1e6:
            raise Refusal(400, "correct: x is no column of a page")
        session.correct(document, page, system, x)


async def _tell(socket: WebSocket, sessions: Sessions, session: Session) -> None:
    while session.connection is socket:
        for message in await session.messages(socket):
            if "error" in message:
                sessions.end(session)
                await _end(socket, message["error"], _CANNOT)
                return
            await socket.send_json(message)


async def _receive(socket: WebSocket) -> bytes | dict[str, Any]:
    """Returns the next message: binary, or the object of a JSON one.

    Raises:
        Refusal: It is neither.
        WebSocketDisconnect: There is none any more.
    """
    message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1006))
    if message.get("bytes") is not None:
        return message["bytes"]
    try:
        found = json.loads(message["text"])
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "a message is no JSON") from error
    if not isinstance(found, dict):
        raise Refusal(400, "a message must be a JSON object")
    return found
