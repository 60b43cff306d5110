"""One HTTP/1.1 connection to an app."""

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

import httptools
from typing_extensions import override

from createos_mcp.platform.errors import AnswerLostError
from createos_mcp.platform.gateway.headers import EARLY_HINTS, Headers

MAX_HEAD_BYTES = 64 * 1024
# Statuses below announce another response: https://www.rfc-editor.org/rfc/rfc9110#section-15.2
FIRST_FINAL_STATUS = 200
HIGH_WATER_BYTES = 256 * 1024
"""An app is not read from while this much of its answer waits for the client."""


class Connection(asyncio.Protocol):
    """Carries one request at a time, and gives its answer as it comes.

    httptools parses; it is what uvicorn reads requests with.

    Args:
        made: Its socket; the transport's own does not set options everywhere.
    """

    def __init__(self, made: socket.socket) -> None:
        self._socket = made
        self.idle_since = 0.0
        """When it was last given back, on the event loop's clock."""
        self.is_used = False
        """Whether it has carried a request before the present one."""
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport
        self._news: asyncio.Future[None] | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._parser = self._new_parser()
        self._is_lost = False
        self._start_over(head_only=False)
        self._complete = True

    def _start_over(self, *, head_only: bool) -> None:
        self._head_only = head_only
        self._status = 0
        self._headers: Headers = []
        self._chunks: list[bytes] = []
        self._head_bytes = self._buffered_bytes = 0
        self._begun = self._is_interim = self._complete = self._keep_alive = False
        self.trailers: Headers = []
        self._on_hints: Callable[[Headers], None] | None = None
        self._has_surplus = False

    def limit_silence(self, milliseconds: int) -> None:
        """End it when what is sent stays unacknowledged for so long; see tcp(7)."""
        with contextlib.suppress(OSError):
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)

    def begin(
        self,
        head: bytes,
        *,
        head_only: bool,
        on_hints: Callable[[Headers], None] | None = None,
    ) -> None:
        """Send a request up to its body.

        Args:
            head: Request line and headers.
            head_only: Whether the answer ends with its headers, as to HEAD.
            on_hints: Given the headers of each answer 103 that comes before the one.
        """
        if self._head_only:
            # The old one waits for the body that an answer to HEAD announces and does not have.
            self._parser = self._new_parser()
        self._start_over(head_only=head_only)
        self._on_hints = on_hints
        self._transport.write(head)

    def write(self, data: bytes) -> None:
        """Send a piece of the request's body."""
        if not self._transport.is_closing():
            self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the app has taken enough of what was written."""
        await self._writable.wait()

    async def head(self) -> tuple[int, Headers]:
        """Status and headers of the answer, names in lower case.

        Raises:
            AnswerLostError: The connection ended before.
        """
        while not self._begun:
            await self._more()
        return self._status, self._headers

    async def chunk(self) -> bytes:
        """The next piece of the answer's body, empty at its end.

        Raises:
            AnswerLostError: The connection ended before the answer did.
        """
        while not self._chunks and not self._complete:
            await self._more()
        data = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        if self._buffered_bytes > HIGH_WATER_BYTES:
            self._transport.resume_reading()
        self._buffered_bytes = 0
        return data

    @property
    def is_finished(self) -> bool:
        """Whether the whole answer has come and been taken."""
        return self._complete and not self._chunks

    @property
    def is_silent(self) -> bool:
        """Whether no byte of an answer has come."""
        return not self._head_bytes

    @property
    def is_reusable(self) -> bool:
        """Whether it may carry another request."""
        in_step = self._complete and self._keep_alive and not self._has_surplus
        return in_step and not self._transport.is_closing()

    def abort(self) -> None:
        """End it now, whatever is under way."""
        self._transport.abort()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's have all of it, and do not derive from it.
        self._transport = cast("asyncio.Transport", transport)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        if exc is None and self._begun and not self._is_framed():
            self._complete = True
        self._is_lost = True
        self._writable.set()
        self._tell()

    @override
    def data_received(self, data: bytes) -> None:
        if self._complete:
            self.abort()
            return
        if not self._begun:
            self._head_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self.abort()
        if not self._begun and self._head_bytes > MAX_HEAD_BYTES:
            self.abort()
        if self._buffered_bytes > HIGH_WATER_BYTES:
            self._transport.pause_reading()
        self._tell()

    @override
    def pause_writing(self) -> None:
        self._writable.clear()

    @override
    def resume_writing(self) -> None:
        self._writable.set()

    def on_message_begin(self) -> None:
        """Parser: a response begins; after a second, unasked one the connection is not used again.

        Otherwise the next request would get it: https://portswigger.net/web-security/request-smuggling.
        """
        if self._begun:
            self._has_surplus = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Parser: one header, or one trailer of a body in chunks."""
        if not self._begun:
            self._headers.append((name.lower(), value))
        elif not self._has_surplus and self._trailer_bytes() < MAX_HEAD_BYTES:
            self.trailers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Parser: the head is there; that of an interim answer (1xx) is not the one."""
        if self._begun or self._is_head_too_large():
            return
        status = self._parser.get_status_code()
        self._is_interim = status < FIRST_FINAL_STATUS
        if self._is_interim:
            if status == EARLY_HINTS and self._on_hints is not None:
                self._on_hints(self._headers)
            self._headers = []
            return
        self._status = status
        self._begun = True
        if self._head_only:
            self._keep_alive = self._parser.should_keep_alive()
            self._complete = True

    def on_body(self, body: bytes) -> None:
        """Parser: a piece of the body."""
        if not self._complete:
            self._chunks.append(body)
            self._buffered_bytes += len(body)

    def on_message_complete(self) -> None:
        """Parser: the answer has ended."""
        if not self._is_interim and not self._has_surplus:
            self._keep_alive = self._parser.should_keep_alive()
            self._complete = True

    def _new_parser(self) -> httptools.HttpResponseParser:
        parser = httptools.HttpResponseParser(self)
        # Apps end lines with a bare LF, and nothing hides behind their answers.
        parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        return parser

    def _is_head_too_large(self) -> bool:
        """Whether it is; what came with it may be the beginning of the body."""
        return (
            self._head_bytes > MAX_HEAD_BYTES
            and sum(len(name) + len(value) for name, value in self._headers) > MAX_HEAD_BYTES
        )

    def _trailer_bytes(self) -> int:
        return sum(len(name) + len(value) for name, value in self.trailers)

    def _is_framed(self) -> bool:
        """Whether the answer says where it ends; otherwise the connection's end is its own."""
        framing = {b"content-length", b"transfer-encoding"}
        return any(name in framing for name, _ in self._headers)

    async def _more(self) -> None:
        if self._is_lost:
            raise AnswerLostError(on_kept_connection=self.is_used)
        self._news = self._loop.create_future()
        await self._news

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
