"""The page's addresses: what is asked where, and how it is answered."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from tempo_invariant.audio.recordings import AUDIO_SUFFIXES
from tempo_invariant.errors import UserError
from tempo_invariant.retrieval import answers
from tempo_invariant.retrieval.answers.sound import MEDIA_TYPES
from tempo_invariant.web import faults
from tempo_invariant.web.conversation import converse
from tempo_invariant.web.desk import Desk
from tempo_invariant.web.librarian import SUFFIXES
from tempo_invariant.web.names import safe_path
from tempo_invariant.web.refusals import Refusal, told

STATIC = Path(__file__).parent / "static"
STYLE = Path(answers.__file__).with_name("player.css")

_ACCEPTS = {"scores": SUFFIXES, "recordings": list(AUDIO_SUFFIXES)}

_PULSE_SECONDS = 15.0
_DROP_SECONDS = 30.0
_FOREVER = {"cache-control": "private, max-age=604800, immutable"}
_AGAIN = {"cache-control": "no-cache"}


class Site:
    """Answers requests.

    Args:
        desk: What works behind the page.
    """

    def __init__(self, desk: Desk):
        self._desk = desk

    def app(self) -> Starlette:
        """Returns the application."""

        @contextlib.asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            self._desk.start()
            yield
            await asyncio.to_thread(self._desk.stop, 2.0)

        routes = [
            Route("/", self.page),
            Route("/api/library", self.library),
            Route("/api/scores", self.add_score, methods=["POST"]),
            Route("/api/scores/{id}", self.score, methods=["GET"]),
            Route("/api/scores/{id}", self.drop_score, methods=["DELETE"]),
            Route("/api/scores/{id}/cover", self.cover),
            Route("/api/scores/{id}/pages/{page:int}", self.score_page),
            Route("/api/recordings", self.add_recording, methods=["POST"]),
            Route("/api/jobs", self.jobs),
            Route("/api/jobs/{id}", self.dismiss_job, methods=["DELETE"]),
            Route("/api/events", self.events),
            WebSocketRoute("/api/listen", self.listen),
            Route("/answers/{job}", self.to_answer),
            Route("/answers/{job}/{name:path}", self.answer),
            Route("/static/player.css", self.style),
            Mount("/static", _Static(directory=STATIC)),
        ]
        handlers: dict[Any, Any] = {
            HTTPException: _http_error,
            UserError: _user_error,
            Exception: _fault,
        }
        return Starlette(routes=routes, lifespan=lifespan, exception_handlers=handlers)

    async def page(self, _: Request) -> Response:
        """The page itself."""
        return FileResponse(STATIC / "index.html", headers=_AGAIN)

    async def style(self, _: Request) -> Response:
        """What the page and those of answers look like."""
        return FileResponse(STYLE, headers=_AGAIN)

    async def library(self, _: Request) -> Response:
        """The scores."""
        self._desk.is_shown()
        state = self._desk.holdings.state
        content = {"scores": state.scores, **self._desk.status(), "model": self._desk.model_name}
        content |= {"accepts": _ACCEPTS, "listening": self._desk.sessions.count}
        return await asyncio.to_thread(JSONResponse, content)

    async def score(self, request: Request) -> Response:
        """The pages and systems of a score."""
        state = self._desk.holdings.state
        return JSONResponse(await asyncio.to_thread(state.score, request.path_params["id"]))

    async def cover(self, request: Request) -> Response:
        """The first page of a score, small."""
        cover = await asyncio.to_thread(self._desk.holdings.cover, request.path_params["id"])
        return Response(cover, media_type="image/png", headers=_FOREVER)

    async def score_page(self, request: Request) -> Response:
        """A page of a score."""
        given = request.path_params
        path = await asyncio.to_thread(self._desk.holdings.state.page, given["id"], given["page"])
        return FileResponse(path, media_type="image/png", headers=_FOREVER)

    async def add_score(self, request: Request) -> Response:
        """Takes a file of a score in."""
        name = request.query_params.get("name", "")
        path = safe_path(name)
        self._desk.check_score(path, name)
        self._desk.jobs.check_room()
        folder = self._desk.librarian.folder
        async with self._receive(request, folder) as file:
            job = await asyncio.to_thread(self._desk.place_score, file, path, name)
        return JSONResponse({"job": job.id}, 202)

    async def drop_score(self, request: Request) -> Response:
        """Drops a score from the library."""
        identity = request.path_params["id"]
        self._desk.holdings.state.find(identity)
        future = asyncio.wrap_future(self._desk.librarian.drop(identity))
        done, _ = await asyncio.wait([future], timeout=_DROP_SECONDS)
        if done:
            future.result()
        return JSONResponse({}, 200 if done else 202)

    async def add_recording(self, request: Request) -> Response:
        """Takes a recording in."""
        name = request.query_params.get("name", "")
        path = safe_path(name)
        self._desk.jobs.check_room()
        async with self._receive(request, self._desk.work) as file:
            job = await asyncio.to_thread(self._desk.place_recording, file, path, name)
        return JSONResponse({"job": job.id}, 202)

    def _receive(self, request: Request, folder: Path) -> Any:
        length = request.headers.get("content-length", "")
        declared = int(length) if length.isdecimal() and len(length) < 20 else None
        return self._desk.incoming.receive(request.stream(), folder, declared)

    async def jobs(self, _: Request) -> Response:
        """All jobs."""
        return JSONResponse({"jobs": self._desk.jobs.to_list()})

    async def dismiss_job(self, request: Request) -> Response:
        """Forgets a job that is over."""
        self._desk.jobs.dismiss(request.path_params["id"])
        return JSONResponse({})

    async def events(self, _: Request) -> Response:
        """What changes, as it does."""

        async def lines() -> AsyncIterator[str]:
            changes = self._desk.events.follow(_PULSE_SECONDS)
            await anext(changes)
            yield _event(self._desk.state())
            async for change in changes:
                yield ":\n\n" if change is None else _event(change)

        return StreamingResponse(lines(), media_type="text/event-stream")

    async def listen(self, socket: WebSocket) -> None:
        """Listens to a microphone."""
        await converse(socket, self._desk.sessions)

    async def to_answer(self, request: Request) -> Response:
        """The page of an answer lies in a folder, beside its sound."""
        return RedirectResponse(f"/answers/{request.path_params['job']}/", 307)

    async def answer(self, request: Request) -> Response:
        """The page of an answer, and what it needs."""
        job, name = request.path_params["job"], request.path_params["name"]
        path = self._desk.answerer.file(job, name)
        kind = MEDIA_TYPES.get(path.suffix, "text/html")
        return FileResponse(path, media_type=kind)


class _Static(StaticFiles):
    """The parts of the page, of which a browser asks each time whether they have changed."""

    def file_response(self, *arguments: Any, **more: Any) -> Response:
        response = super().file_response(*arguments, **more)
        response.headers.update(_AGAIN)
        return response


def _event(content: dict[str, Any]) -> str:
    return f"data: {json.dumps(content)}\n\n"


async def _http_error(request: Request, error: HTTPException) -> Response:
    message = "no such page" if error.status_code == 404 else error.detail
    response = faults.answer(request.headers, error.status_code, message)
    response.headers.update(error.headers or {})
    return response


async def _user_error(request: Request, error: UserError) -> Response:
    status = error.status if isinstance(error, Refusal) else 400
    response = faults.answer(request.headers, status, str(error))
    if status in (400, 408, 413, 415, 429, 507):
        response.headers["connection"] = "close"
    return response


async def _fault(request: Request, error: Exception) -> Response:
    return faults.answer(request.headers, 500, told(error))
