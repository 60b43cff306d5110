"""Networks of a rootless engine's containers, which an ordinary user's platform has a part in.

It cannot go there itself: setns(2) takes a process of several threads into no user namespace. A
process of one thread can, and hands over what it opens there. Only there may the files of a
container's processes be read, which belong to users that this one does not have.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading

from createos_mcp.platform.engines.netns import enter_network
from createos_mcp.platform.sandbox.process_table import listening_ports_of

_ASK = struct.Struct("2i")
"""A process of the container, and the family of a socket; 0 asks for its ports."""

_MOST_BYTES = 2**16
"""Of an answer: a number of errno(3), or a list of ports, with the socket that was asked for."""


class RootlessNetworks:
    """Looks into containers for an ordinary user; may be called from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: socket.socket | None = None

    def open_socket(self, pid: int, family: int) -> socket.socket:
        """A TCP socket, not yet connected, in the network of a process.

        Raises:
            OSError: The process has ended, or belongs to somebody else.
        """
        _, (descriptor,) = self._ask(pid, family)
        return socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP, fileno=descriptor)

    def ports(self, pid: int) -> list[int]:
        """TCP ports that a process and its descendants listen on.

        Raises:
            OSError: They have ended, or belong to somebody else.
        """
        found, _ = self._ask(pid, 0)
        return found

    def _ask(self, pid: int, family: int) -> tuple[list[int], list[int]]:
        with self._lock:
            try:
                return self._ask_once(pid, family)
            except OSError:
                # The engine may have begun anew, in namespaces where that process has no rights.
                self.close()
                return self._ask_once(pid, family)

    def _ask_once(self, pid: int, family: int) -> tuple[list[int], list[int]]:
        channel = self._channel or self._begin()
        channel.sendall(_ASK.pack(pid, family))
        told, handed, _, _ = socket.recv_fds(channel, _MOST_BYTES, 1)
        answer = json.loads(told or "0")
        if isinstance(answer, int):
            raise OSError(answer, os.strerror(answer))
        return answer, handed

    def _begin(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            command = [sys.executable, "-P", "-m", __name__]
            self._process = subprocess.Popen(command, stdin=theirs.fileno(), start_new_session=True)
        self._channel = ours
        return ours

    def close(self) -> None:
        """End the process that goes there."""
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.wait()
        self._channel = self._process = None


def main() -> None:
    """Answer what is asked on the standard input, until that is closed."""
    channel = socket.socket(fileno=os.dup(0))
    while asked := channel.recv(_ASK.size):
        pid, family = _ASK.unpack(asked)
        try:
            enter_network(pid)
            if family:
                with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as made:
                    socket.send_fds(channel, [b"[]"], [made.fileno()])
            else:
                channel.sendall(json.dumps(listening_ports_of(pid)).encode())
        except OSError as error:
            channel.sendall(json.dumps(error.errno or 0).encode())


if __name__ == "__main__":
    main()
