"""Sessions: Streamable HTTP for clients of both eras, with and without a session.

A session that this process does not know, because it was restarted, another replica opened it or
it was idle for long, is no reason to fail: nothing that matters is kept in one. Such a request is
served without. https://github.com/modelcontextprotocol/python-sdk/issues/3556
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from mcp.server import Server
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, authorization_context
from mcp.server.auth.provider import AccessToken
from mcp.server.runner import serve_dual_era_loop
from mcp.server.sse import SseServerTransport
from mcp.server.streamable_http import EventStore
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from createos_mcp.remote.auth.callers import Caller

MESSAGES_PATH = "/messages/"

NO_CONTENT, METHOD_NOT_ALLOWED = 204, 405

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
        if self._is_known(scope):
            await self._stateful.handle_request(scope, receive, send)
        elif scope["method"] == "POST":
            await self._stateless.handle_request(scope, receive, send)
        else:
            # There is nothing to listen to, and nothing to end.
            status = NO_CONTENT if scope["method"] == "DELETE" else METHOD_NOT_ALLOWED
            await Response(status_code=status, headers={"Allow": "POST"})(scope, receive, send)

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

    def _is_known(self, scope: Scope) -> bool:
        """Whether this request opens a session, or continues one of the same caller."""
        if self._is_stateless:
            return False
        named = next((value for name, value in scope["headers"] if name == _SESSION_HEADER), None)
        if named is None:
            return True
        session_id = named.decode("latin-1")
        owner = self._stateful._session_owners.get(session_id)  # noqa: SLF001 - it has no other door
        return owner == authorization_context(scope["user"])


def _bind_session(scope: Scope) -> None:
    """Tell the SDK who this is; it gives a session to none but its owner."""
    caller: Caller = scope["state"]["caller"]
    token = AccessToken(token="", client_id=caller.principal, scopes=[])
    scope["user"] = AuthenticatedUser(token)
