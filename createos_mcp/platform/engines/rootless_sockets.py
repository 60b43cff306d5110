"""Sockets in the networks of a rootless engine's containers, and which ports are listened on.

The platform cannot go there itself: setns(2) takes a process of several threads into no user
namespace. A process of one thread can, and hands over what it opens there. Only there may the
files of a container's processes be read, which belong to users that this one does not have.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import TypeVar

from createos_mcp.platform.engines.netns import enter_network
from createos_mcp.platform.sandbox.process_table import listening_ports_of

_ASK = struct.Struct("2i")
"""The process whose network is meant, and the family of the socket; 0 for the ports."""

_MOST_PORTS_BYTES = 2**16

_TOLD = struct.Struct("i")
"""A number of errno(3), or 0 with a socket."""


_Answer = TypeVar("_Answer")


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
            return self._twice(lambda: self._open(pid, family))

    def ports(self, pid: int) -> list[int]:
        """TCP ports that a container's processes listen on.

        Raises:
            OSError: They have ended, or belong to somebody else.
        """
        with self._lock:
            return self._twice(lambda: self._ports(pid))

    def _twice(self, ask: Callable[[], _Answer]) -> _Answer:
        try:
            return ask()
        except OSError:
            # The engine may have begun anew, in namespaces where that process has no rights.
            self.close()
            return ask()

    def _open(self, pid: int, family: int) -> socket.socket:
        channel = self._channel or self._begin()
        channel.sendall(_ASK.pack(pid, family))
        told, handed, _, _ = socket.recv_fds(channel, _TOLD.size, 1)
        if not handed:
            raise _error_of(told)
        return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=handed[0])

    def _ports(self, pid: int) -> list[int]:
        channel = self._channel or self._begin()
        channel.sendall(_ASK.pack(pid, 0))
        told = channel.recv(_MOST_PORTS_BYTES)
        if len(told) <= _TOLD.size and not told.startswith(b"["):
            raise _error_of(told)
        found: list[int] = json.loads(told)
        return found

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


def _error_of(told: bytes) -> OSError:
    number = _TOLD.unpack(told)[0] if len(told) == _TOLD.size else 0
    return OSError(number, os.strerror(number))


def main() -> None:
    """Open what is asked for on the standard input, until that is closed."""
    channel = socket.socket(fileno=os.dup(0))
    while asked := channel.recv(_ASK.size):
        pid, family = _ASK.unpack(asked)
        try:
            enter_network(pid)
            if not family:
                channel.sendall(json.dumps(listening_ports_of(pid)).encode())
                continue
            with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
                socket.send_fds(channel, [_TOLD.pack(0)], [made.fileno()])
        except OSError as error:
            channel.sendall(_TOLD.pack(error.errno or 0))


if __name__ == "__main__":
    main()
