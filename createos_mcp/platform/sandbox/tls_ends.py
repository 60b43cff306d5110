"""TLS of clients that insist on it, ended on the loopback that they share with their relay.

Many apps ask for TLS wherever they are deployed, as Heroku demands. Their services speak none, and
need none: nothing of what is said leaves the machine.
"""

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import Callable

CHUNK_BYTES = 65536
HANDSHAKE_S = 10.0


class TlsEnds:
    """Connections whose TLS ends here, in a thread of their own.

    Args:
        certificate: A key and its certificate, PEM.
    """

    def __init__(self, certificate: bytes) -> None:
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        # https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
        self.context.set_alpn_protocols(["postgresql"])
        descriptor = os.memfd_create("certificate")
        with open(descriptor, "wb") as file:
            file.write(certificate)
            file.flush()
            self.context.load_cert_chain(f"/proc/self/fd/{descriptor}")
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()

    def carry(self, near: socket.socket, reach: Callable[[], socket.socket]) -> None:
        """Lead a connection on, from the first byte of its TLS.

        Args:
            near: The client's; closed in the end.
            reach: Connects to the service.
        """
        asyncio.run_coroutine_threadsafe(self._carry(near, reach), self.loop)

    async def _carry(self, near: socket.socket, reach: Callable[[], socket.socket]) -> None:
        reader = asyncio.StreamReader()
        protocol = asyncio.StreamReaderProtocol(reader)
        try:
            transport, _ = await self.loop.connect_accepted_socket(
                lambda: protocol, near, ssl=self.context, ssl_handshake_timeout=HANDSHAKE_S
            )
        except (OSError, TimeoutError):  # What it sent was not TLS.
            near.close()
            return
        writer = asyncio.StreamWriter(transport, protocol, reader, self.loop)
        try:
            far_reader, far_writer = await asyncio.open_unix_connection(sock=reach())
        except OSError:  # The service does not answer.
            await _close(writer)
            return
        ways = (_copy(reader, far_writer), _copy(far_reader, writer))
        await asyncio.gather(*ways, return_exceptions=True)
        await _close(far_writer)
        await _close(writer)


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry one direction to its end, which is the end of what TLS carries in the other, too."""
    try:
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    finally:
        if writer.can_write_eof():
            with contextlib.suppress(OSError):
                writer.write_eof()
        else:
            writer.close()
