"""Subscriptions: who is told of a resource's new state, in both eras of the protocol."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anyio
import mcp_types
from anyio.abc import TaskGroup
from mcp.server import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError

from createos_mcp.contract.values import Json
from createos_mcp.server.reading import OperationReader
from createos_mcp.server.resources import ResourceMatch, Resources
from createos_mcp.server.sdk_requests import Context

MAX_WATCHES = 32
"""Resources that one client watches at once."""

LASTING_S = 3600.0
"""How long a client of the first era is told, which may leave without a word."""

_PAUSE_S = 1.0
_PAUSE_LATER_S = 5.0
_LATER = 300
"""Looks after which a resource that does not change is looked at less often."""

Tell: TypeAlias = Callable[[], Awaitable[None]]


@dataclass(kw_only=True)
class Watches:
    """What goes on beside the requests of one connection, or of one server over HTTP."""

    tasks: TaskGroup
    scopes: dict[tuple[str, str], anyio.CancelScope] = field(default_factory=dict)
    """By session and address."""


@asynccontextmanager
async def watching(_: Server[Any]) -> AsyncGenerator[Watches]:
    """Where the watches of the first era live; they end with it."""
    async with anyio.create_task_group() as tasks:
        yield Watches(tasks=tasks)
        tasks.cancel_scope.cancel()


class Subscriptions:
    """Looks at a resource for as long as someone wants to hear of it, and not otherwise."""

    def __init__(self, resources: Resources, reader: OperationReader) -> None:
        self._resources = resources
        self._reader = reader

    async def listen(
        self, context: Context, params: mcp_types.SubscriptionsListenRequestParams
    ) -> mcp_types.SubscriptionsListenResult:
        """Serve one stream of the second era.

        It has a bus of its own, since who else watches a resource of that name may be another user.
        """
        bus = InMemorySubscriptionBus()
        async with anyio.create_task_group() as tasks:
            for uri in (params.notifications.resource_subscriptions or ())[:MAX_WATCHES]:
                place = self._resources.find(str(uri))
                if place is not None and place.row.watch:
                    tasks.start_soon(self._watch, context, place, _publisher(bus, str(uri)))
            result = await ListenHandler(bus)(context, params)
            tasks.cancel_scope.cancel()
        return result

    async def subscribe(
        self, context: Context, params: mcp_types.SubscribeRequestParams
    ) -> mcp_types.EmptyResult:
        """Begin to tell a client of the first era."""
        watches: Watches = context.lifespan_context
        place = self._resources.find(params.uri)
        key = (_session(context), params.uri)
        own = [session for session, _ in watches.scopes if session == key[0]]
        if place is None or not place.row.watch or key in watches.scopes:
            return mcp_types.EmptyResult()
        if len(own) >= MAX_WATCHES:
            raise MCPError(
                mcp_types.INVALID_PARAMS,
                f"the limit of {MAX_WATCHES} subscriptions is reached; unsubscribe from one",
            )
        watches.scopes[key] = anyio.CancelScope(deadline=anyio.current_time() + LASTING_S)
        watches.tasks.start_soon(self._serve, context, place, watches, key)
        return mcp_types.EmptyResult()

    async def unsubscribe(
        self, context: Context, params: mcp_types.UnsubscribeRequestParams
    ) -> mcp_types.EmptyResult:
        """Tell the client no more."""
        watches: Watches = context.lifespan_context
        scope = watches.scopes.pop((_session(context), params.uri), None)
        if scope is not None:
            scope.cancel()
        return mcp_types.EmptyResult()

    async def _serve(
        self, context: Context, place: ResourceMatch, watches: Watches, key: tuple[str, str]
    ) -> None:
        async def tell() -> None:
            await context.session.send_resource_updated(key[1])

        scope = watches.scopes[key]
        try:
            with scope:
                await self._watch(context, place, tell)
        except (anyio.ClosedResourceError, anyio.BrokenResourceError):
            # The client is gone; nobody waits for what is told.
            return
        finally:
            if watches.scopes.get(key) is scope:
                del watches.scopes[key]

    async def _watch(self, context: Context, place: ResourceMatch, tell: Tell) -> None:
        seen = await self._look(context, place)
        quiet = 0
        while True:
            await anyio.sleep(_PAUSE_S if quiet < _LATER else _PAUSE_LATER_S)
            present = await self._look(context, place)
            quiet += 1
            if present is not None and present != seen:
                seen, quiet = present, 0
                await tell()

    async def _look(self, context: Context, place: ResourceMatch) -> Json:
        """What is watched, as it is now; None while it cannot be read."""
        try:
            result, error = await self._reader.read(context, place.row.operation, place.arguments)
        except MCPError:
            return None
        return None if error else result.structured.get(place.row.watch)


def _publisher(bus: InMemorySubscriptionBus, uri: str) -> Tell:
    async def publish() -> None:
        await bus.publish(ResourceUpdated(uri=uri))

    return publish


def _session(context: Context) -> str:
    """What tells the sessions of one server over HTTP apart; a pipe has one session."""
    request = context.request
    return str(request.headers.get("mcp-session-id", "")) if request is not None else ""
