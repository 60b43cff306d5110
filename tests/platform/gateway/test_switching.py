"""Instances come and go behind an address, and nobody who uses it notices."""

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import aiohttp
import anyio
import httpx2
import pytest

from createos_mcp.platform.models import Instance
from tests.platform.gateway.visits import (
    named,
    recorded,
    visit_events,
    visit_pieces,
    visit_plain,
    visit_websocket,
    visit_with_upload,
)
from tests.platform.gateways import (
    entrance,
    free_port,
    instance_on,
    on_bare_sockets,
    serving,
)

SWITCHES = 50
VISITORS = 32


Visit = Callable[[aiohttp.ClientSession, str], Awaitable[None]]

VISITS: tuple[Visit, ...] = (
    visit_plain,
    visit_plain,
    visit_plain,
    visit_pieces,
    visit_events,
    visit_with_upload,
    visit_websocket,
    visit_websocket,
)


async def test_fifty_switches_under_32_busy_connections_lose_nothing() -> None:
    done: Counter[str] = Counter()
    over = anyio.Event()

    async def visitor(visit: Visit, address: str) -> None:
        async with aiohttp.ClientSession() as session:
            while not over.is_set():
                await visit(session, address)
                done[visit.__name__] += 1

    async with serving(named("one")) as one, serving(named("two")) as two, entrance() as way:
        way.gateway.publish(way.site.route_id, [one])
        with anyio.fail_after(120):
            async with anyio.create_task_group() as visitors:
                for number in range(VISITORS):
                    visitors.start_soon(visitor, VISITS[number % len(VISITS)], way.address)
                for switch in range(SWITCHES):
                    old, new = (one, two) if switch % 2 == 0 else (two, one)
                    before = sum(done.values())
                    way.gateway.publish(way.site.route_id, [new])
                    await way.gateway.drain([old], 60)
                    while sum(done.values()) < before + VISITORS:
                        await anyio.sleep(0.001)
                over.set()

    assert all(done[visit.__name__] > 0 for visit in VISITS)
    assert Counter(status for _, status, _ in way.recorded).keys() == {200, 101}
    assert len(way.recorded) == sum(done.values())


async def test_requests_go_round_the_instances_of_an_address() -> None:
    async with (
        serving(named("one")) as one,
        serving(named("two")) as two,
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [one, two])
        answers = [(await client.get(f"{way.address}/whoami")).text for _ in range(6)]

    assert Counter(answers) == {"one": 3, "two": 3}


async def test_a_busy_instance_gets_fewer_requests() -> None:
    async with (
        serving(named("one")) as one,
        serving(named("two")) as two,
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [one])
        async with client.stream("GET", f"{way.address}/endless"):
            way.gateway.publish(way.site.route_id, [one, two])
            answers = {(await client.get(f"{way.address}/whoami")).text for _ in range(6)}

    assert answers == {"two"}


async def test_an_instance_that_does_not_listen_is_passed_over_even_with_a_body() -> None:
    async with serving(named("one")) as one, entrance() as way, httpx2.AsyncClient() as client:
        way.gateway.publish(
            way.site.route_id, [instance_on(free_port()), one, instance_on(free_port())]
        )
        for _ in range(5):
            answer = await client.post(f"{way.address}/measure", content=b"12345")
            assert (answer.status_code, answer.text) == (200, "5")
            async with aiohttp.ClientSession() as session:
                await visit_websocket(session, way.address)


@asynccontextmanager
async def hanging_up() -> AsyncIterator[tuple[Instance, list[bytes]]]:
    """An app that reads a request and hangs up; gives it and what it read."""
    requests: list[bytes] = []

    async def take(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))

    async with on_bare_sockets(take) as instance:
        yield instance, requests


@pytest.mark.parametrize(
    ("method", "body", "status", "tries"),
    [
        ("GET", b"", 200, 1),
        ("GET", b"body", 502, 1),
        ("POST", b"", 502, 1),
        ("DELETE", b"", 502, 1),
    ],
)
async def test_only_a_harmless_request_is_sent_again_when_an_app_dies_over_it(
    method: str, body: bytes, status: int, tries: int
) -> None:
    async with (
        hanging_up() as (dying, requests),
        serving(named("one")) as one,
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [dying, one])
        answer = await client.request(method, f"{way.address}/whoami", content=body)

    assert (answer.status_code, len(requests)) == (status, tries)


async def test_a_request_is_sent_again_once_and_no_more() -> None:
    async with (
        hanging_up() as (one, at_one),
        hanging_up() as (two, at_two),
        hanging_up() as (three, at_three),
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [one, two, three])
        answer = await client.get(way.address)

    assert answer.status_code == 502
    assert len(at_one) + len(at_two) + len(at_three) == 2


