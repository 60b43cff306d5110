"""Opens WebSockets to apps, and carries their messages both ways."""

import socket
from collections.abc import Callable, Mapping

import aiohttp
import anyio
from aiohttp.abc import AbstractResolver, ResolveResult
from starlette.types import Receive, Send
from typing_extensions import override

CONNECT_TIMEOUT_S = 5.0
MAX_WEBSOCKET_BYTES = 64 * 2**20
MAX_HEADER_BYTES = 64 * 1024
# https://www.rfc-editor.org/rfc/rfc6455#section-7.4.1
NORMAL_CLOSURE = 1000
UNEXPECTED = 1011
SERVICE_RESTART = 1012
"""The app goes on elsewhere, and clients may come again at once:
https://www.iana.org/assignments/websocket/websocket.xhtml#close-code-number."""

SENDABLE: Mapping[int, int] = {1005: NORMAL_CLOSURE, 1006: UNEXPECTED, 1015: UNEXPECTED}
"""What is sent for the codes that stand for a missing one; RFC 6455, section 7.4.1."""


class _AppHosts(AbstractResolver):
    """Resolves every name to where the app is in its own network."""

    def __init__(self, hosts: Mapping[socket.AddressFamily, str]) -> None:
        self._hosts = hosts

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=0)
            for family, address in self._hosts.items()
        ]

    @override
    async def close(self) -> None:
        return


def open_websocket_session(
    open_socket: Callable[[int], socket.socket], hosts: Mapping[socket.AddressFamily, str]
) -> aiohttp.ClientSession:
    """What opens WebSockets to one app.

    Args:
        open_socket: Makes a TCP socket of an address family inside the app's network.
        hosts: Where the app is in there, by address family.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        force_close=True,
        resolver=_AppHosts(hosts),
        socket_factory=lambda address: open_socket(address[0]),
    )
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_TIMEOUT_S),
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        max_line_size=MAX_HEADER_BYTES,
        max_field_size=MAX_HEADER_BYTES,
    )


async def carry(
    app: aiohttp.ClientWebSocketResponse,
    receive: Receive,
    send: Send,
    *,
    is_leaving: Callable[[], bool],
) -> None:
    """Pass messages on between a client and an app until one of them closes.

    Args:
        app: The app's side.
        receive: Of the client's side.
        send: Of the client's side.
        is_leaving: Whether the gateway itself has cut the app off, because another takes over.
    """
    async with anyio.create_task_group() as pumps:
        pumps.start_soon(_pump_up, receive, app, pumps.cancel_scope)
        await _pump_down(app, send, is_leaving)
        pumps.cancel_scope.cancel()


async def _pump_up(
    receive: Receive, app: aiohttp.ClientWebSocketResponse, scope: anyio.CancelScope
) -> None:
    try:
        while (message := await receive())["type"] == "websocket.receive":
            if message.get("text") is not None:
                await app.send_str(message["text"])
            else:
                await app.send_bytes(message["bytes"])
        reason = (message.get("reason") or "").encode()
        await app.close(code=_sendable(message.get("code")), message=reason)
    except (aiohttp.ClientError, OSError):
        return  # the app has left: the other pump tells the client
    scope.cancel()


async def _pump_down(
    app: aiohttp.ClientWebSocketResponse, send: Send, is_leaving: Callable[[], bool]
) -> None:
    try:
        async for message in app:
            if message.type is aiohttp.WSMsgType.TEXT:
                await send({"type": "websocket.send", "text": message.data})
            elif message.type is aiohttp.WSMsgType.BINARY:
                await send({"type": "websocket.send", "bytes": message.data})
        code = SERVICE_RESTART if is_leaving() else _sendable(app.close_code)
        await send({"type": "websocket.close", "code": code})
    except OSError:
        return  # the client has left


def _sendable(code: int | None) -> int:
    return UNEXPECTED if code is None else SENDABLE.get(code, code)
