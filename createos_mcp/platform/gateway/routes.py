"""Where an address leads at present: running instances, a reason, or an app that sleeps."""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import anyio
from anyio.abc import TaskGroup
from starlette.types import Receive, Scope, Send

from createos_mcp.platform.errors import AnswerLostError, InstanceUnreachableError
from createos_mcp.platform.gateway.error_responses import BAD_GATEWAY, UNAVAILABLE
from createos_mcp.platform.gateway.exchanges import (
    CLIENT_LEFT,
    Exchange,
    RequestExchange,
    WebSocketExchange,
)
from createos_mcp.platform.gateway.instance_pool import InstancePool

logger = logging.getLogger(__name__)

WAKE_TIMEOUT_S = 60.0
"""How long a request waits for an app that wakes up."""

# What most apps need to start.
RETRY_AFTER_S = 5
FAULT = 500

GONE = "The app did not respond: it has exited or no longer listens. See its log."
SLOW = "The app was asleep and did not wake up in time. Retry."
FAILED = "The app was asleep and could not be started. See its log."

Wake = Callable[[], Awaitable[None]]
Record = Callable[[str, int, str, float], None]
"""Called with route ID, status, raw path and seconds of each request that is over."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """One address: host names on the shared port, and a port of its own on 127.0.0.1."""

    route_id: str
    """Environment or deployment whose address it is."""
    hosts: tuple[str, ...]
    """Its own name, and custom domains after it."""
    port: int
    is_counted: bool = False
    """Whether its requests are recorded."""


class Destination(Protocol):
    """What takes the requests of a site."""

    async def serve(self, exchange: Exchange) -> int:
        """See a request to its end, and return the status that the client got."""


class Route:
    """A site, where it leads, and the traffic on it.

    Args:
        site: The address.
        target: What takes its requests at first.
        clock: Tells seconds.
        record: Told about each request that is over.
    """

    def __init__(
        self, site: Site, target: Destination, *, clock: Callable[[], float], record: Record
    ) -> None:
        self.site = site
        self.target = target
        self._clock = clock
        self._record = record
        self._in_flight = 0
        self._quiet_since = clock()

    def set_destination(self, target: Destination) -> None:
        """Let the next requests go somewhere else; those in flight stay where they are."""
        before, self.target = self.target, target
        if isinstance(before, Sleeping):
            before.wake_waiters()

    def touch(self) -> None:
        """Count the idle time from now."""
        self._quiet_since = self._clock()

    def idle_s(self) -> float | None:
        """Seconds without a request; None while one is in flight."""
        return None if self._in_flight else self._clock() - self._quiet_since

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See one request or WebSocket to its end."""
        self._in_flight += 1
        started, status = self._clock(), FAULT
        try:
            status = await self.target.serve(exchange_of(scope, receive, send))
        finally:
            self._in_flight -= 1
            self._quiet_since = self._clock()
            if self.site.is_counted:
                path = scope["raw_path"].decode("latin-1")
                self._record(self.site.route_id, status, path, self._quiet_since - started)


def exchange_of(scope: Scope, receive: Receive, send: Send) -> Exchange:
    """The exchange that a client asks for."""
    is_websocket = scope["type"] == "websocket"
    return (WebSocketExchange if is_websocket else RequestExchange)(scope, receive, send)


class Running:
    """Instances that share the requests: each takes the one with the fewest in flight.

    Args:
        upstreams: The instances, at least one.
    """

    def __init__(self, upstreams: Sequence[InstancePool]) -> None:
        self._upstreams = list(upstreams)

    async def serve(self, exchange: Exchange) -> int:
        """Pass a request on, to another instance where one could not take it."""
        untried = list(self._upstreams)
        while untried:
            upstream = self._least_busy(untried)
            try:
                return await exchange.forward(upstream)
            except InstanceUnreachableError:
                untried.remove(upstream)
            except AnswerLostError as lost:
                if not exchange.may_retry_once():
                    break
                if not lost.on_kept_connection:
                    untried.remove(upstream)
        return await exchange.send_error(BAD_GATEWAY, GONE)

    def _least_busy(self, upstreams: Sequence[InstancePool]) -> InstancePool:
        """Of those that are equally busy the one that was chosen longest ago."""
        if len(self._upstreams) == 1:
            return upstreams[0]
        chosen = min(upstreams, key=lambda one: (one.is_set_aside, one.in_flight))
        self._upstreams.remove(chosen)
        self._upstreams.append(chosen)
        return chosen


class Unavailable:
    """Nothing runs: 503 with the reason."""

    def __init__(self, reason: str, retry_after_s: int | None = None) -> None:
        self._reason = reason
        self._retry_after_s = retry_after_s

    async def serve(self, exchange: Exchange) -> int:
        """Tell the client why."""
        return await exchange.send_error(
            UNAVAILABLE, self._reason, retry_after_s=self._retry_after_s
        )


class Sleeping:
    """An app that the first request wakes, and that all requests wait for.

    Args:
        route: The route that leads here.
        wake: Wakes the app, so that the route leads elsewhere.
        tasks: Where it is woken: a client that gives up does not end that.
        timeout_s: How long a request waits.
    """

    def __init__(self, route: Route, wake: Wake, tasks: TaskGroup, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._route = route
        self._wake = wake
        self._tasks = tasks
        self._is_waking = False
        self._over = anyio.Event()

    def wake_waiters(self) -> None:
        """Let go of the requests that wait: the route leads elsewhere."""
        self._over.set()

    async def serve(self, exchange: Exchange) -> int:
        """Hold a request until the app is awake."""
        if not self._is_waking:
            self._is_waking = True
            self._tasks.start_soon(self._wake_up)
        with anyio.move_on_after(self._timeout_s):
            await self._over.wait()
        if await exchange.client_disconnected():
            return CLIENT_LEFT
        target = self._route.target
        if isinstance(target, Sleeping):
            target = Unavailable(FAILED if self._over.is_set() else SLOW, RETRY_AFTER_S)
        return await target.serve(exchange)

    async def _wake_up(self) -> None:
        try:
            await self._wake()
        except Exception:
            logger.exception("an app of %s could not be woken", self._route.site.hosts)
            if self._route.target is self:
                self._route.set_destination(self._again())
        finally:
            self._is_waking = False

    def _again(self) -> "Sleeping":
        return Sleeping(self._route, self._wake, self._tasks, timeout_s=self._timeout_s)
