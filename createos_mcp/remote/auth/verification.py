"""Verification: whether the platform accepts a caller's credentials, asked once and remembered."""

import time
from collections import defaultdict
from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import anyio
from cachetools import TTLCache

from createos_mcp.client.target import Credentials
from createos_mcp.contract.errors import ApiError, CallError
from createos_mcp.contract.http import Endpoint, Request
from createos_mcp.contract.values import Json
from createos_mcp.remote.limits import Rate

ACCEPTED_TTL_S = 15 * 60
"""Every call is judged by the platform again, so that this may be long."""
# Short, since a key may be created a moment after it was tried.
REFUSED_TTL_S = 30
UNSURE_TTL_S = 5
"""The platform did not answer; calls go on and tell their callers so."""
TIMEOUT_S = 5
VERDICT_CACHE_SIZE = 100_000
REFUSALS_PER_MINUTE = 60
"""From one address; beyond it unknown keys are not brought before the platform."""
# A flood of unknown keys must not become a flood at the platform.
MAX_CONCURRENT_CHECKS = 16

UNAUTHORIZED, TOO_MANY, SERVER_FAULT = 401, 429, 500

PROFILE = Endpoint(
    method="GET",
    path="/v1/users/me",
    query={},
    body="none",
    success=200,
    retry=False,
    errors={},
)
"""The cheapest question that only good credentials answer."""

Verdict: TypeAlias = Literal["accepted", "refused", "unsure"]

QUESTION = Request(method=PROFILE.method, path=PROFILE.path, query=(), json=None, parts=())
"""Asked without credentials, it tells whether the platform can be reached."""


class Sender(Protocol):
    """What asks the platform: `backend.Backend.send`."""

    async def __call__(
        self, request: Request, endpoint: Endpoint, credentials: Credentials | None = None
    ) -> Json: ...


class Verification:
    """Asks the platform about credentials it has not seen lately; one question for one secret."""

    def __init__(self, send: Sender, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._send = send
        self._verdicts: dict[Verdict, TTLCache[str, bool]] = {
            "refused": TTLCache(VERDICT_CACHE_SIZE, REFUSED_TTL_S, timer=clock),
            "accepted": TTLCache(VERDICT_CACHE_SIZE, ACCEPTED_TTL_S, timer=clock),
            "unsure": TTLCache(VERDICT_CACHE_SIZE, UNSURE_TTL_S, timer=clock),
        }
        self._refusals = Rate(REFUSALS_PER_MINUTE, clock=clock)
        self._asking: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._capacity = anyio.Semaphore(MAX_CONCURRENT_CHECKS)

    async def is_refused(self, credentials: Credentials, name: str, peer: str) -> bool:
        """Whether the platform refuses these credentials.

        Args:
            credentials: Those of the caller.
            name: Under which the verdict is remembered.
            peer: Address that the request came from.

        Raises:
            TooManyCallsError: That address has brought too many bad keys.
        """
        verdict = self._remembered(name)
        if verdict is None:
            verdict = await self._ask_once(credentials, name, peer)
        return verdict == "refused"

    def refuse(self, name: str) -> None:
        """Remember that the platform has just refused these credentials."""
        self._verdicts["accepted"].pop(name, None)
        self._verdicts["refused"][name] = True

    def _remembered(self, name: str) -> Verdict | None:
        return next((verdict for verdict, names in self._verdicts.items() if name in names), None)

    async def _ask_once(self, credentials: Credentials, name: str, peer: str) -> Verdict:
        lock = self._asking[name]
        try:
            async with lock:
                verdict = self._remembered(name)
                if verdict is None:
                    verdict = await self._judge(credentials, peer)
                    self._verdicts[verdict][name] = True
                return verdict
        finally:
            if not lock.statistics().tasks_waiting:
                self._asking.pop(name, None)

    async def _judge(self, credentials: Credentials, peer: str) -> Verdict:
        if self._refusals.wait_s(peer) > 0:
            self._refusals.take(peer)
        verdict = await self._ask(credentials)
        if verdict == "refused":
            self._refusals.spend(peer)
        return verdict

    async def _ask(self, credentials: Credentials) -> Verdict:
        with anyio.move_on_after(TIMEOUT_S):
            try:
                async with self._capacity:
                    await self._send(QUESTION, PROFILE, credentials)
            except ApiError as error:
                return _verdict_of(error.status)
            except CallError:
                return "unsure"
            return "accepted"
        return "unsure"


def _verdict_of(status: int) -> Verdict:
    if status == UNAUTHORIZED:
        return "refused"
    return "unsure" if status == TOO_MANY or status >= SERVER_FAULT else "accepted"
