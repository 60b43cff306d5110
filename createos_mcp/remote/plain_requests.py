"""Plain requests: HTTP requests for a plain call or a list, answered without the SDK.

Only in the protocol version without sessions, where a request says everything itself; what the
SDK would refuse or answer otherwise is left to it. A call whose client leaves is cancelled.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from createos_mcp.contract.values import Json
from createos_mcp.remote.call_observer import CallObserver
from createos_mcp.remote.content_negotiation import JSON as JSON_TYPE, OK, accepted_forms
from createos_mcp.remote.errors import TooManyCallsError
from createos_mcp.server.lists import LISTS, Lists
from createos_mcp.server.ordinary_requests import (
    CAPABILITIES,
    MODERN_VERSION,
    VERSION,
    is_envelope,
)
from createos_mcp.server.plain_calls import PlainCall, PlainCalls
from createos_mcp.server.toolsets import HEADER_PREFIX

WATCH_AFTER_S = 0.05
"""Watching whether the client leaves costs a task, which most calls are too short for."""

_CALL = "tools/call"
_METHODS = {_CALL, *LISTS}
_OWN = HEADER_PREFIX.encode()
_PARAMETER, _SESSION = b"mcp-param-", b"mcp-session-id"


class PlainRequests:
    """Answers plain calls and requests for lists, and passes every other request on.

    The body has to be there whole already, and the caller known.

    Args:
        app: Takes the other requests.
        plain: Reads and makes the calls.
        lists: Answers requests for lists; None leaves them to the app.
        observer: Counts, times and logs the calls.
    """

    def __init__(
        self, app: ASGIApp, *, plain: PlainCalls, lists: Lists | None, observer: CallObserver
    ) -> None:
        self._app = app
        self._plain = plain
        self._lists = lists
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if not _is_plain(scope):
            await self._app(scope, receive, send)
            return
        request = await receive()
        waiting = [request]

        async def replay() -> Message:
            return waiting.pop() if waiting else await receive()

        listed = self._list(scope, request["body"])
        if listed is not None:
            await _send_json(listed, send)
            return
        call = self._plain.read(request["body"])
        is_taken = (
            call is not None
            and _says_the_same(scope, _CALL, call.envelope, call.name)
            and await self._answer(call, scope, receive, send)
        )
        if not is_taken:
            await self._app(scope, replay, send)

    def _list(self, scope: Scope, body: bytes) -> bytes | None:
        """The answer to a request for a list."""
        if self._lists is None:
            return None
        asked = self._lists.read(body)
        if asked is None or not _says_the_same(scope, asked.method, asked.envelope):
            return None
        return self._lists.answer(asked, asked.envelope[CAPABILITIES])

    async def _answer(self, call: PlainCall, scope: Scope, receive: Receive, send: Send) -> bool:
        """Make a call and send its answer; False where there are too many to begin another."""
        client, body = _Client(receive), b""
        try:
            with (
                client.awaited(),
                self._observer.observe(scope["state"]["caller"], call.operation.name),
            ):
                body = await self._plain.answer(call)
        except TooManyCallsError:
            return False
        if client.has_left:
            return True
        await _send_json(body, send)
        return True


async def _send_json(body: bytes, send: Send) -> None:
    length = str(len(body)).encode()
    headers = [(b"content-length", length), (b"content-type", JSON_TYPE.encode())]
    await send({"type": "http.response.start", "status": OK, "headers": headers})
    await send({"type": "http.response.body", "body": body})


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
        given.get(b"mcp-protocol-version") == MODERN_VERSION.encode()
        and given.get(b"mcp-method", b"").decode("latin-1") in _METHODS
        and given.get(b"content-type") == JSON_TYPE.encode()
        and JSON_TYPE in accepted_forms(given.get(b"accept"))
        and not any(name.startswith(special) for name in given)
    )


def _says_the_same(scope: Scope, method: str, envelope: Json, name: str | None = None) -> bool:
    """Whether the head and the body of a request agree."""
    if not isinstance(envelope, dict) or not is_envelope(envelope):
        return False
    given = dict(scope["headers"])
    told = (given[b"mcp-protocol-version"], given[b"mcp-method"], given.get(b"mcp-name"))
    version: str = envelope[VERSION]
    return told == (version.encode(), method.encode(), name.encode() if name else None)
