"""The way in to apps: each address, by its port or host name, leads to the instances of one app."""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Self, TypeAlias

import anyio
from anyio.abc import TaskGroup
from starlette.types import Receive, Scope, Send

from createos_mcp.platform.errors import StartupError
from createos_mcp.platform.gateway.error_responses import NOT_FOUND
from createos_mcp.platform.gateway.headers import FROM_PROXY
from createos_mcp.platform.gateway.instance_pool import InstancePool, OpenSocket
from createos_mcp.platform.gateway.listeners import Listeners
from createos_mcp.platform.gateway.page_names import is_page_host
from createos_mcp.platform.gateway.routes import (
    WAKE_TIMEOUT_S,
    Record,
    Route,
    Running,
    Site,
    Sleeping,
    Unavailable,
    Wake,
    exchange_of,
)
from createos_mcp.platform.models import Instance

__all__ = ["Gateway", "Site"]

Networks: TypeAlias = Sequence[IPv4Network | IPv6Network]

EMPTY = "Nothing is deployed here yet."
UNKNOWN = "No app has this address."


class Gateway:
    """An ASGI app behind all addresses, and the table that says where each one leads.

    A host name that another open site has stays with that one.

    Args:
        open_socket: Makes a TCP socket inside an instance's network.
        record: Called with route ID, status, raw path (no query) and seconds of each request that
            is over, on sites that are counted. The status is the one that the client got: also the
            gateway's own, 101 for a WebSocket, 499 where the client left before the answer began.
        port: Port shared by all host names; 0 takes a free one.
        trusted_proxies: Addresses and networks whose word on who asked is passed on.
        clock: Tells seconds.
        wake_timeout_s: How long a request waits for an app that wakes up.
    """

    def __init__(
        self,
        *,
        open_socket: OpenSocket,
        record: Record,
        port: int = 0,
        trusted_proxies: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        wake_timeout_s: float = WAKE_TIMEOUT_S,
    ) -> None:
        self._open_socket = open_socket
        self._record = record
        self._wanted_port = port
        self._proxies = tuple(map(ip_network, trusted_proxies))
        self._clock = clock
        self._wake_timeout_s = wake_timeout_s
        self._listeners = Listeners(self)
        self._by_id: dict[str, Route] = {}
        self._by_port: dict[int, Route] = {}
        self._by_host: dict[bytes, Route] = {}
        self._upstreams: dict[str, InstancePool] = {}
        self._at_end = AsyncExitStack()
        self._tasks: TaskGroup
        self.port = 0
        """The shared port that is really listened on."""

    async def __aenter__(self) -> Self:
        self._tasks = await self._at_end.enter_async_context(anyio.create_task_group())
        self._at_end.push_async_callback(self._shut)
        try:
            self.port = await self._listeners.open(self._wanted_port)
        except OSError as error:
            reason = f"cannot listen on port {self._wanted_port}: {error.strerror}"
            raise StartupError(reason, "choose another") from error
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._at_end.aclose()

    async def open(self, site: Site) -> None:
        """Listen on a site's own port; does nothing where it is open already.

        Raises:
            OSError: Something else listens there.
        """
        await self._listeners.open(site.port)
        if site.route_id not in self._by_id:
            route = Route(site, Unavailable(EMPTY), clock=self._clock, record=self._record)
            self._by_id[site.route_id] = self._by_port[site.port] = route
            self._name(route)

    def is_open(self, route_id: str) -> bool:
        """Whether there is a site of that ID."""
        return route_id in self._by_id

    async def close(self, route_id: str) -> None:
        """Stop listening, and forget the site; does nothing where there is none."""
        route = self._by_id.pop(route_id, None)
        if route is not None:
            del self._by_port[route.site.port]
            await self._listeners.close(route.site.port)
            self._unname(route)
            route.set_destination(Unavailable(UNKNOWN))

    def set_domains(self, route_id: str, names: Sequence[str]) -> None:
        """Let a site answer to these names and its own, and to no others, where there is one."""
        route = self._by_id.get(route_id)
        if route is not None:
            self._unname(route)
            route.site = replace(route.site, hosts=(*route.site.hosts[:1], *names))
            self._name(route)

    def publish(self, route_id: str, instances: Sequence[Instance]) -> None:
        """Let the next requests go to these instances, at least one; those in flight stay."""
        route = self._by_id[route_id]
        route.set_destination(Running([self._upstream(instance) for instance in instances]))
        route.touch()

    def make_unavailable(
        self, route_id: str, reason: str, *, retry_after_s: int | None = None
    ) -> None:
        """Answer 503 with the reason, and with `Retry-After` where it will pass."""
        route = self._by_id.get(route_id)
        if route is not None:
            route.set_destination(Unavailable(reason, retry_after_s))

    def hold(self, route_id: str, wake: Wake) -> None:
        """Let requests wait until the site is published or unavailable, for 60 seconds at most.

        Those of a site that is held already go on waiting. Does nothing where there is no site.

        Args:
            route_id: The address of an app that sleeps.
            wake: Started by the first request. When it raises, those that wait get 503, and the
                next one starts it again.
        """
        route = self._by_id.get(route_id)
        if route is not None and not isinstance(route.target, Sleeping):
            route.set_destination(
                Sleeping(route, wake, self._tasks, timeout_s=self._wake_timeout_s)
            )

    async def drain(self, instances: Sequence[Instance], timeout_s: float) -> None:
        """Wait until nothing is in flight on these instances, or the time is over; then let go.

        Connections that are left, WebSockets too, are cut.
        """
        keys = [instance.replica_id for instance in instances]
        leaving = [self._upstreams.pop(key) for key in keys if key in self._upstreams]
        with anyio.move_on_after(timeout_s):
            for upstream in leaving:
                await upstream.idle()
        for upstream in leaving:
            await upstream.close()

    def idle_s(self, route_ids: Iterable[str]) -> float:
        """Seconds since the last request at any of these sites ended or one was last published.

        Returns:
            0 while a request, a stream or a WebSocket is in flight, and where there is no site.
        """
        routes = (self._by_id[route_id] for route_id in route_ids if route_id in self._by_id)
        return min((route.idle_s() or 0 for route in routes), default=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request or WebSocket."""
        route = self._route(scope)
        if self._proxies and _is_within(scope["client"], self._proxies):
            scope[FROM_PROXY] = True
        if route is None:
            await exchange_of(scope, receive, send).send_error(NOT_FOUND, UNKNOWN)
        else:
            await route.answer(scope, receive, send)

    def _route(self, scope: Scope) -> Route | None:
        port = scope["server"][1]
        host: bytes = next((v for k, v in scope["headers"] if k == b"host"), b"")
        if port != self.port:
            return None if is_page_host(host) else self._by_port.get(port)
        return self._by_host.get(host.partition(b":")[0].lower())

    def _name(self, route: Route) -> None:
        for host in route.site.hosts:
            self._by_host.setdefault(host.lower().encode(), route)

    def _unname(self, route: Route) -> None:
        for host in route.site.hosts:
            if self._by_host.get(host.lower().encode()) is route:
                del self._by_host[host.lower().encode()]

    def _upstream(self, instance: Instance) -> InstancePool:
        key = instance.replica_id
        known = self._upstreams.get(key)
        if known is not None and known.instance.port == instance.port:
            return known
        if known is not None:
            self._tasks.start_soon(_close_when_idle, known)
        self._upstreams[key] = InstancePool(instance, self._open_socket)
        return self._upstreams[key]

    async def _shut(self) -> None:
        self._tasks.cancel_scope.cancel()
        with anyio.CancelScope(shield=True):
            await self._listeners.close_all()
            for upstream in self._upstreams.values():
                await upstream.close()


async def _close_when_idle(upstream: InstancePool) -> None:
    await upstream.idle()
    await upstream.close()


def _is_within(client: tuple[str, int] | None, networks: Networks) -> bool:
    return client is not None and any(ip_address(client[0]) in network for network in networks)
