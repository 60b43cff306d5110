"""The backend: sends bound requests to the CreateOS REST API and hands back the data."""

import asyncio
import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from http.cookiejar import CookieJar, DefaultCookiePolicy
from importlib.metadata import version
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import anyio
import httpx2

from createos_mcp.client.http import (
    HttpResponse,
    Timeouts,
    follow_redirects,
    send_request,
    translated,
)
from createos_mcp.client.pooled_transport import PooledTransport
from createos_mcp.client.response import read_response
from createos_mcp.client.target import ApiTarget, Credentials
from createos_mcp.contract.errors import (
    ApiError,
    CallError,
    ConnectionFailedError,
    ConnectionLostError,
    InvalidArgumentsError,
    TimedOutError,
)
from createos_mcp.contract.http import Endpoint, Request, Stream
from createos_mcp.contract.operations import Problem
from createos_mcp.contract.values import Json

__all__ = ["ApiTarget", "Backend", "Credentials"]

_REPEATABLE_STATUSES = frozenset({429, 502, 503, 504})

_JSON = {"Content-Type": "application/json"}
_OWN_HEADERS = {"User-Agent": f"createos-mcp/{version('createos-mcp')}"}
_PLAIN_HEADERS = {**_OWN_HEADERS, "Accept": "*/*", "Accept-Encoding": "gzip, deflate"}

_LARGE_BODY_BYTES = 1_000_000
"""From here on the platform is given the time of an upload."""

_DIRECT: dict[str, httpx2.AsyncBaseTransport | None] = {
    "all://127.0.0.1": None,
    "all://localhost": None,
    "all://[::1]": None,
}
"""The local platform is not asked through a proxy of the environment."""


@dataclass(kw_only=True, slots=True)
class _Attempted:
    """A request on its way, over all its attempts."""

    request: Request
    document: bytes | None
    endpoint: Endpoint
    credentials: Credentials | None
    limits: Timeouts
    relocated: bool = False
    """Whether this call has already asked where the API went."""


