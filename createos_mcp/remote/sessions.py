"""Sessions: Streamable HTTP for clients of both eras, with and without a session.

A session that this process does not know, because it was restarted, another replica opened it or
it was idle for long, is no reason to fail: nothing that matters is kept in one. Such a request is
served without. https://github.com/modelcontextprotocol/python-sdk/issues/3556
One that its client ended is another matter: it answers 404.
https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#session-management
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import Server
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.auth.provider import AccessToken
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp_types import JSONRPCRequest
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from createos_mcp.remote.auth.callers import Caller
from createos_mcp.remote.request_message import MESSAGE

MESSAGES_PATH = "/messages/"

OK, NO_CONTENT, BAD_REQUEST, NOT_FOUND, METHOD_NOT_ALLOWED = 200, 204, 400, 404, 405

SESSION_ENDED = "This session was ended by its client. Open another with initialize."
MAX_ENDED = 10_000
"""Ended sessions that are remembered; the oldest are forgotten first."""

_SESSION_HEADER = b"mcp-session-id"


class Sessions:
    """The endpoints of `/mcp`, `/sse` and `/messages/`, all of one server with one lifespan.

    Args:
        server: What is served.
        is_stateless: Whether no session is ever opened.
        idle_s: How long an unused session is kept.
        max_body_bytes: Limit for one message.
        event_store: Keeps events for clients that come back; by default they are not kept.
        retry_interval_ms: When such a client shall come back.
    """

    def __init__(
        self,
        server: Server[Any],
        *,
        is_stateless: bool,
        idle_s: float,
        max_body_bytes: int,
        event_store: EventStore | None = None,
        retry_interval_ms: int | None = None,
    ) -> None:
        self._server = server
        self._is_stateless = is_stateless
        self._ended: dict[str, None] = {}
        self._stateful = StreamableHTTPSessionManager(
            server,
            event_store=event_store,
            retry_interval=retry_interval_ms,
            session_idle_timeout=idle_s,
            max_request_body_size=max_body_bytes,
        )
        self._stateless = StreamableHTTPSessionManager(
            server, stateless=True, max_request_body_size=max_body_bytes
        )
        self._sse = SseServerTransport(MESSAGES_PATH, max_request_body_size=max_body_bytes)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Serve as long as the block runs."""
        async with self._stateful.run(), self._stateless.run():
            yield

    async def streamable(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint of `/mcp`."""
        _bind_session(scope)
        session_id = _session_named(scope)
        if session_id in self._ended:
            body = {"error": "session_ended", "message": SESSION_ENDED}
            await JSONResponse(body, NOT_FOUND)(scope, receive, send)
        elif session_id is not None and not self._is_stateless:
            await self._continue(session_id, scope, receive, send)
        elif session_id is None and self._opens_session(scope):
            await self._stateful.handle_request(scope, receive, _without_session(send))
        else:
            await self._serve_without(scope, receive, send)

    async def sse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint of `/sse`."""
        _bind_session(scope)
        async with self._sse.connect_sse(scope, receive, send) as (reading, writing):
            await serve_dual_era_loop(
                self._server,
                reading,
                writing,
                # What all connections share is made once, with the app; `Server.run` would make
                # a lifespan for each of them.
                lifespan_state={},
                init_options=self._server.create_initialization_options(),
            )

    async def messages(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The endpoint of `/messages/`."""
        _bind_session(scope)
        await self._sse.handle_post_message(scope, receive, send)

    async def _continue(self, session_id: str, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request of a session; without one where its caller has none of that ID here."""
        read: list[Message] = []

        async def note() -> Message:
            read.append(await receive())
            return read[-1]

        async def again() -> Message:
            return read.pop(0) if read else await receive()

        answer = _UnlessMissing(send)
        await self._stateful.handle_request(scope, note, answer)
        if answer.status == NOT_FOUND:
            await self._serve_without(scope, again, send)
        elif scope["method"] == "DELETE" and answer.status == OK:
            self._remember_end(session_id)

    async def _serve_without(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            await self._stateless.handle_request(scope, receive, send)
            return
        # There is nothing to listen to, and nothing to end.
        ends = scope["method"] == "DELETE" and _session_named(scope) is not None
        status = NO_CONTENT if ends else METHOD_NOT_ALLOWED
        await Response(status_code=status, headers={"Allow": "POST"})(scope, receive, send)

    def _opens_session(self, scope: Scope) -> bool:
        message = scope["state"].get(MESSAGE)
        is_opening = isinstance(message, JSONRPCRequest) and message.method == "initialize"
        return is_opening and not self._is_stateless

    def _remember_end(self, session_id: str) -> None:
        if len(self._ended) >= MAX_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[session_id] = None


def _session_named(scope: Scope) -> str | None:
    named = (value for name, value in scope["headers"] if name == _SESSION_HEADER)
    return next((value.decode("latin-1") for value in named), None)


class _UnlessMissing:
    """Sends an answer on, unless it is that there is no such session."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        if self.status != NOT_FOUND:
            await self._send(message)


def _without_session(send: Send) -> Send:
    """Sends no session's id with a refusal: the session is given up with it."""

    async def send_checked(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= BAD_REQUEST:
            kept = [header for header in message["headers"] if header[0] != _SESSION_HEADER]
            message = {**message, "headers": kept}
        await send(message)

    return send_checked


def _bind_session(scope: Scope) -> None:
    """Tell the SDK who this is; it gives a session to none but its owner."""
    caller: Caller = scope["state"]["caller"]
    token = AccessToken(token="", client_id=caller.principal, scopes=[])
    scope["user"] = AuthenticatedUser(token)
