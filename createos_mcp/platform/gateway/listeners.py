"""Listening sockets that come and go, all served by one HTTP stack."""

import asyncio
import socket
from typing import Any

import uvicorn
from typing_extensions import override
from uvicorn.server import ServerState

from createos_mcp.contract.request_heads import StrictHeadProtocol
from createos_mcp.platform.gateway.write_coalescing import TRANSPORT, CoalescingTransport

# What uvicorn uses; Linux cuts it to net.core.somaxconn.
BACKLOG = 2048
MAX_WEBSOCKET_BYTES = 64 * 2**20
# Idle connections end at once; this is for those in the middle of a response.
CLOSE_TIMEOUT_S = 2.0
# Longer than the 60 s for which proxies keep idle connections, so that they close first.
KEEP_ALIVE_S = 75


def bind_loopback(port: int) -> socket.socket:
    """A socket bound to a port of 127.0.0.1, 0 for a free one.

    Raises:
        OSError: Something else listens there.
    """
    # Without the protocol asyncio does not know it for TCP, and leaves Nagle's delay on:
    # 40 ms for each answer on a connection that is kept.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise
    return listener


class _Protocol(StrictHeadProtocol):
    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(CoalescingTransport(transport))  # type: ignore[arg-type]

    @override
    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][TRANSPORT] = self.transport

    @override
    def on_headers_complete(self) -> None:
        if self.parser.get_http_version() == "1.0":
            transport: Any = self.transport
            transport.take_no_chunks()
        super().on_headers_complete()


class Listeners:
    """Ports of 127.0.0.1 on which one ASGI app answers.

    uvicorn's own server takes its sockets at the start; this uses its protocols on sockets that
    are opened and closed while it runs.
    """

    def __init__(self, app: Any) -> None:  # noqa: ANN401 - uvicorn's own type for an app
        self._config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="websockets-sansio",
            ws_max_size=MAX_WEBSOCKET_BYTES,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
        )
        self._state = ServerState()
        self._servers: dict[int, asyncio.Server] = {}

    async def open(self, port: int) -> int:
        """Listen on a port, 0 for a free one, and return it; one that is open stays so.

        Raises:
            OSError: Something else listens there.
        """
        if port in self._servers:
            return port
        return await self.serve(bind_loopback(port))

    async def serve(self, listener: socket.socket) -> int:
        """Answer on a socket that is bound, and return its port."""
        if not self._config.loaded:
            self._config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_server(self._protocol, sock=listener, backlog=BACKLOG)
        bound: int = listener.getsockname()[1]
        self._servers[bound] = server
        return bound

    async def close(self, port: int) -> None:
        """Stop listening on a port; connections that are open go on."""
        server = self._servers.pop(port, None)
        if server is not None:
            server.close()

    async def close_all(self) -> None:
        """Stop listening, and end every connection."""
        for port in list(self._servers):
            await self.close(port)
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=CLOSE_TIMEOUT_S)
        for task in self._state.tasks:
            task.cancel()

    def _protocol(self) -> asyncio.Protocol:
        return _Protocol(config=self._config, server_state=self._state, app_state={})
