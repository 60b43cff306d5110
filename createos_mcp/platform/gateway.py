"""The way in to apps: each address, by its port or host name, leads to one running app."""

import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import anyio

from createos_mcp.platform.forwarding import Receive, Scope, Send, Upstream, explain
from createos_mcp.platform.listeners import Listeners
from createos_mcp.platform.models import Instance

NOT_FOUND = 404
UNAVAILABLE = 503

OpenSocket = Callable[[Instance, int], socket.socket]


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One address: host names on the shared port, and a port of its own on 127.0.0.1."""

    hosts: tuple[str, ...]
    port: int

    @property
    def keys(self) -> tuple[int | str, ...]:
        """Everything by which a request tells that it is meant for this site."""
        return (self.port, *self.hosts)


class Gateway:
    """An ASGI app behind all addresses, and the table that says where each one leads.

    Args:
        open_socket: Makes a TCP socket inside an instance's network.
        port: Port shared by all host names; 0 takes a free one.
    """

    def __init__(self, *, open_socket: OpenSocket, port: int = 0) -> None:
        self._open_socket = open_socket
        self._wanted_port = port
        self._listeners = Listeners(self)
        self._targets: dict[int | str, Upstream | str] = {}
        self._upstreams: dict[int, Upstream] = {}
        self.port = 0
        """The shared port that is really listened on."""

    async def __aenter__(self) -> Self:
        self.port = await self._listeners.open(self._wanted_port)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._listeners.close_all()
        for upstream in self._upstreams.values():
            await upstream.close()

    async def open(self, site: Site) -> None:
        """Listen on a site's own port; does nothing where it is open already.

        Raises:
            OSError: Something else listens there.
        """
        await self._listeners.open(site.port)
        for key in site.keys:
            self._targets.setdefault(key, "Nothing is deployed here yet.")

    async def close(self, site: Site) -> None:
        """Stop listening, and forget the site."""
        await self._listeners.close(site.port)
        for key in site.keys:
            self._targets.pop(key, None)

    def publish(self, site: Site, instance: Instance) -> None:
        """Let the next request for a site go to an instance; those in flight stay with theirs."""
        upstream = self._upstreams.get(instance.pid)
        if upstream is None:
            upstream = self._upstreams[instance.pid] = Upstream(instance, self._open_socket)
        for key in site.keys:
            self._targets[key] = upstream

    def withdraw(self, site: Site, reason: str) -> None:
        """Answer 503 with the reason."""
        for key in site.keys:
            self._targets[key] = reason

    def rehost(self, site: Site, hosts: Sequence[str]) -> Site:
        """Give an open site other host names; what it leads to stays."""
        renamed = replace(site, hosts=tuple(hosts))
        for key in set(site.keys) - set(renamed.keys):
            self._targets.pop(key, None)
        for key in renamed.keys:
            self._targets[key] = self._targets[site.port]
        return renamed

    async def drain(self, instance: Instance, timeout_s: float) -> None:
        """Wait until no request is in flight on an instance, or the time is over; then let go."""
        upstream = self._upstreams.pop(instance.pid, None)
        if upstream is None:
            return
        with anyio.move_on_after(timeout_s):
            await upstream.idle()
        await upstream.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one request or WebSocket."""
        target = self._target(scope)
        if target is None:
            await explain(scope, receive, send, NOT_FOUND, "No app has this address.")
        elif isinstance(target, str):
            await explain(scope, receive, send, UNAVAILABLE, target)
        else:
            await target.forward(scope, receive, send)

    def _target(self, scope: Scope) -> Upstream | str | None:
        port = scope["server"][1]
        if port != self.port:
            return self._targets.get(port)
        host = next((v for k, v in scope["headers"] if k == b"host"), b"")
        return self._targets.get(host.decode("latin-1").partition(":")[0].lower())