class Backend:
    """One pooled client for all calls; an async context manager.

    Args:
        locate: Asked at the first call where the API is, and once more by a call whose connection
            failed, because a restarted local platform may have moved.
        connect_timeout_s: Limit for a connection, name look-up and TLS included.
        read_timeout_s: Limit for each silence of the platform.
        upload_timeout_s: The same while a body is sent, and for the answer to a large one.
        pool_timeout_s: Limit for waiting until one of `max_connections` is free.
        total_timeout_s: Limit for one call with all its attempts; a large body is given
            `upload_timeout_s` on top.
        attempts: How often a call that may be repeated is tried.
        backoff_s: First pause between attempts; it doubles each time, with jitter.
        max_answer_bytes: Limit for one decoded answer.
        max_connections: Size of the pool.
        transport: What carries the requests; by default httpx2's own, which knows the proxies of
            the environment. A pooled one carries plain requests by itself.
        sleep: How a pause of so many seconds is made.
    """

    def __init__(
        self,
        locate: Callable[[], Awaitable[ApiTarget]],
        *,
        connect_timeout_s: float = 10.0,
        read_timeout_s: float = 30.0,
        upload_timeout_s: float = 300.0,
        pool_timeout_s: float = 30.0,
        total_timeout_s: float = 60.0,
        attempts: int = 4,
        backoff_s: float = 0.5,
        max_answer_bytes: int = 20_000_000,
        max_connections: int = 100,
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._locate = locate
        self._target: ApiTarget | None = None
        self._locating = anyio.Lock()
        self._limits = Timeouts(
            connect_timeout_s=connect_timeout_s,
            read_timeout_s=read_timeout_s,
            write_timeout_s=upload_timeout_s,
            pool_timeout_s=pool_timeout_s,
            total_timeout_s=total_timeout_s,
            answer_bytes=max_answer_bytes,
        )
        self._upload_limits = replace(
            self._limits,
            read_timeout_s=max(read_timeout_s, upload_timeout_s),
            total_timeout_s=total_timeout_s + upload_timeout_s,
        )
        self._attempts = attempts
        self._backoff_s = backoff_s
        self._sleep = sleep
        self._pooled = transport if isinstance(transport, PooledTransport) else None
        self._client = httpx2.AsyncClient(
            headers=_OWN_HEADERS,
            # One client serves many users: a cookie of one must not reach another.
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            limits=httpx2.Limits(
                max_connections=max_connections, max_keepalive_connections=max_connections
            ),
            mounts=_DIRECT,
            transport=transport,
        )

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.__aexit__(kind, error, traceback)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What the calls of the present caller are authenticated with, once that is known."""
        return self._target.credentials.secrets if self._target is not None else ()

    async def send(
        self, request: Request, endpoint: Endpoint, credentials: Credentials | None = None
    ) -> Json:
        """Send a request, repeat it where that is safe, and unwrap the answer.

        Args:
            request: What to send.
            endpoint: Tells whether it may be repeated and which status means an empty list.
            credentials: Those of the caller, in place of the target's.

        Raises:
            ApiError: The platform answered with a failure.
            BackendError: It gave no usable answer.
            InvalidArgumentsError: The body holds a number that JSON has not.
        """
        document = _encode(request.json)
        size_bytes = len(document or b"") + sum(len(part.content) for part in request.parts)
        call = _Attempted(
            request=request,
            document=document,
            endpoint=endpoint,
            credentials=credentials,
            limits=self._upload_limits
            if endpoint.slow or size_bytes > _LARGE_BODY_BYTES
            else self._limits,
        )
        await self._find(stale=None)
        until = anyio.current_time() + call.limits.total_timeout_s
        try:
            # Each call passes here: anyio's scopes take twice as long to enter and leave.
            async with asyncio.timeout_at(until):
                return await self._attempt_until(call, until)
        except TimeoutError:
            raise TimedOutError("all attempts", call.limits.total_timeout_s) from None

    async def _attempt_until(self, call: "_Attempted", until: float) -> Json:
        for number in range(1, self._attempts):
            try:
                return await self._attempt(call)
            except CallError as error:
                pause_s = self._pause_s(error, number)
                # A pause that the platform requests is kept in full, or its error returned.
                if (
                    not _is_repeatable(error, call.endpoint)
                    or anyio.current_time() + pause_s >= until
                ):
                    raise
            await self._sleep(pause_s)
        return await self._attempt(call)

    async def stream(
        self,
        request: Request,
        endpoint: Endpoint,
        body: Stream,
        credentials: Credentials | None = None,
    ) -> Json:
        """Send a body as it comes, without holding it whole, and unwrap the answer.

        It is sent once: what has come cannot be had again.

        Args:
            request: Where to; its own body is not sent.
            endpoint: Tells how to read the answer.
            body: What to send. What its chunks raise goes through.
            credentials: Those of the caller, in place of the target's.

        Raises:
            ApiError: The platform answered with a failure.
            BackendError: It gave no usable answer.
        """
        target = await self._find(stale=None)
        limits = self._upload_limits
        chosen = target.credentials if credentials is None else credentials
        with anyio.move_on_after(limits.total_timeout_s), translated(limits, target.base_url):
            sent = self._client.build_request(
                request.method,
                _url(target.base_url, request),
                headers=chosen.headers() | body.headers(),
                content=body.chunks,
                timeout=limits.timeouts(),
            )
            answer = await send_request(self._client, sent, limits.answer_bytes)
            return _read_attempt(endpoint, answer, chosen)
        raise TimedOutError("receiving the upload", limits.total_timeout_s)

    def _pause_s(self, error: CallError, number: int) -> float:
        """What the platform requests, or a pause that doubles after each attempt, with jitter."""
        asked_s = error.retry_after_s if isinstance(error, ApiError) else None
        if asked_s is not None:
            return asked_s
        return self._backoff_s * (2.0 ** (number - 1) + random.random())  # noqa: S311 - no secret

    async def _attempt(self, call: _Attempted) -> Json:
        target = await self._find(stale=None)
        try:
            return await self._exchange(call, target)
        except ConnectionFailedError:
            if call.relocated:
                raise
            call.relocated = True
            return await self._exchange(call, await self._find(stale=target))

    async def _find(self, *, stale: ApiTarget | None) -> ApiTarget:
        """The remembered target, unless it is the stale one; else the one that `locate` tells."""
        if self._target is None or self._target is stale:
            async with self._locating:
                if self._target is None or self._target is stale:
                    self._target = await self._locate()
        return self._target

    async def _fetch(
        self, pooled: PooledTransport, call: _Attempted, base_url: str, credentials: Credentials
    ) -> HttpResponse:
        """Send a request that is no form, without a client of httpx2 in between.

        Raises:
            UnreadableResponseError: The answer is a redirect that is not followed.
        """
        document = {} if call.document is None else _JSON
        headers = {**_PLAIN_HEADERS, **credentials.headers(), **document}
        method = call.request.method

        async def send(url: str) -> HttpResponse:
            return await pooled.fetch(
                method, url, headers=headers, content=call.document, limits=call.limits
            )

        with translated(call.limits, base_url):
            return await follow_redirects(method, _url(base_url, call.request), send)

    async def _exchange(self, call: _Attempted, target: ApiTarget) -> Json:
        credentials = target.credentials if call.credentials is None else call.credentials
        if self._pooled is not None and not call.request.parts:
            answer = await self._fetch(self._pooled, call, target.base_url, credentials)
            return _read_attempt(call.endpoint, answer, credentials)
        parts = [(p.name, (p.filename, p.content, p.content_type)) for p in call.request.parts]
        with translated(call.limits, target.base_url):
            request = self._client.build_request(
                call.request.method,
                _url(target.base_url, call.request),
                headers=credentials.headers() | ({} if call.document is None else _JSON),
                content=call.document,
                files=parts,
                timeout=call.limits.timeouts(),
            )
            answer = await send_request(self._client, request, call.limits.answer_bytes)
        return _read_attempt(call.endpoint, answer, credentials)


def _encode(document: Json | None) -> bytes | None:
    if document is None:
        return None
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError as error:
        problem = Problem(path="", message="numbers must be finite: JSON has no NaN or Infinity")
        raise InvalidArgumentsError([problem]) from error
    return text.encode(errors="replace")


def _url(base_url: str, request: Request) -> str:
    query = f"?{urlencode(request.query, errors='replace')}" if request.query else ""
    return base_url.rstrip("/") + request.path + query


def _is_repeatable(error: BaseException, endpoint: Endpoint) -> bool:
    """Whether another attempt may help and can do no harm."""
    if isinstance(error, ApiError):
        return endpoint.retry and error.status in _REPEATABLE_STATUSES
    if isinstance(error, ConnectionFailedError | ConnectionLostError | TimedOutError):
        return endpoint.retry or not error.sent
    return False


def _read_attempt(endpoint: Endpoint, answer: HttpResponse, credentials: Credentials) -> Json:
    try:
        return read_response(endpoint, answer.status, answer.headers, answer.content)
    except ApiError as error:
        raise _masked(error, credentials) from None


def _masked(error: ApiError, credentials: Credentials) -> ApiError:
    """The same error without the caller's secrets, which some servers repeat."""
    return ApiError(
        error.status,
        credentials.mask(error.message),
        retry_after_s=error.retry_after_s,
        fields={name: credentials.mask(text) for name, text in error.fields.items()},
        body=error.body,
    )
