"""Request bodies: read within limits of size and patience."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from createos_mcp.remote.errors import BodyTooLargeError, SlowBodyError


async def read_chunks(
    scope: Scope, receive: Receive, *, limit_bytes: int, timeout_s: float
) -> AsyncIterator[bytes]:
    """The body as it comes.

    Raises:
        BodyTooLargeError: It has, or announces, more than `limit_bytes`.
        SlowBodyError: Nothing came for `timeout_s`.
        ClientDisconnect: The client is gone.
    """
    if (announced_bytes(scope) or 0) > limit_bytes:
        raise BodyTooLargeError(limit_bytes)
    size = 0
    more = True
    while more:
        message = await _next_message(receive, timeout_s)
        chunk = message.get("body", b"")
        more = message.get("more_body", False)
        size += len(chunk)
        if size > limit_bytes:
            raise BodyTooLargeError(limit_bytes)
        yield chunk


def announced_bytes(scope: Scope) -> int | None:
    """The Content-Length, if there is a usable one."""
    raw = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(raw) if raw.isdigit() else None


class BoundedBody:
    """Reads the whole body before the app sees the request, so that refusing it is simple."""

    def __init__(self, app: ASGIApp, *, limit_bytes: int, timeout_s: float) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; one whose client is gone is dropped."""
        chunks = read_chunks(
            scope, receive, limit_bytes=self._limit_bytes, timeout_s=self._timeout_s
        )
        try:
            body = b"".join([chunk async for chunk in chunks])
        except ClientDisconnect:
            return
        waiting = deque[Message]([{"type": "http.request", "body": body, "more_body": False}])

        async def replay() -> Message:
            return waiting.popleft() if waiting else await receive()

        await self._app(scope, replay, send)


async def _next_message(receive: Receive, timeout_s: float) -> Message:
    try:
        async with asyncio.timeout(timeout_s):
            message = await receive()
    except TimeoutError:
        raise SlowBodyError(timeout_s) from None
    if message["type"] == "http.disconnect":
        raise ClientDisconnect
    return message
