"""Apps that tell who they are, and visitors that check what they are served."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
from aiohttp import web

from tests.eventually import until
from tests.platform.gateways import (
    Entrance,
)

PIECES = 8


PIECE = b"x" * 40_000


async def whoami(request: web.Request) -> web.Response:
    return web.Response(text=request.app[NAME])


async def pieces(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    for _ in range(PIECES):
        await answer.write(PIECE)
        await asyncio.sleep(0)
    return answer


async def events(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse(headers={"content-type": "text/event-stream"})
    await answer.prepare(request)
    for number in range(PIECES):
        await answer.write(b"data: %d\n\n" % number)
        await asyncio.sleep(0.002)
    return answer


async def measure(request: web.Request) -> web.Response:
    length = 0
    async for piece in request.content.iter_any():
        length += len(piece)
    return web.Response(text=str(length))


async def reverse(request: web.Request) -> web.WebSocketResponse:
    connection = web.WebSocketResponse()
    await connection.prepare(request)
    async for message in connection:
        await connection.send_str(message.data[::-1])
    return connection


async def endless(request: web.Request) -> web.StreamResponse:
    answer = web.StreamResponse()
    await answer.prepare(request)
    while True:
        await answer.write(b".")
        await asyncio.sleep(0.01)


NAME = web.AppKey("name", str)


def named(name: str) -> web.Application:
    """An app whose answers tell which one they came from."""
    app = web.Application()
    app[NAME] = name
    app.router.add_get("/whoami", whoami)
    app.router.add_get("/pieces", pieces)
    app.router.add_get("/events", events)
    app.router.add_post("/measure", measure)
    app.router.add_get("/socket", reverse)
    app.router.add_get("/endless", endless)
    return app


async def visit_plain(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(f"{address}/whoami") as answer:
        assert (answer.status, await answer.text()) in {(200, "one"), (200, "two")}


async def visit_pieces(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(f"{address}/pieces") as answer:
        assert await answer.read() == PIECE * PIECES


async def visit_events(session: aiohttp.ClientSession, address: str) -> None:
    async with session.get(f"{address}/events") as answer:
        assert (await answer.read()).count(b"data:") == PIECES


async def visit_with_upload(session: aiohttp.ClientSession, address: str) -> None:
    async def body() -> AsyncIterator[bytes]:
        for _ in range(PIECES):
            yield PIECE
            await asyncio.sleep(0)

    async with session.post(f"{address}/measure", data=body()) as answer:
        assert await answer.text() == str(len(PIECE) * PIECES)


async def visit_websocket(session: aiohttp.ClientSession, address: str) -> None:
    async with session.ws_connect(f"{address}/socket") as connection:
        for word in ("one", "two", "three"):
            await connection.send_str(word)
            assert await connection.receive_str() == word[::-1]


async def recorded(way: Entrance, count: int) -> None:
    """Wait until that many requests are over."""
    await until(lambda: len(way.recorded) >= count)
