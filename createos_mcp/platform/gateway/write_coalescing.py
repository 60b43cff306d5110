"""A transport that sends what is written within one turn of the event loop at once."""

import asyncio
from collections.abc import Sequence
from typing import Any

TRANSPORT = "createos.transport"
"""The name in a scope's state of the connection that the request came on."""

_CHUNKED = b"transfer-encoding: chunked\r\n"
_LAST_CHUNK = b"0\r\n\r\n"


class CoalescingTransport:
    """Stands before a transport: the head and the body of a small answer become one packet.

    uvicorn writes them one after the other, and each send is a call to the system: it is the
    largest part of what a small answer costs.

    Args:
        transport: The real one; everything but writing and closing is its own.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._loop = asyncio.get_running_loop()
        self._pieces: list[bytes] = []
        self._trailers = b""
        self._takes_chunks = True
        self._is_chunked = False

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send some bytes before the event loop waits again."""
        if not self._takes_chunks:
            data = self._without_chunks(data)
        elif self._trailers:
            data = self._with_trailers(data)
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def take_no_chunks(self) -> None:
        """End bodies by closing, as HTTP/1.0 does: uvicorn writes chunks to everybody."""
        self._takes_chunks = False

    def add_trailers(self, trailers: Sequence[tuple[bytes, bytes]]) -> None:
        """Put these at the end of the next write, where it ends a body in chunks.

        ASGI servers have no way to send them: https://github.com/encode/uvicorn/discussions/1958.
        """
        self._trailers = b"".join(b"%s: %s\r\n" % trailer for trailer in trailers)

    def close(self) -> None:
        """Send what was written, and close."""
        self._flush()
        self._transport.close()

    def _without_chunks(self, data: bytes) -> bytes:
        """A write of uvicorn's, which is a whole head or whole chunks, as HTTP/1.0 knows it."""
        if data.startswith(b"HTTP/1.1 ") and data.endswith(b"\r\n\r\n"):
            self._is_chunked = _CHUNKED in data
            return data.replace(_CHUNKED, b"")
        if not self._is_chunked:
            return data
        body = b""
        while data:
            size, _, rest = data.partition(b"\r\n")
            body += rest[: int(size, 16)]
            data = rest[int(size, 16) + len(b"\r\n") :]
        return body

    def _with_trailers(self, data: bytes) -> bytes:
        trailers, self._trailers = self._trailers, b""
        if not data.endswith(_LAST_CHUNK):
            return data
        return data[: -len(b"\r\n")] + trailers + b"\r\n"

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
