"""Plain requests: HTTP requests whose message is a plain call, answered without the SDK.

Only in the era without sessions, where a request says everything itself; what the SDK would refuse
or answer otherwise is left to it. A call whose client leaves is cancelled.
"""

import asyncio
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import anyio
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
        body = b""
        try:
            with (
                _cancelled_with_client(call.scope, receive),
                call.scope,
                self._observer.observe(scope["state"]["caller"], call.operation.name),
            ):
                body = await self._plain.answer(call, PlainContext(request=Request(scope)))
        except TooManyCallsError:
            return False
        if not call.scope.cancel_called:
            length = str(len(body)).encode()
            headers = [(b"content-length", length), (b"content-type", JSON.encode())]
            await send({"type": "http.response.start", "status": OK, "headers": headers})
            await send({"type": "http.response.body", "body": body})
        return True


@contextmanager
def _cancelled_with_client(call: anyio.CancelScope, receive: Receive) -> Iterator[None]:
    """Cancel a call when its client leaves."""
    watching: list[asyncio.Task[None]] = []

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        call.cancel()

    def begin() -> None:
        watching.append(asyncio.create_task(watch()))

    timer = asyncio.get_running_loop().call_later(WATCH_AFTER_S, begin)
    try:
        yield
    finally:
        timer.cancel()
        for task in watching:
            task.cancel()


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
