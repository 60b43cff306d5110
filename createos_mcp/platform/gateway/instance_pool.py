"""One running app as the gateway sees it: connections to it, and the requests in flight."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager

import aiohttp

from createos_mcp.platform.errors import InstanceUnreachableError
from createos_mcp.platform.gateway.app_connection import Connection
from createos_mcp.platform.gateway.websockets import open_websocket_session
from createos_mcp.platform.models import Instance

CONNECT_TIMEOUT_S = 5.0
REMOTE_CONNECT_TIMEOUT_S = 1.0
"""To another machine: one that is gone answers nothing, and another replica may."""

ASIDE_S = 5.0
"""How long a replica on a machine that does not answer is passed over, where there is another."""

_SILENT_MS, _PROBE_S, _PROBES = 3000, 1, 2
"""When a connection to a machine that is gone counts as lost; see tcp(7)."""

_UPLOADING_MS = 30_000
"""The same while a body is sent: an app that does not read for some time is not gone."""

KEEP_S = 15.0
"""An idle connection is closed after this time, so that it does not occupy a thread of the app."""

FRESH_S = 1.0
"""A request that must not be sent twice takes no connection that has been idle for longer.

Apps close theirs after a few seconds, Node after five, gunicorn after two. One that is closed
just as a request is written to it loses the request.
"""

OpenSocket = Callable[[Instance, int], Awaitable[socket.socket]]


class InstancePool:
    """The connections to one instance.

    Args:
        instance: The running app.
        open_socket: Makes a TCP socket inside the instance's network.
    """

    def __init__(self, instance: Instance, open_socket: OpenSocket) -> None:
        self.instance = instance
        self.in_flight = 0
        """Requests, streams and WebSockets under way."""
        self._open_socket = open_socket
        self._families = [*instance.hosts]
        self._aside_until = 0.0
        self._free: list[Connection] = []
        self._all: set[Connection] = set()
        self._closing_of_free: asyncio.TimerHandle | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self.is_closed = False
        self._websockets: set[aiohttp.ClientSession] = set()

    @asynccontextmanager
    async def open_websockets(self) -> AsyncIterator[aiohttp.ClientSession]:
        """What opens one WebSocket to the app.

        Raises:
            InstanceUnreachableError: The instance was let go, or its launcher does not answer.
        """
        sockets = await self._open_sockets()
        session = open_websocket_session(sockets.pop, self.instance.hosts)
        self._websockets.add(session)
        try:
            async with session:
                yield session
        finally:
            self._websockets.discard(session)
            for unused in sockets.values():
                unused.close()

    async def _open_sockets(self) -> dict[int, socket.socket]:
        """One socket of each family, made beforehand: aiohttp does not wait for its sockets."""
        made: dict[int, socket.socket] = {}
        with ExitStack() as opened:
            for family in self._families:
                made[family] = opened.enter_context(await self._open(family))
            opened.pop_all()
        return made

    async def _open(self, family: socket.AddressFamily) -> socket.socket:
        if self.is_closed:
            raise InstanceUnreachableError
        try:
            return await self._open_socket(self.instance, family)
        except OSError as error:
            raise InstanceUnreachableError from error

    @property
    def is_set_aside(self) -> bool:
        """Whether its machine did not answer a moment ago."""
        return asyncio.get_running_loop().time() < self._aside_until

    def enter(self) -> None:
        """Count a request that is about to be sent."""
        self.in_flight += 1
        self._idle.clear()

    def leave(self) -> None:
        """Count one that is over."""
        self.in_flight -= 1
        if not self.in_flight:
            self._idle.set()

    async def idle(self) -> None:
        """Return once nothing is in flight."""
        await self._idle.wait()

    async def connect(self, *, idle_at_most_s: float, has_body: bool = False) -> Connection:
        """A connection for one request: one that is kept, or a new one.

        Args:
            idle_at_most_s: How long a kept connection may have been idle; 0 for a new one.
            has_body: Whether the request has one.

        Raises:
            InstanceUnreachableError: The app does not accept connections.
        """
        connection = self._kept(idle_at_most_s) or await self._connect()
        if self.instance.address:
            connection.limit_silence(_UPLOADING_MS if has_body else _SILENT_MS)
        return connection

    def _kept(self, idle_at_most_s: float) -> Connection | None:
        earliest = asyncio.get_running_loop().time() - idle_at_most_s
        while self._free and self._free[-1].idle_since > earliest:
            connection = self._free.pop()
            if connection.is_reusable:
                connection.is_used = True
                return connection
            self._all.discard(connection)
        return None

    def release(self, connection: Connection) -> None:
        """Take a connection back; one that cannot carry another request is ended."""
        if self.is_closed or not connection.is_reusable:
            self._all.discard(connection)
            connection.abort()
            return
        loop = asyncio.get_running_loop()
        connection.idle_since = loop.time()
        self._free.append(connection)
        if self._closing_of_free is None:
            self._closing_of_free = loop.call_later(KEEP_S, self._close_free)

    async def close(self) -> None:
        """Cut every connection, and make no more."""
        self.is_closed = True
        if self._closing_of_free is not None:
            self._closing_of_free.cancel()
        for connection in self._all:
            connection.abort()
        for session in tuple(self._websockets):
            await session.close()

    async def _connect(self) -> Connection:
        for family in tuple(self._families):
            try:
                connection = await self._connect_by(family)
            except TimeoutError:
                # The launcher or the app is stuck: the other family would take as long.
                self._aside_until = asyncio.get_running_loop().time() + ASIDE_S
                break
            except OSError:
                continue
            if family is not self._families[0]:
                self._families.reverse()
            if self.is_closed:
                connection.abort()
                break
            self._all.add(connection)
            return connection
        raise InstanceUnreachableError

    async def _connect_by(self, family: socket.AddressFamily) -> Connection:
        if self.is_closed:
            raise ConnectionRefusedError
        loop = asyncio.get_running_loop()
        made = await self._open_socket(self.instance, family)
        try:
            made.settimeout(0)
            # Its own as well as asyncio's: a socket that came from another process may not
            # say that it is TCP, and then keeps Nagle's delay.
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            timeout_s = CONNECT_TIMEOUT_S
            if self.instance.address:
                _probe_when_idle(made)
                timeout_s = REMOTE_CONNECT_TIMEOUT_S
            async with asyncio.timeout(timeout_s):
                await loop.sock_connect(made, (self.instance.hosts[family], self.instance.port))
            _, connection = await loop.create_connection(lambda: Connection(made), sock=made)
        except BaseException:
            made.close()
            raise
        return connection

    def _close_free(self) -> None:
        self._closing_of_free = None
        loop = asyncio.get_running_loop()
        earliest = loop.time() - KEEP_S
        while self._free and self._free[0].idle_since <= earliest:
            connection = self._free.pop(0)
            self._all.discard(connection)
            connection.abort()
        if self._free:
            due = self._free[0].idle_since + KEEP_S
            self._closing_of_free = loop.call_at(due, self._close_free)


def _probe_when_idle(made: socket.socket) -> None:
    """Let a connection that waits end soon after the machine at its other end is gone."""
    made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, _PROBE_S),
        (socket.TCP_KEEPINTVL, _PROBE_S),
        (socket.TCP_KEEPCNT, _PROBES),
    ):
        made.setsockopt(socket.IPPROTO_TCP, option, value)
