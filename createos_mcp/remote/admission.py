"""The gate: lets a request through once its caller is known and within the limits."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from createos_mcp.remote.auth.authentication import Authentication
from createos_mcp.remote.errors import StoppingError
from createos_mcp.remote.limits import Rate, Slots


class AdmissionMiddleware:
    """Stands before an endpoint that needs a caller, and leaves him in the request's state.

    Args:
        app: The endpoint.
        authentication: Tells who the caller is.
        rate: How often one caller may come.
        slots: How many requests of one caller are served at one time.
        streams: How many streams one caller may hold open to wait for messages.
        is_stopping: Whether the server takes no new requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        authentication: Authentication,
        rate: Rate,
        slots: Slots,
        streams: Slots,
        is_stopping: Callable[[], bool],
    ) -> None:
        self._app = app
        self._authentication = authentication
        self._rate = rate
        self._slots = slots
        self._streams = streams
        self._is_stopping = is_stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request.

        Raises:
            RefusedRequestError: It is not let through.
        """
        if self._is_stopping():
            raise StoppingError
        caller = await self._authentication.identify(Request(scope))
        self._rate.take(caller.digest)
        slots = self._streams if scope["method"] == "GET" else self._slots
        with slots.hold(f"{scope['method']} {caller.digest}"):
            scope.setdefault("state", {})["caller"] = caller
            await self._app(scope, receive, send)
