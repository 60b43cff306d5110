"""Relays: ports of an app's own loopback that lead to the sockets of its services.

The launcher carries them, so that they live as long as the app, whatever becomes of the platform.
"""

import contextlib
import os
import selectors
import socket
import stat
import struct
import time
from typing import TYPE_CHECKING

from createos_mcp.platform.sandbox.descriptors import opened_place
from createos_mcp.platform.sandbox.handover import pass_on

if TYPE_CHECKING:
    from createos_mcp.platform.sandbox.tls_ends import TlsEnds

CHUNK_BYTES = 65536
WAITING_CONNECTIONS = 128
FULL_PAUSE_S = 0.01
"""Between attempts to accept while there are too many connections."""
LAST_BYTES_S = 1.0
"""How long who reads slowly has when the other end has closed."""

# https://www.postgresql.org/docs/current/protocol-message-formats.html
POSTGRES_TLS = struct.pack("!II", 8, 80877103)
POSTGRES_GSS = struct.pack("!II", 8, 80877104)
CLIENT_HELLO = b"\x16"
"""How TLS itself begins, https://www.rfc-editor.org/rfc/rfc8446#section-5.1."""


class Relay:
    """One port, and the Unix socket that it leads to.

    Args:
        certificate: A key and its certificate, PEM, for clients that ask for TLS before the service
            has said anything; empty where none is offered.
        handover: Directory where connections are passed to the service itself, or empty.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        port: int,
        place: str,
        certificate: bytes = b"",
        handover: str = "",
    ) -> None:
        self.selector = selector
        self.port = port
        self.place = place
        self.certificate = certificate
        self.handover = handover
        self.greeted: set[socket.socket] = set()
        """Those that have said nothing yet."""
        self.tls_ends: TlsEnds | None = None

    def listen(self) -> None:
        """Listen on loopback; a port that something else has is left to it."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", self.port))
        except OSError:
            listener.close()
            return
        self.serve(listener)

    def serve(self, listener: socket.socket) -> None:
        """Lead on what connects there."""
        self.listener = listener
        self.listener.listen(WAITING_CONNECTIONS)
        self.listener.setblocking(False)
        self.selector.register(self.listener, selectors.EVENT_READ, self.accept)

    def reach(self) -> socket.socket:
        """A connection to the service.

        Raises:
            OSError: Nothing answers there.
        """
        return connect_socket(self.place)

    def accept(self) -> None:
        """Take one connection."""
        try:
            near, _ = self.listener.accept()
        except OSError:
            time.sleep(FULL_PAUSE_S)
            return
        if self.certificate and len(self.greeted) < WAITING_CONNECTIONS:
            near.setblocking(False)
            self.greeted.add(near)
            self.selector.register(near, selectors.EVENT_READ, lambda: self.greet(near))
        else:
            self.lead(near)

    def greet(self, near: socket.socket) -> None:
        """See how a client begins, and answer it where that is a question for TLS."""
        try:
            first = near.recv(len(POSTGRES_TLS), socket.MSG_PEEK)
            if first in {POSTGRES_TLS, POSTGRES_GSS}:
                near.recv(len(first))
                near.send(b"S" if first == POSTGRES_TLS else b"N")
        except BlockingIOError:
            return
        except OSError:
            first = b""
        if first == POSTGRES_GSS:
            return
        self.selector.unregister(near)
        self.greeted.discard(near)
        if not first:
            near.close()
        elif first == POSTGRES_TLS or first.startswith(CLIENT_HELLO):
            self.end_tls(near)
        else:
            self.lead(near)

    def end_tls(self, near: socket.socket) -> None:
        """Carry what a client says in TLS."""
        if self.tls_ends is None:
            # Most apps ask for none, and start sooner.
            from createos_mcp.platform.sandbox.tls_ends import TlsEnds  # noqa: PLC0415

            try:
                self.tls_ends = TlsEnds(self.certificate)
            except OSError:
                near.close()
                return
        self.tls_ends.carry(near, self.reach)

    def lead(self, near: socket.socket) -> None:
        """Lead a connection on; it is closed where the service does not answer."""
        if self.handover and pass_on(near, self.handover):
            near.close()
            return
        try:
            far = self.reach()
        except OSError:
            near.close()
            return
        for connection in (near, far):
            if connection.family == socket.AF_INET:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one, other = Side(self.selector, near), Side(self.selector, far)
        one.join(other)


class Side:
    """One of the two connections of a client; what it reads goes to the other."""

    def __init__(self, selector: selectors.BaseSelector, connection: socket.socket) -> None:
        self.selector = selector
        self.connection = connection
        self.connection.setblocking(False)
        self.waiting = b""
        """What the other side read and this one does not take yet."""
        self.is_over = False
        """Whether nothing more is read here; what the other side says still goes out."""
        self.other = self

    def join(self, other: "Side") -> None:
        """Begin to carry."""
        self.other, other.other = other, self
        for side in (self, other):
            self.selector.register(side.connection, selectors.EVENT_READ, side.turn)

    def turn(self) -> None:
        """Do what the connection is ready for."""
        try:
            if self.waiting:
                self.flush()
            if not self.other.waiting and not self.is_over:
                self.carry()
        except OSError:
            self.end()

    def flush(self) -> None:
        """Send what waits, as far as it is taken."""
        with contextlib.suppress(BlockingIOError):
            self.waiting = self.waiting[self.connection.send(self.waiting) :]
        if not self.waiting:
            self.other.settle()
            self.watch()
            self.other.watch()

    def carry(self) -> None:
        """Hand on what there is."""
        try:
            chunk = self.connection.recv(CHUNK_BYTES)
        except BlockingIOError:
            return
        if not chunk:
            self.is_over = True
            self.settle()
            self.watch()
            return
        sent = 0
        with contextlib.suppress(BlockingIOError):
            sent = self.other.connection.send(chunk)
        if sent < len(chunk):
            self.other.waiting = chunk[sent:]
            self.other.watch()
            self.watch()

    def settle(self) -> None:
        """Pass on that nothing more comes from here, once everything before it is sent."""
        if not self.is_over or self.other.waiting:
            return
        with contextlib.suppress(OSError):
            self.other.connection.shutdown(socket.SHUT_WR)
        if self.other.is_over and not self.waiting:
            self.end()

    def watch(self) -> None:
        """Read only while the other side takes it; a client that is slow slows its server."""
        wants = 0 if self.other.waiting or self.is_over else selectors.EVENT_READ
        wants |= selectors.EVENT_WRITE if self.waiting else 0
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(self.connection)
        if wants and self.connection.fileno() >= 0:
            self.selector.register(self.connection, wants, self.turn)

    def end(self) -> None:
        """Close both connections, after what was read before."""
        for side in (self, self.other):
            with contextlib.suppress(KeyError, ValueError):
                self.selector.unregister(side.connection)
            with contextlib.suppress(OSError):
                if side.waiting:
                    side.connection.settimeout(LAST_BYTES_S)
                    side.connection.sendall(side.waiting)
            side.waiting = b""
            side.connection.close()


def connect_socket(place: str) -> socket.socket:
    """Connect to a Unix socket that is one: no link in its place is followed.

    Raises:
        OSError: Nothing answers there.
    """
    with opened_place(place) as found:
        if not stat.S_ISSOCK(os.fstat(found).st_mode):
            raise ConnectionRefusedError("there is no socket")
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # By its descriptor: a path may not be longer than 107 bytes, see unix(7).
            connection.connect(f"/proc/self/fd/{found}")
        except OSError:
            connection.close()
            raise
        return connection
