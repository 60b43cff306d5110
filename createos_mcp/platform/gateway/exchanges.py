"""A client's request or WebSocket, passed on to an app, streaming both ways."""

import asyncio
from abc import ABC, abstractmethod

import aiohttp
from starlette.types import Receive, Scope, Send
from typing_extensions import override
from yarl import URL

from createos_mcp.platform.errors import AnswerLostError, InstanceUnreachableError
from createos_mcp.platform.gateway.app_connection import Connection
from createos_mcp.platform.gateway.error_responses import BAD_GATEWAY, reject_websocket, send_error
from createos_mcp.platform.gateway.headers import (
    Headers,
    answer_headers,
    handshake_headers,
    interim_head,
    request_head,
    request_target,
)
from createos_mcp.platform.gateway.instance_pool import FRESH_S, KEEP_S, InstancePool
from createos_mcp.platform.gateway.websockets import MAX_WEBSOCKET_BYTES, carry
from createos_mcp.platform.gateway.write_coalescing import TRANSPORT, CoalescingTransport

# https://www.rfc-editor.org/rfc/rfc9110#section-15.2.2
SWITCHING = 101
CLIENT_LEFT = 499
"""What is recorded where the client left before an answer began; nginx's number for it."""

WATCH_AFTER_S = 0.05
"""A request that takes longer is ended when its client leaves; few take so long."""

REPEATABLE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of which a second try does no harm."""


def idle_limit_s(method: str, *, has_body: bool) -> float:
    """How long a kept connection may have been idle to carry a request."""
    return KEEP_S if method in REPEATABLE and not has_body else FRESH_S


class Exchange(ABC):
    """One request of a client and what becomes of it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send

    @abstractmethod
    async def forward(self, upstream: InstancePool) -> int:
        """Pass it on to an app, and return the status that the client got.

        Raises:
            InstanceUnreachableError: Nothing was sent; another instance may take it.
            AnswerLostError: It was sent, and no answer began.
        """

    @abstractmethod
    async def send_error(
        self, status: int, reason: str, *, retry_after_s: int | None = None
    ) -> int:
        """Answer in the app's place, and return the status."""

    @abstractmethod
    async def client_disconnected(self) -> bool:
        """Whether the client is known to have left; to be asked once, before `over`."""

    @abstractmethod
    def may_retry_once(self) -> bool:
        """Whether it may be sent once more after its answer was lost; True at most once."""


