"""What the server answers: the page, and what the page asks for.

=========================  ==========================================================================
``GET /``                  the page
``POST /songs?name=NAME``  the body is a song; it is kept under a key
``POST .../preview``       ten seconds of it, denoised: lines of JSON with the progress, then the player
``POST .../result``        all of it: lines of JSON with the progress, then where the result is
``GET .../result``         the result
``DELETE /songs/KEY``      the song is deleted, with all that was made of it
=========================  ==========================================================================

An error is an object with the field ``error``, one line.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from musicdenoise.denoising.batch import Task
from musicdenoise.denoising.denoise_report import DenoiseReport
from musicdenoise.denoising.file_options import FileOptions
from musicdenoise.denoising.listening_page import Listening, song_section
from musicdenoise.denoising.plan import Job
from musicdenoise.errors import AudioError, MusicDenoiseError, UsageError
from musicdenoise.runtime.documents import DocumentError, read_document
from musicdenoise.serving.guard import Guard
from musicdenoise.serving.page import serve_page
from musicdenoise.serving.shelf import Shelf, StoredSong
from musicdenoise.serving.workshop import Wish, Work, Workshop

Words = Callable[[DenoiseReport, float], str]
"""What was done with a song, of which this share of the noise was removed, in words."""

_PREVIEW_SECONDS = 10.0  # chosen: long enough to judge
_LARGEST_REQUEST = 10_000  # bytes of settings
_TELL_SECONDS = 0.5  # between two lines of progress; chosen
_GONE = "the song is no longer here: drop it again"


@dataclass(frozen=True, kw_only=True)
class _Settings:
    """What the page says of a preview or a result."""

    noise: str = ""
    always: bool = False
    strength: float = 1.0
    start: float = 0.0


def make_app(shelf: Shelf, workshop: Workshop, words: Words, hosts: Collection[str]) -> Starlette:
    """The application.

    Parameters
    ----------
    shelf, workshop
        Where songs are kept, and what denoises them.
    words
        What the page says of a song.
    hosts
        Names of the server with its port, as browsers may know it.
    """
    desk = _Desk(shelf, workshop, words)
    return Starlette(
        routes=[
            Route("/", desk.page),
            Route("/songs", desk.take, methods=["POST"]),
            Route("/songs/{key}", desk.remove, methods=["DELETE"]),
            Route("/songs/{key}/preview", desk.preview, methods=["POST"]),
            Route("/songs/{key}/result", desk.result, methods=["POST"]),
            Route("/songs/{key}/result", desk.download),
        ],
        middleware=[Middleware(Guard, hosts=hosts)],
    )


class _Desk:
    """Answers requests."""

    def __init__(self, shelf: Shelf, workshop: Workshop, words: Words) -> None:
        self._shelf, self._workshop, self._words = shelf, workshop, words
        self._page, self._policy = serve_page()

    async def page(self, _request: Request) -> Response:
        return HTMLResponse(self._page, headers={"content-security-policy": self._policy})

    async def take(self, request: Request) -> Response:
        chunks = request.stream()
        try:
            song = await self._shelf.take(request.query_params.get("name", ""), chunks)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except MusicDenoiseError as error:
            with contextlib.suppress(ClientDisconnect):
                async for _ in chunks:  # browsers read no answer before they have sent all
                    pass
            return _error(error, 413 if isinstance(error, UsageError) else 422)
        return JSONResponse({"key": song.key, "name": song.name, "seconds": song.seconds}, 201)

    async def remove(self, request: Request) -> Response:
        self._shelf.remove(request.path_params["key"])
        return Response(status_code=204)

    async def preview(self, request: Request) -> Response:
        return await self._work(request, self._preview_of)

    async def result(self, request: Request) -> Response:
        return await self._work(request, self._result_of)

    async def download(self, request: Request) -> Response:
        song = self._shelf.get(request.path_params["key"])
        if song is None or not song.job.target.is_file():
            return _error(_GONE, 404)
        target = song.job.target
        return FileResponse(target, media_type="application/octet-stream", filename=target.name)

    async def _work(self, request: Request, make: Callable[[StoredSong, _Settings], _Order]) -> Response:
        song = self._shelf.get(request.path_params["key"])
        if song is None:
            return _error(_GONE, 404)
        try:
            settings = await _read_settings(request)
            order = make(song, settings)
        except MusicDenoiseError as error:
            return _error(error, 400)
        work, future = self._workshop.begin(order.task, order.wish)
        lines = _lines(request, song, work, future, order.answer)
        return StreamingResponse(lines, media_type="application/x-ndjson")

    def _preview_of(self, song: StoredSong, settings: _Settings) -> _Order:
        """Ten seconds with all of the noise removed: the player mixes for lower strengths."""
        start = min(max(0.0, settings.start), max(0.0, song.seconds - _PREVIEW_SECONDS))
        options = FileOptions(
            overwrite=True, start_seconds=start, duration_seconds=_PREVIEW_SECONDS, bit_depth="32f"
        )
        job = Job(source=song.job.source, target=song.preview, keeps_format=False)

        def answer(report: DenoiseReport) -> dict[str, Any]:
            listening = Listening(
                source=report.source,
                target=report.target,
                words=self._words(report, 1.0),
                start_seconds=start,
            )
            return {"section": song_section(listening, _PREVIEW_SECONDS)}

        wish = Wish(noise=settings.noise, always=settings.always)
        return _Order(task=Task.of(job, options), wish=wish, answer=answer)

    def _result_of(self, song: StoredSong, settings: _Settings) -> _Order:
        def answer(report: DenoiseReport) -> dict[str, Any]:
            words = self._words(report, settings.strength)
            return {"name": report.target.name, "url": f"/songs/{song.key}/result", "words": words}

        wish = Wish(noise=settings.noise, always=settings.always, strength=settings.strength)
        return _Order(task=Task.of(song.job, FileOptions(overwrite=True)), wish=wish, answer=answer)


@dataclass(frozen=True, kw_only=True)
class _Order:
    """What is to be done with a song, and what the page is told when it is done."""

    task: Task
    wish: Wish
    answer: Callable[[DenoiseReport], dict[str, Any]]


async def _lines(
    request: Request,
    song: StoredSong,
    work: Work,
    future: Future[DenoiseReport | MusicDenoiseError],
    answer: Callable[[DenoiseReport], dict[str, Any]],
) -> AsyncIterator[str]:
    """Progress until the work is done, then the answer. If the page goes away, the work stops."""
    done = asyncio.wrap_future(future)
    try:
        while not done.done():
            yield _line({"waits": work.began is None, "share": work.share, "left": work.seconds_left})
            await asyncio.wait([done], timeout=_TELL_SECONDS)
            if work.is_stopped or await request.is_disconnected():
                return
        result = done.result()
        if isinstance(result, MusicDenoiseError):
            yield _line({"error": song.plain(result)})
        else:
            yield _line(await asyncio.to_thread(answer, result))
    except AudioError as error:
        yield _line({"error": song.plain(error)})
    finally:
        work.stop()


async def _read_settings(request: Request) -> _Settings:
    """The settings of a request.

    Raises
    ------
    UsageError
        If they are not understood.
    """
    body = b""
    with contextlib.suppress(ClientDisconnect):
        async for chunk in request.stream():
            body += chunk
            if len(body) > _LARGEST_REQUEST:
                raise UsageError("the settings are too long")
    try:
        return read_document(_Settings, body.decode())
    except (DocumentError, UnicodeDecodeError) as error:
        raise UsageError(f"the settings are not understood: {error}") from error


def _line(document: dict[str, Any]) -> str:
    return json.dumps(document) + "\n"


def _error(message: object, status: int) -> Response:
    return JSONResponse({"error": str(message)}, status)
