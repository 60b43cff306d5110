"""One HTTP exchange: a request out, a bounded answer in, no exception of httpx2 beyond here."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2

from createos_mcp.contract.errors import (
    BackendError,
    ConnectionFailedError,
    ConnectionLostError,
    ResponseTooLargeError,
    TimedOutError,
    UnreadableResponseError,
)

# The API moves behind one host name at most; more is a circle.
_MAX_REDIRECTS = 3
_REDIRECTS = range(300, 400)


@dataclass(frozen=True, kw_only=True, slots=True)
class Timeouts:
    """How long a call may take and how much it may bring."""

    connect_timeout_s: float
    read_timeout_s: float
    write_timeout_s: float
    pool_timeout_s: float
    total_timeout_s: float
    answer_bytes: int

    def timeouts(self) -> httpx2.Timeout:
        """The times of one exchange as httpx2 takes them."""
        return httpx2.Timeout(
            connect=self.connect_timeout_s,
            read=self.read_timeout_s,
            write=self.write_timeout_s,
            pool=self.pool_timeout_s,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class HttpResponse:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    """Ignores case."""
    content: bytes


async def send_request(
    client: httpx2.AsyncClient, request: httpx2.Request, limit_bytes: int
) -> HttpResponse:
    """Send a request and read its answer; the caller's cancellation closes the connection.

    Raises:
        ResponseTooLargeError: The decoded body has more than `limit_bytes`.
        UnreadableResponseError: The answer is a redirect that is not followed.
    """
    origin = str(request.url)

    async def send(url: str) -> HttpResponse:
        asked = request if url == origin else _moved(request, url)
        return await _send_once(client, asked, limit_bytes)

    return await follow_redirects(request.method, origin, send)


async def follow_redirects(
    method: str, url: str, send: Callable[[str], Awaitable[HttpResponse]]
) -> HttpResponse:
    """The answer at an address, or where it leads to.

    A redirect is followed only for GET and within the origin, so that credentials never leave it.

    Args:
        method: Of the request.
        url: Its address.
        send: Sends it to an address.

    Raises:
        UnreadableResponseError: The answer is a redirect that is not followed.
    """
    for _ in range(_MAX_REDIRECTS + 1):
        answer = await send(url)
        if answer.status not in _REDIRECTS:
            return answer
        url = _following(method, url, answer)
    raise UnreadableResponseError(answer.status, "too many redirects")


def _following(method: str, url: str, answer: HttpResponse) -> str:
    here, place = httpx2.URL(url), answer.headers.get("location")
    try:
        there = here.join(place) if place else None
    except (httpx2.InvalidURL, ValueError):
        there = None
    if there is not None and method == "GET" and there.origin == here.origin:
        return str(there)
    named = there.host if there is not None else "nowhere"
    reason = f"a redirect to {named}, which is not followed; the API URL may be wrong"
    raise UnreadableResponseError(answer.status, reason)


def _moved(request: httpx2.Request, url: str) -> httpx2.Request:
    return httpx2.Request(
        request.method, url, headers=request.headers, extensions=request.extensions
    )


async def _send_once(
    client: httpx2.AsyncClient, request: httpx2.Request, limit_bytes: int
) -> HttpResponse:
    response = await client.send(request, stream=True, follow_redirects=False)
    try:
        content = await read_body(response, limit_bytes)
    finally:
        await response.aclose()
    return HttpResponse(status=response.status_code, headers=response.headers, content=content)


async def read_body(response: httpx2.Response, limit_bytes: int) -> bytes:
    """The decoded body of an answer, as long as it stays within a limit.

    Raises:
        ResponseTooLargeError: It does not.
    """
    content = bytearray()
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > limit_bytes:
            raise ResponseTooLargeError(limit_bytes)
    return bytes(content)


_Translation = Callable[[Exception, Timeouts, str], BackendError]


def _failed(error: Exception, _: Timeouts, base_url: str) -> BackendError:
    return ConnectionFailedError(base_url, str(error) or type(error).__name__)


def _lost(error: Exception, _: Timeouts, base_url: str) -> BackendError:
    return ConnectionLostError(base_url, str(error) or type(error).__name__)


def _unreadable(error: Exception, _: Timeouts, __: str) -> BackendError:
    return UnreadableResponseError(None, str(error) or type(error).__name__)


def _connect_timeout(_: Exception, limits: Timeouts, base_url: str) -> BackendError:
    return ConnectionFailedError(base_url, f"no response within {limits.connect_timeout_s:g} s")


def _pool_timeout(_: Exception, limits: Timeouts, __: str) -> BackendError:
    return TimedOutError("waiting for a free connection", limits.pool_timeout_s, sent=False)


def _write_timeout(_: Exception, limits: Timeouts, __: str) -> BackendError:
    return TimedOutError("receiving the request", limits.write_timeout_s)


def _read_timeout(_: Exception, limits: Timeouts, __: str) -> BackendError:
    return TimedOutError("responding", limits.read_timeout_s)


TRANSLATIONS: Mapping[type[Exception], _Translation] = {
    httpx2.ConnectTimeout: _connect_timeout,
    httpx2.PoolTimeout: _pool_timeout,
    httpx2.WriteTimeout: _write_timeout,
    httpx2.TimeoutException: _read_timeout,
    httpx2.ConnectError: _failed,
    httpx2.ProxyError: _failed,
    httpx2.UnsupportedProtocol: _failed,
    httpx2.InvalidURL: _failed,
    httpx2.DecodingError: _unreadable,
    httpx2.TooManyRedirects: _unreadable,
    httpx2.HTTPStatusError: _unreadable,
    httpx2.SSEError: _unreadable,
    httpx2.CookieConflict: _unreadable,
    httpx2.StreamError: _unreadable,
    httpx2.HTTPError: _lost,
}
"""What each exception of httpx2 means; a class that is not listed means what its base means."""


@contextmanager
def translated(limits: Timeouts, base_url: str) -> Iterator[None]:
    """Turn the exceptions of httpx2 into ours.

    Raises:
        BackendError: There is no usable answer; `sent` tells whether the request may have arrived.
    """
    try:
        yield
    except tuple(TRANSLATIONS) as error:
        kind = next(kind for kind in type(error).__mro__ if kind in TRANSLATIONS)
        raise TRANSLATIONS[kind](error, limits, base_url) from error
