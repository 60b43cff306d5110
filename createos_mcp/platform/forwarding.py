"""Passes requests and WebSockets on to one app, streaming both ways."""

import asyncio
import html
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from multidict import CIMultiDict
from typing_extensions import override
from yarl import URL

from createos_mcp.platform.models import Instance

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

CONNECT_TIMEOUT_S = 5.0
MAX_WEBSOCKET_BYTES = 64 * 2**20
MAX_HEADER_BYTES = 64 * 1024
BAD_GATEWAY = 502
NORMAL_CLOSURE = 1000
UNEXPECTED = 1011
GONE = "The app did not answer: it has ended or does not listen any more. Its log says why."

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
"""Headers that concern one connection only; see RFC 9110, section 7.6.1."""

_HANDSHAKE = frozenset(
    {
        b"sec-websocket-key",
        b"sec-websocket-version",
        b"sec-websocket-extensions",
        b"sec-websocket-protocol",
    }
)

_FORWARDED = frozenset({b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto"})

OpenSocket = Callable[[Instance, int], socket.socket]


class _Loopback(AbstractResolver):
    """Resolves every name to the loopback of the app's own network."""

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        addresses = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for family, address in addresses
        ]

    @override
    async def close(self) -> None:
        return


class Upstream:
    """One running app: the connections to it and the requests in flight on it."""

    def __init__(self, instance: Instance, open_socket: OpenSocket) -> None:
        self._base = f"http://app:{instance.port}"
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        connector = aiohttp.TCPConnector(
            limit=0,
            resolver=_Loopback(),
            socket_factory=lambda address: open_socket(instance, address[0]),
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
            skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
        )

    async def idle(self) -> None:
        """Return once no request is in flight."""
        await self._idle.wait()

    async def close(self) -> None:
        """Drop every connection."""
        await self._session.close()

    async def forward(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request or WebSocket on."""
        self._in_flight += 1
        self._idle.clear()
        try:
            if scope["type"] == "websocket":
                await self._forward_websocket(scope, receive, send)
            else:
                await self._forward_request(scope, receive, send)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def _forward_request(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = _Body(scope, receive)
        begun = False

        async def relay() -> None:
            nonlocal begun
            async with self._session.request(
                scope["method"],
                self._url(scope),
                headers=_request_headers(scope),
                data=body.chunks() if body.expected else None,
                allow_redirects=False,
            ) as answer:
                begun = True
                headers = _without(answer.raw_headers, HOP_BY_HOP)
                await send(
                    {"type": "http.response.start", "status": answer.status, "headers": headers}
                )
                async for chunk in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": chunk, "more_body": True})
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await _unless_disconnected(relay, body, receive)
        except* (aiohttp.ClientError, OSError) as errors:
            if begun:
                raise ConnectionResetError(GONE) from errors
            await explain(scope, receive, send, BAD_GATEWAY, GONE)

    async def _forward_websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        try:
            upstream = await self._session.ws_connect(
                self._url(scope),
                protocols=tuple(scope.get("subprotocols", ())),
                headers=_request_headers(scope, without=_HANDSHAKE),
                autoping=True,
                autoclose=False,
                max_msg_size=MAX_WEBSOCKET_BYTES,
            )
        except aiohttp.WSServerHandshakeError as refusal:
            await _refuse_websocket(send, refusal.status)
            return
        except (aiohttp.ClientError, OSError):
            await _refuse_websocket(send, BAD_GATEWAY)
            return
        async with upstream, anyio.create_task_group() as pumps:
            await send({"type": "websocket.accept", "subprotocol": upstream.protocol})
            pumps.start_soon(_pump_up, receive, upstream, pumps.cancel_scope)
            await _pump_down(upstream, send)
            pumps.cancel_scope.cancel()

    def _url(self, scope: Scope) -> URL:
        path = (scope.get("raw_path") or scope["path"].encode()).decode("latin-1")
        query = scope["query_string"].decode("latin-1")
        return URL(f"{self._base}{path}{'?' if query else ''}{query}", encoded=True)


class _Body:
    """A request's body, read as the app takes it."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        names = dict(scope["headers"])
        self.expected = b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"
        self.read = asyncio.Event()
        if not self.expected:
            self.read.set()
        self._receive = receive

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body piece by piece.

        Raises:
            ConnectionResetError: The client left before its end.
        """
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ConnectionResetError("the client left")
            more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]
        self.read.set()


async def _unless_disconnected(
    relay: Callable[[], Awaitable[None]], body: _Body, receive: Receive
) -> None:
    """Relay, and stop as soon as the client has left."""
    async with anyio.create_task_group() as tasks:

        async def watch() -> None:
            await body.read.wait()
            while (await receive())["type"] != "http.disconnect":
                pass
            tasks.cancel_scope.cancel()

        tasks.start_soon(watch)
        await relay()
        tasks.cancel_scope.cancel()


async def _pump_up(
    receive: Receive, upstream: aiohttp.ClientWebSocketResponse, scope: anyio.CancelScope
) -> None:
    while (message := await receive())["type"] == "websocket.receive":
        if message.get("text") is not None:
            await upstream.send_str(message["text"])
        else:
            await upstream.send_bytes(message["bytes"])
    reason = (message.get("reason") or "").encode()
    await upstream.close(code=message.get("code") or NORMAL_CLOSURE, message=reason)
    scope.cancel()


async def _pump_down(upstream: aiohttp.ClientWebSocketResponse, send: Send) -> None:
    async for message in upstream:
        if message.type is aiohttp.WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type is aiohttp.WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
    code = upstream.close_code
    sendable = code if code is not None and code not in {1005, 1006, 1015} else NORMAL_CLOSURE
    await send({"type": "websocket.close", "code": sendable})


async def _refuse_websocket(send: Send, status: int) -> None:
    """Answer a handshake as the app did; see the ASGI extension websocket.http.response."""
    start = {"type": "websocket.http.response.start", "status": status, "headers": []}
    await send(start)
    await send({"type": "websocket.http.response.body", "body": b""})


def _request_headers(scope: Scope, without: Iterable[bytes] = ()) -> CIMultiDict[str]:
    headers = CIMultiDict(
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, value in _without(scope["headers"], HOP_BY_HOP | _FORWARDED | {*without})
        if name != b"expect"
    )
    client = scope.get("client") or ("", 0)
    headers["X-Forwarded-For"] = client[0]
    headers["X-Forwarded-Host"] = headers.get("Host", "")
    headers["X-Forwarded-Proto"] = scope["scheme"].replace("ws", "http")
    return headers


def _without(
    headers: Iterable[tuple[bytes, bytes]], names: frozenset[bytes]
) -> list[tuple[bytes, bytes]]:
    """The headers that may pass, in lower case, without those that `Connection` names."""
    lower = [(name.lower(), value) for name, value in headers]
    named = {
        option.strip().lower()
        for name, value in lower
        if name == b"connection"
        for option in value.split(b",")
    }
    return [(name, value) for name, value in lower if name not in names and name not in named]


async def explain(scope: Scope, receive: Receive, send: Send, status: int, reason: str) -> None:
    """Answer in an app's place: a small page for browsers, JSON for everyone else."""
    if scope["type"] == "websocket":
        await receive()
        await _refuse_websocket(send, status)
        return
    accepted = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    if b"text/html" in accepted:
        kind, text = b"text/html; charset=utf-8", f"<h1>{status}</h1><p>{html.escape(reason)}</p>"
    else:
        kind, text = b"application/json", json.dumps({"status": "fail", "data": reason})
    body = text.encode()
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
