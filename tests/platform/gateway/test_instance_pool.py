"""The connections to one app: kept, taken again, closed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web

from createos_mcp.platform.errors import InstanceUnreachableError
from createos_mcp.platform.gateway.app_connection import Connection
from createos_mcp.platform.gateway.exchanges import idle_limit_s
from createos_mcp.platform.gateway.instance_pool import FRESH_S, KEEP_S, InstancePool
from tests.platform.gateways import free_port, instance_on, open_socket, serving


@asynccontextmanager
async def pool() -> AsyncIterator[InstancePool]:
    """A pool of an app that answers each request with two bytes."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_get("/", answer)
    async with serving(app) as instance:
        made = InstancePool(instance, open_socket)
        try:
            yield made
        finally:
            await made.close()


async def answered(kept: Connection) -> Connection:
    """The connection after one request and its response."""
    kept.begin(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n", head_only=False)
    await kept.head()
    while not kept.is_finished:
        await kept.chunk()
    return kept


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_a_request_that_may_be_repeated_takes_a_connection_that_was_idle_for_long(
    method: str,
) -> None:
    assert idle_limit_s(method, has_body=False) == KEEP_S


@pytest.mark.parametrize(
    ("method", "has_body"), [("POST", False), ("PATCH", True), ("DELETE", False), ("GET", True)]
)
def test_a_request_that_must_not_be_repeated_takes_only_a_fresh_connection(
    method: str, *, has_body: bool
) -> None:
    assert idle_limit_s(method, has_body=has_body) == FRESH_S == 1.0


async def test_a_connection_is_taken_again_within_the_limit_and_not_after_it() -> None:
    async with pool() as connections:
        first = await answered(await connections.connect(idle_at_most_s=KEEP_S))
        connections.release(first)
        again = await connections.connect(idle_at_most_s=FRESH_S)
        assert again is first
        assert again.is_used

        connections.release(await answered(again))
        again.idle_since -= FRESH_S
        assert await connections.connect(idle_at_most_s=FRESH_S) is not first


async def test_a_connection_that_cannot_carry_another_request_is_ended() -> None:
    async with pool() as connections:
        first = await answered(await connections.connect(idle_at_most_s=0))
        first.data_received(b"HTTP/1.1 200 unasked")
        connections.release(first)

        assert await connections.connect(idle_at_most_s=KEEP_S) is not first


async def test_an_app_that_does_not_listen_is_unreachable() -> None:
    gone = InstancePool(instance_on(free_port()), open_socket)

    with pytest.raises(InstanceUnreachableError):
        await gone.connect(idle_at_most_s=0)


async def test_a_pool_that_is_closed_connects_no_more() -> None:
    async with pool() as connections:
        await connections.close()

        with pytest.raises(InstanceUnreachableError):
            await connections.connect(idle_at_most_s=0)


async def test_a_pool_is_idle_once_the_last_request_is_over() -> None:
    async with pool() as connections:
        connections.enter()
        waiting = asyncio.create_task(connections.idle())
        await asyncio.sleep(0)
        assert not waiting.done()

        connections.leave()
        await asyncio.wait_for(waiting, 5)
        assert connections.in_flight == 0


async def test_the_connection_that_was_used_last_is_taken_first() -> None:
    async with pool() as connections:
        older = await answered(await connections.connect(idle_at_most_s=0))
        newer = await answered(await connections.connect(idle_at_most_s=0))
        connections.release(older)
        connections.release(newer)

        assert await connections.connect(idle_at_most_s=KEEP_S) is newer
