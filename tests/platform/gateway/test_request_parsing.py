"""The parser of API and gateway against h11: no request is read in two ways."""

import asyncio
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import h11
import pytest
from hypothesis import example, given, strategies as st
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn import Config
from uvicorn.server import ServerState

from createos_mcp.contract.request_heads import StrictHeadProtocol
from tests.fuzzing import drawn

Request: TypeAlias = tuple[bytes, bytes, list[tuple[bytes, bytes]], bytes]
"""Method, target, headers and body."""

SHARDS = 4
TURNS = 40
"""Of the event loop, within which an answer is there."""


class Wire(asyncio.Transport):
    """A client's connection that takes everything."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1), "sockname": ("127.0.0.1", 80)})
        self.written = b""
        self.is_ended = False

    @override
    def write(self, data: Any) -> None:
        self.written += bytes(data)

    @override
    def close(self) -> None:
        self.is_ended = True

    @override
    def is_closing(self) -> bool:
        return self.is_ended

    @override
    def pause_reading(self) -> None:
        return

    @override
    def resume_reading(self) -> None:
        return


class Reader:
    """What the parser makes of some bytes."""

    def __init__(self) -> None:
        self.read: list[Request] = []
        self._config = Config(
            self._app,
            interface="asgi3",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            ws="none",
        )
        self._config.load()

    async def take(self, data: bytes) -> list[Request]:
        """The requests in them, whether more follow that are refused or not."""
        self.read = []
        state = ServerState()
        protocol = StrictHeadProtocol(self._config, state, {})
        protocol.connection_made(Wire())
        protocol.data_received(data)
        for _ in range(TURNS):
            await asyncio.sleep(0)
            if not state.tasks:
                break
        protocol.connection_lost(None)
        return self.read

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] != "http.request":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        query = scope["query_string"]
        target = scope["raw_path"] + (b"?" + query if query else b"")
        self.read.append((scope["method"].encode(), target, headers_of(scope["headers"]), body))
        headers = [(b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b""})


def by_h11(data: bytes) -> Iterator[Request]:
    """What h11 reads, with the freedom that RFC 9112, sections 2.2 and 3, gives a server."""
    while data := data.lstrip(b"\r\n"):
        line, end, rest = data.partition(b"\r\n")
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
        connection.receive_data(re.sub(rb" +", b" ", line) + end + rest)
        read = next_by_h11(connection)
        if read is None:
            return
        yield read
        if connection.their_state is not h11.DONE:
            return
        data, _ = connection.trailing_data


def next_by_h11(connection: h11.Connection) -> Request | None:
    head, body = None, b""
    try:
        while isinstance(event := connection.next_event(), h11.Event):
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return head.method, target_of(head), headers_of(head.headers), body
    except h11.RemoteProtocolError:
        return None
    return None


def headers_of(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """In one order; h11 writes the names of codings in small letters, and they have no case."""
    codings = b"transfer-encoding"
    return sorted((name, text.lower() if name == codings else text) for name, text in headers)


def target_of(request: h11.Request) -> bytes:
    """Without what only proxies and browsers need of a target: authority and fragment."""
    target = re.sub(rb"^[a-zA-Z]+://[^/?#]*", b"", request.target).partition(b"#")[0]
    path, mark, query = target.partition(b"?")
    return (path or b"/") + (mark + query if query else b"")


METHODS = st.sampled_from([b"GET", b"POST", b"HEAD", b"PUT", b"DELETE", b"OPTIONS", b"PATCH"])
TARGETS = st.from_regex(rb"/[a-zA-Z0-9_.%/-]{0,12}(\?[a-z0-9=&%-]{1,8})?", fullmatch=True)
NAMES = st.from_regex(rb"[a-zA-Z][a-zA-Z0-9-]{0,10}", fullmatch=True).filter(
    lambda name: (
        name.lower() not in {b"host", b"upgrade", b"expect", b"connection", b"te"}
        and not name.lower().startswith((b"content-l", b"transfer-e"))
    )
)
VALUES = st.from_regex(rb"[!-~]([ -~]{0,20}[!-~])?", fullmatch=True)
HEADERS = st.lists(st.tuples(NAMES, VALUES), max_size=4)
BODIES = st.binary(max_size=40)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """A request as a careful client writes it."""
    lines = [b"%s %s HTTP/1.1" % (draw(METHODS), draw(TARGETS)), b"Host: a"]
    lines += [b"%s: %s" % header for header in draw(HEADERS)]
    framing = draw(st.sampled_from(["none", "length", "chunks"]))
    body = draw(BODIES) if framing != "none" else b""
    if framing == "length":
        lines.append(b"Content-Length: %d" % len(body))
    if framing == "chunks":
        lines.append(b"Transfer-Encoding: chunked")
        parts = [body[at : at + 7] for at in range(0, len(body), 7)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    return b"\r\n".join([*lines, b"", b""]) + body


DEVIATIONS = st.sampled_from(
    [
        *(b"\r", b"\n", b"\0", b" ", b"\t", b":", b";", b",", b"\xff", b"\x0b", b"0", b"-", b"+"),
        b"Content-Length: 5\r\n",
        b"Content-Length: 0005\r\n",
        b"Content-Length: 5, 5\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"Transfer-Encoding : chunked\r\n",
        b"transfer-encoding: CHUNKED\r\n",
        b"Host: b\r\n",
        b"Connection: close\r\n",
        b" folded\r\n",
        b"HTTP/1.0",
        b"0\r\n\r\n",
        b"\r\n\r\n",
        b"5;a=b\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    ]
)


@st.composite
def strange_requests(draw: st.DrawFn) -> bytes:
    """Some requests with pieces put in, taken out and doubled."""
    data = b"".join(draw(st.lists(requests(), min_size=1, max_size=3)))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 6))
        data = data[:at] + draw(DEVIATIONS) + data[at + length * draw(st.booleans()) :]
    return data


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


@pytest.fixture(scope="module")
def reader(loop: asyncio.AbstractEventLoop) -> Reader:
    async def make() -> Reader:
        return Reader()

    return loop.run_until_complete(make())


shards = pytest.mark.parametrize("shard", range(SHARDS))
"""Parts that several processes share; each draws cases of its own."""


@shards
@drawn(parts=SHARDS)
@given(sent=st.lists(requests(), min_size=1, max_size=3))
def test_proper_requests_are_read_as_h11_reads_them(
    sent: list[bytes], shard: int, reader: Reader, loop: asyncio.AbstractEventLoop
) -> None:
    del shard
    data = b"".join(sent)
    read = loop.run_until_complete(reader.take(data))
    assert len(read) == len(sent)
    assert read == list(by_h11(data))


@shards
@drawn(parts=SHARDS)
@given(data=strange_requests())
@example(data=b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n")
def test_whatever_is_passed_on_h11_reads_alike(
    data: bytes, shard: int, reader: Reader, loop: asyncio.AbstractEventLoop
) -> None:
    """It may refuse more; what it takes leaves no room for another reading."""
    del shard
    read = loop.run_until_complete(reader.take(data))
    others = list(by_h11(data))
    assert read == others[: len(read)]
