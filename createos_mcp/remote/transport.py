"""The way to the platform for many callers at once: aiohttp's connections below httpx2's client.

httpcore looks at every pooled connection twice for each request, so that a call costs the more the
more of them are under way (https://github.com/encode/httpx/issues/3215); aiohttp does not.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Self

import aiohttp
import anyio
import httpx2
from typing_extensions import override
from yarl import URL

KEEPALIVE_S = 5
"""As httpx2 keeps idle connections."""

_NOTHING_ADDED = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")


class PooledTransport(httpx2.AsyncBaseTransport):
    """Carries requests over kept connections; it decodes, redirects and repeats nothing.

    Times (connect, read, pool) and exceptions are those of httpx2. A body that comes in pieces
    goes over httpx2's own connections: aiohttp takes an answer that comes before the body's end,
    and what the body raises after that would be lost.

    Args:
        max_connections: How many requests are under way at once; others wait.
    """

    def __init__(self, *, max_connections: int) -> None:
        self._free = anyio.Semaphore(max_connections, fast_acquire=True)
        self._session: aiohttp.ClientSession | None = None
        self._trust = httpx2.create_ssl_context()
        self._for_streams = httpx2.AsyncHTTPTransport(
            verify=self._trust, limits=httpx2.Limits(max_connections=max_connections)
        )

    @override
    async def __aenter__(self) -> Self:
        await self._for_streams.__aenter__()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S, ssl=self._trust),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=_NOTHING_ADDED,
        )
        # Otherwise aiohttp sends a GET, PUT or DELETE anew whose connection broke, though it may
        # have arrived; whether that does harm is for the backend to know.
        self._session._retry_connection = False  # noqa: SLF001 - it has no other door
        return self

    @override
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    @override
    async def aclose(self) -> None:
        """Close all connections."""
        await self._for_streams.aclose()
        if self._session is not None:
            await self._session.close()

    @override
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request; the answer's body is read by whoever takes it."""
        try:
            body = request.content
        except httpx2.RequestNotRead:
            return await self._for_streams.handle_async_request(request)
        times_s: Mapping[str, float] = request.extensions["timeout"]
        await self._take_place(times_s["pool"])
        try:
            response = await self._send(request, body, times_s)
        except BaseException:
            self._free.release()
            raise
        return httpx2.Response(
            response.status,
            headers=response.raw_headers,
            stream=_Body(response, self._free.release),
        )

    async def _take_place(self, timeout_s: float) -> None:
        try:
            self._free.acquire_nowait()
        except anyio.WouldBlock:
            with anyio.move_on_after(timeout_s) as waited:
                await self._free.acquire()
            if waited.cancelled_caught:
                raise httpx2.PoolTimeout("no connection became free") from None

    async def _send(
        self, request: httpx2.Request, body: bytes, times_s: Mapping[str, float]
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError("the transport is not open")
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        with _translated():
            return await self._session.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=headers,
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    sock_connect=times_s["connect"], sock_read=times_s["read"]
                ),
            )


class _Body(httpx2.AsyncByteStream):
    """The body of an answer; its place becomes free when it is closed."""

    def __init__(self, response: aiohttp.ClientResponse, free: Callable[[], None]) -> None:
        self._response = response
        self._free = free
        self._is_open = True

    @override
    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _translated():
            async for chunk in self._response.content.iter_any():
                yield chunk

    @override
    async def aclose(self) -> None:
        if self._is_open:
            self._is_open = False
            # A body that was read whole has given its connection back already.
            self._response.close()
            self._free()


_KINDS: Mapping[type[BaseException], type[httpx2.TransportError]] = {
    aiohttp.ConnectionTimeoutError: httpx2.ConnectTimeout,
    aiohttp.ServerTimeoutError: httpx2.ReadTimeout,
    aiohttp.ClientConnectorError: httpx2.ConnectError,
    aiohttp.InvalidURL: httpx2.UnsupportedProtocol,
    aiohttp.ClientError: httpx2.ReadError,
}
"""What each exception of aiohttp means; a class that is not listed means what its base means."""


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except aiohttp.ClientError as error:
        kind = next(kind for kind in type(error).__mro__ if kind in _KINDS)
        raise _KINDS[kind](str(error) or type(error).__name__) from error
