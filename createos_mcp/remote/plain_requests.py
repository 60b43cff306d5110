"""Plain requests: HTTP requests whose message is a plain call, answered without the SDK.

Only in the era without sessions, where a request says everything itself; what the SDK would refuse
or answer otherwise is left to it. A call whose client leaves is cancelled.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from typing import Any

from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from createos_mcp.remote.call_observer import CallObserver
from createos_mcp.remote.content_negotiation import JSON, OK, accepted_forms
from createos_mcp.remote.errors import TooManyCallsError
from createos_mcp.server.greeting import VERSION, is_envelope
from createos_mcp.server.plain_calls import PlainCall, PlainCalls, PlainContext
from createos_mcp.server.toolsets import HEADER_PREFIX

WATCH_AFTER_S = 0.05
"""Watching whether the client leaves costs a task, which most calls are too short for."""

_MODERN: Collection[bytes] = {version.encode() for version in MODERN_PROTOCOL_VERSIONS}
_OWN = HEADER_PREFIX.encode()
_PARAMETER, _SESSION = b"mcp-param-", b"mcp-session-id"


class PlainRequests:
    """Answers plain calls, and passes every other request on.

    The body has to be there whole already, and the caller known.

    Args:
        app: Takes the other requests.
        plain: Reads and makes the calls.
        observer: Counts, times and logs them.
    """

    def __init__(self, app: ASGIApp, plain: PlainCalls, observer: CallObserver) -> None:
        self._app = app
        self._plain = plain
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not _is_plain(scope):
            await self._app(scope, receive, send)
            return
        request = await receive()
        call = self._plain.read(request["body"])
        if (
            call is None
            or not _says_the_same(scope, call)
            or not await self._answer(call, scope, receive, send)
        ):
            waiting = [request]

            async def replay() -> Message:
                return waiting.pop() if waiting else await receive()

            await self._app(scope, replay, send)

    async def _answer(self, call: PlainCall, scope: Scope, receive: Receive, send: Send) -> bool:
        """Make a call and send its answer; False where there are too many to begin another."""
        client, body = _Client(receive), b""
        try:
            with (
                client.awaited(),
                self._observer.observe(scope["state"]["caller"], call.operation.name),
            ):
                body = await self._plain.answer(call, PlainContext(request=Request(scope)))
        except TooManyCallsError:
            return False
        if client.has_left:
            return True
        length = str(len(body)).encode()
        headers = [(b"content-length", length), (b"content-type", JSON.encode())]
        await send({"type": "http.response.start", "status": OK, "headers": headers})
        await send({"type": "http.response.body", "body": body})
        return True


class _Client:
    """Whoever waits for an answer; the block of `awaited` is cancelled when they leave."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._watching: asyncio.Task[None] | None = None
        self.has_left = False

    @contextmanager
    def awaited(self) -> Iterator[None]:
        own = asyncio.current_task()
        timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, self._begin, own)
        try:
            yield
        except asyncio.CancelledError:
            if not self.has_left or own is None or own.uncancel():
                raise
        finally:
            timer.cancel()
            if self._watching is not None:
                self._watching.cancel()

    def _begin(self, waiting: asyncio.Task[Any] | None) -> None:
        self._watching = asyncio.create_task(self._watch(waiting))

    async def _watch(self, waiting: asyncio.Task[Any] | None) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.has_left = True
        if waiting is not None:
            waiting.cancel()


def _is_plain(scope: Scope) -> bool:
    """Whether the head of a request allows a plain answer."""
    given = dict(scope["headers"])
    if scope["method"] != "POST" or scope["query_string"] or len(given) < len(scope["headers"]):
        return False
    special = (_PARAMETER, _SESSION, _OWN)
    return (
        given.get(b"mcp-protocol-version") in _MODERN
        and given.get(b"mcp-method") == b"tools/call"
        and given.get(b"content-type") == JSON.encode()
        and JSON in accepted_forms(given.get(b"accept"))
        and not any(name.startswith(special) for name in given)
    )


def _says_the_same(scope: Scope, call: PlainCall) -> bool:
    """Whether the head and the body of a request agree."""
    envelope = call.envelope
    if not is_envelope(envelope):
        return False
    given = dict(scope["headers"])
    version: str = envelope[VERSION]
    named = given.get(b"mcp-name")
    return given[b"mcp-protocol-version"] == version.encode() and named == call.name.encode()
