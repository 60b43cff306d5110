"""Sockets in the networks of a rootless engine's containers.

The platform cannot go there itself: setns(2) takes a process of several threads into no user
namespace. A process of one thread can, and hands over what it opens there.
"""

import os
import socket
import struct
import subprocess
import sys
import threading

from createos_mcp.platform.engines.netns import enter_network

_ASK = struct.Struct("2i")
"""The process whose network is meant, and the family of the socket."""

_TOLD = struct.Struct("i")
"""A number of errno(3), or 0 with a socket."""


class RootlessSockets:
    """Opens sockets for an ordinary user; may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def open(self, pid: int, family: int) -> socket.socket:
        """A TCP socket, not yet connected, in the network of a process.

        Raises:
            OSError: The process has ended, or belongs to somebody else.
        """
        with self._lock:
            try:
                return self._ask(pid, family)
            except OSError:
                # The engine may have begun anew, in namespaces where that process has no rights.
                self.close()
                return self._ask(pid, family)

    def _ask(self, pid: int, family: int) -> socket.socket:
        channel = self._channel or self._begin()
        channel.sendall(_ASK.pack(pid, family))
        told, handed, _, _ = socket.recv_fds(channel, _TOLD.size, 1)
        if not handed:
            number = _TOLD.unpack(told)[0] if told else 0
            raise OSError(number, os.strerror(number))
        return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=handed[0])

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", "-m", __name__]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), start_new_session=True)
        self._channel = ours
        return ours

    def close(self) -> None:
        """End the process that opens them."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.wait()
        self._channel = self._process = None


def main() -> None:
    """Open what is asked for on the standard input, until that is closed."""
    channel = socket.socket(fileno=os.dup(0))
    while asked := channel.recv(_ASK.size):
        pid, family = _ASK.unpack(asked)
        try:
            enter_network(pid)
            with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
                socket.send_fds(channel, [_TOLD.pack(0)], [made.fileno()])
        except OSError as error:
            channel.sendall(_TOLD.pack(error.errno or 0))


if __name__ == "__main__":
    main()
