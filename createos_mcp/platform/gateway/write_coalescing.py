"""A transport that sends what is written within one turn of the event loop at once."""

import asyncio
from typing import Any


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

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the transport has
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send some bytes before the event loop waits again."""
        if not self._pieces:
            self._loop.call_soon(self._flush)
        self._pieces.append(data)

    def close(self) -> None:
        """Send what was written, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        pieces, self._pieces = self._pieces, []
        if pieces and not self._transport.is_closing():
            self._transport.write(b"".join(pieces))
