"""Health: whether this server runs, and whether the platform can be reached."""

import time
from collections.abc import Callable

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from createos_mcp.client.target import Credentials
from createos_mcp.contract.errors import ApiError, CallError
from createos_mcp.remote.auth.verification import PROFILE, QUESTION, SERVER_FAULT, Sender

KEPT_S = 5.0
TIMEOUT_S = 5.0

UNAVAILABLE = 503


class Readiness:
    """Answers the probes of a container's host and of a proxy.

    Args:
        send: Asks the platform.
        is_stopping: Whether the server takes no new requests.
        clock: Seconds that only grow.
    """

    def __init__(
        self,
        send: Sender,
        is_stopping: Callable[[], bool],
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._send = send
        self._is_stopping = is_stopping
        self._clock = clock
        self._problem: str | None = None
        self._asked_at = -KEPT_S
        self._asking = anyio.Lock()

    async def live(self, _request: Request) -> Response:
        """`/healthz`: this process answers."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _request: Request) -> Response:
        """`/readyz`: calls would reach the platform; 503 with the reason where not."""
        problem = "this server is stopping" if self._is_stopping() else await self._ask()
        if problem:
            return JSONResponse({"status": "not ready", "reason": problem}, UNAVAILABLE)
        return JSONResponse({"status": "ok"})

    async def _ask(self) -> str | None:
        """What keeps calls from the platform; remembered, so that probes do not burden it."""
        async with self._asking:
            if self._clock() - self._asked_at >= KEPT_S:
                self._problem = await self._find_problem()
                self._asked_at = self._clock()
        return self._problem

    async def _find_problem(self) -> str | None:
        with anyio.move_on_after(TIMEOUT_S):
            try:
                await self._send(QUESTION, PROFILE, Credentials())
            except ApiError as error:
                return str(error) if error.status >= SERVER_FAULT else None
            except CallError as error:
                return str(error)
            return None
        return f"the platform did not respond within {TIMEOUT_S:g} s"