async def test_an_app_that_closed_a_kept_connection_is_asked_again_on_a_new_one() -> None:
    """It answers the first request of each connection and hangs up over the second."""
    served = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal served
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        served += 1
        await reader.readuntil(b"\r\n\r\n")

    async with (
        on_bare_sockets(take) as instance,
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [instance])
        answers = [(await client.get(way.address)).text for _ in range(4)]

    assert answers == ["ok"] * 4
    assert served == 4


async def test_draining_cuts_what_is_left_when_the_time_is_over() -> None:
    async with (
        serving(named("one")) as one,
        entrance() as way,
        aiohttp.ClientSession() as session,
        session.get(f"{way.address}/", raise_for_status=False) as empty,
    ):
        assert empty.status == 503
        way.gateway.publish(way.site.route_id, [one])
        async with (
            session.get(f"{way.address}/endless") as stream,
            session.ws_connect(f"{way.address}/socket") as connection,
        ):
            assert await stream.content.readany()
            with anyio.fail_after(10):
                await way.gateway.drain([one], 0)
                with pytest.raises(aiohttp.ClientPayloadError):
                    await stream.read()
                closing = await connection.receive()
            assert closing.type is aiohttp.WSMsgType.CLOSE
            assert connection.close_code == 1012


async def test_connections_to_an_app_are_kept_and_used_again() -> None:
    connections = 0

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")

    async with (
        on_bare_sockets(take) as instance,
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [instance])
        for method in ("GET", "POST", "GET", "DELETE"):
            assert (await client.request(method, way.address)).text == "ok"

    assert connections == 1


async def test_the_app_is_not_asked_any_longer_when_the_client_leaves() -> None:
    left = anyio.Event()

    async def take(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await reader.read()
        left.set()

    async with on_bare_sockets(take) as instance, entrance() as way:
        way.gateway.publish(way.site.route_id, [instance])
        with socket.create_connection(("127.0.0.1", way.site.port)) as client:
            client.sendall(b"GET /slow?a=1 HTTP/1.1\r\nhost: x\r\n\r\n")
        with anyio.fail_after(10):
            await left.wait()
            await recorded(way, 1)

    assert way.recorded == [("environment-1", 499, "/slow")]


ANSWERS = {
    b"/until-close": b"HTTP/1.1 200 OK\r\n\r\nall of it",
    b"/old": b"HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold",
    b"/hints": b"HTTP/1.1 103 Early Hints\r\nlink: <a>\r\n\r\n"
    b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhints",
    b"/trailers": b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    b"3\r\nabc\r\n0\r\nx-sum: 6\r\n\r\n",
    b"/bare-lf": b"HTTP/1.1 200 OK\ncontent-length: 2\nx-a: 1\n\nlf",
    b"/not-modified": b"HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\n\r\n",
    b"/head": b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n",
    b"/garbage": b"SSH-2.0-OpenSSH_9\r\n",
    b"/endless-head": b"HTTP/1.1 200 OK\r\nx-a: " + b"a" * 100_000 + b"\r\n\r\n",
    b"/two": b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\none"
    b"HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\ntwo",
}
"""What apps answer on a bare socket, by path."""


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("GET", "/until-close", 200, "all of it"),
        ("GET", "/old", 200, "old"),
        ("GET", "/hints", 200, "hints"),
        ("GET", "/trailers", 200, "abc"),
        ("GET", "/bare-lf", 200, "lf"),
        ("GET", "/not-modified", 304, ""),
        ("HEAD", "/head", 200, ""),
        ("GET", "/garbage", 502, None),
        ("GET", "/endless-head", 502, None),
        ("GET", "/two", 200, "one"),
    ],
)
async def test_answers_of_every_shape_end_where_they_end(
    method: str, path: str, status: int, text: str | None
) -> None:
    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = b""
        while asked not in {b"/until-close", b"/old"}:
            asked = (await reader.readuntil(b"\r\n\r\n")).split()[1]
            writer.write(ANSWERS[asked])

    async with (
        on_bare_sockets(take) as instance,
        entrance() as way,
        httpx2.AsyncClient() as client,
    ):
        way.gateway.publish(way.site.route_id, [instance])
        with anyio.fail_after(10):
            for _ in range(2):
                answer = await client.request(method, f"{way.address}{path}")
                assert answer.status_code == status
                assert text is None or answer.text == text
            plain = await client.get(f"{way.address}/hints")
    assert plain.text == "hints"
