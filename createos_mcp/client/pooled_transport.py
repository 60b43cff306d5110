"""The way to the platform: aiohttp's connections, for plain requests and below httpx2's client.

httpcore looks at every pooled connection twice for each request, so that a call costs the more the
more of them are under way (https://github.com/encode/httpx/issues/3215); aiohttp does not.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, cached_property
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Self

import anyio
import httpx2
from typing_extensions import override

from createos_mcp.client.http import HttpResponse, Timeouts, read_body
from createos_mcp.contract.errors import ResponseTooLargeError

if TYPE_CHECKING:
    import aiohttp

KEEPALIVE_S = 5
"""As httpx2 keeps idle connections."""

MAX_HEADER_BYTES = 64 * 1024
"""Some front ends send long policies."""

_NOT_HTTP = "the response is not valid HTTP"

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
        self._max_connections = max_connections
        self._free = anyio.Semaphore(max_connections, fast_acquire=True)
        self._open_session: aiohttp.ClientSession | None = None
        self._open_streams: httpx2.AsyncHTTPTransport | None = None

    @override
    async def __aenter__(self) -> Self:
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
        if self._open_streams is not None:
            await self._open_streams.aclose()
        if self._open_session is not None:
            await self._open_session.close()

    @cached_property
    def _trust(self) -> SSLContext:
        """Reads every certificate that is trusted: not for a platform on this machine."""
        return httpx2.create_ssl_context()

    @property
    def _for_streams(self) -> httpx2.AsyncHTTPTransport:
        if self._open_streams is None:
            self._open_streams = httpx2.AsyncHTTPTransport(
                verify=self._trust, limits=httpx2.Limits(max_connections=self._max_connections)
            )
        return self._open_streams

    @property
    def _session(self) -> "aiohttp.ClientSession":
        """Opened by the first request: nothing waits for aiohttp's import before that."""
        if self._open_session is None:
            import aiohttp  # noqa: PLC0415 - as said

            self._open_session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                skip_auto_headers=_NOTHING_ADDED,
                max_line_size=MAX_HEADER_BYTES,
                max_field_size=MAX_HEADER_BYTES,
                middlewares=(_send_once,),
            )
        return self._open_session

    async def fetch(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None,
        limits: Timeouts,
    ) -> HttpResponse:
        """Send a plain request and read its answer, without a request and a response of httpx2.

        Raises:
            ResponseTooLargeError: The decoded body is larger than the limit.
            httpx2.RequestError: As httpx2's own client would raise it.
        """
        await self._take_place(limits.pool_timeout_s)
        try:
            with _translated():
                response = await self._request(
                    method,
                    url,
                    headers,
                    content,
                    connect_s=limits.connect_timeout_s,
                    read_s=limits.read_timeout_s,
                )
                try:
                    body = await _read_plain(response, limits.answer_bytes)
                finally:
                    # A body that was read whole has given its connection back already.
                    response.close()
        finally:
            self._free.release()
        return HttpResponse(status=response.status, headers=response.headers, content=body)

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
    ) -> "aiohttp.ClientResponse":
        headers = [(name.decode(), value.decode()) for name, value in request.headers.raw]
        with _translated():
            return await self._request(
                request.method,
                str(request.url),
                headers,
                body or None,
                connect_s=times_s["connect"],
                read_s=times_s["read"],
            )

    async def _request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | list[tuple[str, str]],
        content: bytes | None,
        *,
        connect_s: float,
        read_s: float,
    ) -> "aiohttp.ClientResponse":
        import aiohttp  # noqa: PLC0415 - nothing waits for it before the first request
        from yarl import URL  # noqa: PLC0415

        place = URL(url, encoded=True)
        return await self._session.request(
            method,
            place,
            headers=headers,
            data=content,
            allow_redirects=False,
            ssl=self._trust if place.scheme == "https" else True,
            timeout=aiohttp.ClientTimeout(
                # The look-up of the name counts, too.
                connect=connect_s,
                sock_connect=connect_s,
                sock_read=read_s,
            ),
        )


async def _read_plain(response: "aiohttp.ClientResponse", limit_bytes: int) -> bytes:
    if "content-encoding" in response.headers:
        decoded = httpx2.Response(
            response.status, headers=response.raw_headers, stream=_Body(response, _nothing)
        )
        return await read_body(decoded, limit_bytes)
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) > limit_bytes:
            raise ResponseTooLargeError(limit_bytes)
    return bytes(content)


def _nothing() -> None:
    return None


class _Body(httpx2.AsyncByteStream):
    """The body of an answer; its place becomes free when it is closed."""

    def __init__(self, response: "aiohttp.ClientResponse", free: Callable[[], None]) -> None:
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


class _BrokenConnectionError(Exception):
    """A connection broke while a request was under way."""


async def _send_once(
    request: "aiohttp.ClientRequest", send: "aiohttp.ClientHandlerType"
) -> "aiohttp.ClientResponse":
    """Send a request, and have aiohttp not send it again where its connection breaks.

    It may have arrived; whether a GET, PUT or DELETE that comes twice does harm is for the backend
    to know.
    """
    import aiohttp  # noqa: PLC0415 - nothing waits for it before the first request

    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenConnectionError(str(error) or type(error).__name__) from error


@cache
def _kinds() -> Mapping[type[BaseException], type[httpx2.RequestError]]:
    """What each exception of aiohttp means; one that is not listed means what its base means."""
    import aiohttp  # noqa: PLC0415 - nothing waits for it before the first request

    return {
        aiohttp.ConnectionTimeoutError: httpx2.ConnectTimeout,
        aiohttp.ServerTimeoutError: httpx2.ReadTimeout,
        aiohttp.ClientConnectorError: httpx2.ConnectError,
        aiohttp.InvalidURL: httpx2.UnsupportedProtocol,
        aiohttp.ClientResponseError: httpx2.DecodingError,
        aiohttp.ClientError: httpx2.ReadError,
        _BrokenConnectionError: httpx2.ReadError,
    }


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except Exception as error:
        kind = next((k for k in type(error).__mro__ if k in _kinds()), None)
        if kind is None:
            raise
        meant = _kinds()[kind]
        # Of bytes that are no response, aiohttp's text repeats some.
        text = _NOT_HTTP if meant is httpx2.DecodingError else str(error)
        raise meant(text or type(error).__name__) from error
