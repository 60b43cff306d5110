"""A process that carries a container's relays, within its network and as long as it lives.

An outlet leads the other way: from a Unix socket of the machine to what a container listens on.

It is started before the container, so that its ports are there when the app first looks for them:
then it reads the container's process from its standard input, and answers `ready` or an error.
"""

import ctypes
import json
import os
import selectors
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from createos_mcp.platform.engines.netns import enter_network
from createos_mcp.platform.sandbox.relays import Relay

# Now: the user that it becomes may not be able to read a module.
from createos_mcp.platform.sandbox.tls_ends import TlsEnds as _TlsEnds  # noqa: F401

READY = "ready"
_CONNECT_S = 5.0
_ANYBODY = 0o666
_SET_DUMPABLE = 4


class Outlet(Relay):
    """A Unix socket, and the address in the container's network that it leads to."""

    def __init__(self, selector: selectors.BaseSelector, place: str, host: str, port: int) -> None:
        super().__init__(selector, port, place)
        self.host = host

    @override
    def listen(self) -> None:
        """Listen in place of whoever did before.

        Raises:
            OSError: The socket cannot be made.
        """
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # By its folder's descriptor: a path may not be longer than 107 bytes, see unix(7).
        place = Path(_through_descriptor(self.place))
        place.unlink(missing_ok=True)
        listener.bind(str(place))
        place.chmod(_ANYBODY)
        self.serve(listener)

    @override
    def reach(self) -> socket.socket:
        # No name is looked up: what that takes cannot be read by the user that this is by now.
        connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        connection.settimeout(_CONNECT_S)
        try:
            connection.connect((self.host, self.port))
        except OSError:
            connection.close()
            raise
        return connection


def main(arguments: Sequence[str]) -> None:
    """Carry the relays that the arguments name, and a user.

    Each relay has a port, the socket that it leads to, a certificate and where connections are
    passed, of which either may be empty: `[[5432, "/a/socket", "/a/key.pem", "/a/directory"]]`.
    The third argument is an outlet, `["/path/of/a/socket", "172.17.0.2", 3306]`, or `null`.
    """
    ways, uid, outlet = json.loads(arguments[0]), int(arguments[1]), json.loads(arguments[2])
    pid = int(sys.stdin.readline() or 0)
    if not pid:
        return
    try:
        selector, ended = _listen(ways, outlet, uid, pid)
    except OSError as error:
        _say(str(error))
        return
    _say(READY)
    while ended not in (ready := {key.fd: key.data for key, _ in selector.select()}):
        for act in ready.values():
            act()


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


def _listen(
    ways: Sequence[tuple[int, str, str, str]],
    outlet: tuple[str, str, int] | None,
    uid: int,
    pid: int,
) -> tuple[selectors.BaseSelector, int]:
    selector = selectors.DefaultSelector()
    ended = os.pidfd_open(pid)
    selector.register(ended, selectors.EVENT_READ)
    # What is opened is opened before the rights to do so are given up.
    relays = [
        Relay(selector, port, _through_descriptor(place), _read(certificate), _opened(handover))
        for port, place, certificate, handover in ways
    ]
    if outlet is not None:
        Outlet(selector, *outlet).listen()
    is_root = os.geteuid() == 0
    enter_network(pid)
    if is_root:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
        # A change of user closes `/proc/self/fd`, which the sockets are reached through.
        ctypes.CDLL(None).prctl(_SET_DUMPABLE, 1)
    for relay in relays:
        relay.listen()
    return selector, ended


def _read(certificate: str) -> bytes:
    return Path(certificate).read_bytes() if certificate else b""


def _opened(directory: str) -> str:
    try:
        return _through_descriptor(directory) if directory else ""
    except OSError:
        return ""


def _through_descriptor(place: str) -> str:
    directory, name = os.path.split(place)
    folder = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW)
    return f"/proc/self/fd/{folder}/./{name}"


if __name__ == "__main__":
    main(sys.argv[1:])