class RequestExchange(Exchange):
    """An HTTP request and its answer."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        super().__init__(scope, receive, send)
        self._head = request_head(scope)
        self._connection: Connection | None = None
        self._listener: asyncio.Task[None] | asyncio.TimerHandle | None = None
        self._is_uploaded = not self._head.has_body
        self._is_repeated = False
        self._has_left = False
        self._status = 0

    @override
    async def forward(self, upstream: InstancePool) -> int:
        upstream.enter()
        try:
            self._connection = await upstream.connect(
                idle_at_most_s=self._idle_at_most_s(), has_body=self._head.has_body
            )
            try:
                return await self._exchange(self._connection)
            finally:
                if not self._is_uploaded:
                    self._connection.abort()
                upstream.release(self._connection)
        finally:
            upstream.leave()

    @override
    async def send_error(
        self, status: int, reason: str, *, retry_after_s: int | None = None
    ) -> int:
        await send_error(self._scope, self._send, status, reason, retry_after_s=retry_after_s)
        return status

    @override
    async def client_disconnected(self) -> bool:
        if self._head.has_body:
            return False
        message = await self._receive()
        return bool(message["type"] == "http.disconnect")

    @override
    def may_retry_once(self) -> bool:
        connection = self._connection
        may = (
            not self._is_repeated
            and not self._head.has_body
            and self._scope["method"] in REPEATABLE
            and connection is not None
            and connection.is_silent
        )
        self._is_repeated = True
        return may

    def _idle_at_most_s(self) -> float:
        if self._is_repeated:
            return 0
        return idle_limit_s(self._scope["method"], has_body=self._head.has_body)

    async def _exchange(self, connection: Connection) -> int:
        connection.begin(
            self._head.written,
            head_only=self._scope["method"] == "HEAD",
            on_hints=self._pass_hints,
        )
        self._listen()
        try:
            await self._relay(connection)
        except AnswerLostError:
            if not self._status and not self._has_left:
                raise
        finally:
            if self._listener is not None:
                self._listener.cancel()
        return self._status or CLIENT_LEFT

    async def _relay(self, connection: Connection) -> None:
        self._status, headers = await connection.head()
        passing = answer_headers(self._status, headers)
        await self._send(
            {"type": "http.response.start", "status": self._status, "headers": passing}
        )
        more = True
        while more:
            chunk = await connection.chunk()
            more = not connection.is_finished
            if connection.trailers and not more:
                self._pass_trailers(connection.trailers)
            await self._send({"type": "http.response.body", "body": chunk, "more_body": more})

    def _pass_hints(self, headers: Headers) -> None:
        transport = self._client_transport()
        if transport is not None and not self._status:
            transport.write(interim_head(headers))

    def _pass_trailers(self, trailers: Headers) -> None:
        transport = self._client_transport()
        if transport is not None:
            transport.add_trailers(answer_headers(self._status, trailers))

    def _client_transport(self) -> CoalescingTransport | None:
        """The client's connection, where it takes what HTTP/1.0 does not know."""
        transport: CoalescingTransport | None = self._scope.get("state", {}).get(TRANSPORT)
        return transport if self._scope["http_version"] == "1.1" else None

    def _listen(self) -> None:
        """Listen to the client: at once for its body, otherwise later, for its leaving."""
        if self._is_uploaded:
            loop = asyncio.get_running_loop()
            self._listener = loop.call_later(WATCH_AFTER_S, self._start_listener)
        else:
            self._start_listener()

    def _start_listener(self) -> None:
        self._listener = asyncio.get_running_loop().create_task(self._read_client())

    async def _read_client(self) -> None:
        connection = self._connection
        if connection is None:
            return
        while (message := await self._receive())["type"] != "http.disconnect":
            if not self._is_uploaded:
                self._upload(connection, message.get("body", b""))
                self._is_uploaded = not message.get("more_body", False)
                if self._is_uploaded and self._head.is_chunked:
                    connection.write(b"0\r\n\r\n")
                await connection.drain()
        self._has_left = True
        connection.abort()

    def _upload(self, connection: Connection, piece: bytes) -> None:
        if not piece:
            return
        if self._head.is_chunked:
            piece = b"%x\r\n%s\r\n" % (len(piece), piece)
        connection.write(piece)


class WebSocketExchange(Exchange):
    """A WebSocket, from its handshake to its end."""

    @override
    async def forward(self, upstream: InstancePool) -> int:
        upstream.enter()
        try:
            return await self._open(upstream)
        finally:
            upstream.leave()

    async def _open(self, upstream: InstancePool) -> int:
        address = (
            f"http://app:{upstream.instance.port}{request_target(self._scope).decode('latin-1')}"
        )
        async with upstream.open_websockets() as session:
            try:
                app = await session.ws_connect(
                    URL(address, encoded=True),
                    protocols=tuple(self._scope.get("subprotocols", ())),
                    headers=handshake_headers(self._scope),
                    autoclose=False,
                    max_msg_size=MAX_WEBSOCKET_BYTES,
                )
            except aiohttp.WSServerHandshakeError as refusal:
                return await self.send_error(refusal.status, "")
            except aiohttp.ClientConnectorError as error:
                raise InstanceUnreachableError from error
            except (aiohttp.ClientError, OSError):
                return await self.send_error(BAD_GATEWAY, "")
            async with app:
                return await self._accept(app, upstream)

    async def _accept(self, app: aiohttp.ClientWebSocketResponse, upstream: InstancePool) -> int:
        await self._receive()
        try:
            await self._send({"type": "websocket.accept", "subprotocol": app.protocol})
        except OSError:
            return CLIENT_LEFT
        await carry(app, self._receive, self._send, is_leaving=lambda: upstream.is_closed)
        return SWITCHING

    @override
    async def send_error(
        self, status: int, reason: str, *, retry_after_s: int | None = None
    ) -> int:
        await reject_websocket(self._receive, self._send, status)
        return status

    @override
    async def client_disconnected(self) -> bool:
        return False

    @override
    def may_retry_once(self) -> bool:
        return False
