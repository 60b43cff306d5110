from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from createos_mcp.workflows.probe import probe


@asynccontextmanager
async def answering(*answers: bytes) -> AsyncIterator[str]:
    """An address that gives these answers, one to each connection, the last one to all others."""
    left = list(answers)
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    (socket,) = listener.listeners

    async def serve(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(left.pop(0) if len(left) > 1 else left[0])

    port = socket.extra(SocketAttribute.local_port)  # noqa: S610 - no query of a database
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        yield f"http://127.0.0.1:{port}"
        tasks.cancel_scope.cancel()


def http(status: int, body: bytes = b"", head: str = "") -> bytes:
    lines = f"HTTP/1.1 {status} X\r\ncontent-length: {len(body)}\r\nconnection: close\r\n{head}\r\n"
    return lines.encode() + body


async def test_a_page_is_shown_from_its_beginning() -> None:
    async with answering(http(200, b"x" * 5000)) as url:
        health = await probe(url)
    assert (health.status, health.page, health.is_good) == (200, "x" * 200, True)


async def test_a_gateway_that_is_not_ready_is_asked_again() -> None:
    async with answering(http(502), http(503), http(404, b"no such page")) as url:
        health = await probe(url)
    assert (health.status, health.is_good) == (404, True)


async def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    async with answering(http(302, head="location: http://127.0.0.1:1/\r\n")) as url:
        assert (await probe(url)).status == 302


async def test_a_fault_of_the_app_is_not_good() -> None:
    async with answering(http(500, b"Traceback")) as url:
        health = await probe(url)
    assert (health.status, health.page, health.is_good) == (500, "Traceback", False)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "ftp://127.0.0.1", "http://"])
async def test_what_does_not_answer_says_why(url: str) -> None:
    health = await probe(url)
    assert health.status is None
    assert health.problem
    assert not health.is_good
