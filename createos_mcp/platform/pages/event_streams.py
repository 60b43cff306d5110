"""Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import re
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import anyio
from starlette.types import Receive, Scope, Send

_LINE_END = re.compile(r"\r\n|\n|\r")

RETRY_MS = 1000
"""When a browser asks again after a stream broke."""

QUIET_S = 15.0
"""How often a stream shows that it is there, and looks whether it may go on."""

_HEAD = {
    "type": "http.response.start",
    "status": 200,
    "headers": [(b"content-type", b"text/event-stream; charset=utf-8")],
}


def event(name: str, data: str, *, id: str | None = None) -> str:  # noqa: A002 - the field's name
    """One event as it is written.

    Args:
        name: What listeners in the page wait for.
        data: Any text; each of its lines is a line of the event.
        id: Where a stream that is opened again goes on, in one line.
    """
    lines = "".join(f"data: {line}\n" for line in _LINE_END.split(data))
    return f"{f'id: {id}{chr(10)}' if id is not None else ''}event: {name}\n{lines}\n"


class EventStream:
    """A response that goes on until its events end, its reader leaves or its session is over.

    Args:
        events: What is sent, as `event` writes it.
        may_go_on: Asked now and then.
    """

    def __init__(
        self, events: AsyncGenerator[str, None], *, may_go_on: Callable[[], Awaitable[bool]]
    ) -> None:
        self._events = events
        self._may_go_on = may_go_on

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        await send(_HEAD)
        await _send_text(send, f"retry: {RETRY_MS}\n\n")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_wait_for_end, receive, tasks.cancel_scope)
            tasks.start_soon(self._look_after, send, tasks.cancel_scope)
            async with aclosing(self._events) as events:
                async for text in events:
                    await _send_text(send, text)
            tasks.cancel_scope.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _look_after(self, send: Send, scope: anyio.CancelScope) -> None:
        while True:
            await anyio.sleep(QUIET_S)
            if not await self._may_go_on():
                scope.cancel()
            await _send_text(send, ": quiet\n\n")


async def _wait_for_end(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


async def _send_text(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
