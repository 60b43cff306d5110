"""A gateway in this process, and small apps on loopback behind it."""

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from aiohttp import web

from createos_mcp.platform.gateway.gateway import Gateway, Site
from createos_mcp.platform.models import Instance
from createos_mcp.platform.processes import ProcessId

OWNER = "environment-1"

_numbers = itertools.count(1)


async def open_socket(_instance: Instance, family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def instance_on(port: int) -> Instance:
    """A running app that listens there."""
    return Instance(
        replica_id=f"replica-{next(_numbers)}",
        process=ProcessId(pid=1, started=0, boot_id=""),
        run_dir=Path("/nowhere"),
        port=port,
        isolation="none",
        limits="watched",
    )


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[Instance]:
    """An app on a port of its own, for as long as the context lasts."""
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    listener = socket.create_server(("127.0.0.1", 0))
    await web.SockSite(runner, listener).start()
    try:
        yield instance_on(listener.getsockname()[1])
    finally:
        await runner.cleanup()


Take = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def on_bare_sockets(take: Take) -> AsyncIterator[Instance]:
    """An app that is given each connection as it comes, until it or the gateway ends it."""
    taken: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await take(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.add(asyncio.create_task(handle(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield instance_on(server.sockets[0].getsockname()[1])
    server.close()
    if taken:
        await asyncio.wait(taken, timeout=5)


@dataclass(frozen=True, kw_only=True)
class Entrance:
    """A gateway with one open site, and what it recorded."""

    gateway: Gateway
    site: Site
    recorded: list[tuple[str, int, str]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.site.port}"


@asynccontextmanager
async def entrance(
    *,
    clock: Callable[[], float] = lambda: 0.0,
    wake_timeout_s: float = 60.0,
    trusted_proxies: Sequence[str] = (),
) -> AsyncIterator[Entrance]:
    """A gateway whose one site leads nowhere yet."""
    recorded: list[tuple[str, int, str]] = []

    def record(owner: str, status: int, path: str, _seconds: float) -> None:
        recorded.append((owner, status, path))

    async with Gateway(
        open_socket=open_socket,
        record=record,
        clock=clock,
        wake_timeout_s=wake_timeout_s,
        trusted_proxies=trusted_proxies,
    ) as gateway:
        site = Site(
            route_id=OWNER, hosts=("production-app.localhost",), port=free_port(), is_counted=True
        )
        await gateway.open(site)
        yield Entrance(gateway=gateway, site=site, recorded=recorded)
