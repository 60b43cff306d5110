"""Networks of containers: entered to connect there past every published port, or to listen."""

import ctypes
import os
import socket
import threading

_CLONE_NEWNET = 0x40000000
_CLONE_NEWUSER = 0x10000000


def enter_network(pid: int) -> None:
    """Put the calling thread into the network of a process, see setns(2).

    Root may, and a user whose rootless engine made it: in a process of one thread alone, which is
    root among that engine's users from then on.

    Raises:
        OSError: The process has ended, or this user may not.
    """
    if os.geteuid() != 0:
        _enter(f"/proc/{pid}/ns/user", _CLONE_NEWUSER)
    _enter(f"/proc/{pid}/ns/net", _CLONE_NEWNET)


def _enter(place: str, kind: int) -> None:
    namespace = os.open(place, os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(namespace, kind):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))
    finally:
        os.close(namespace)


def open_socket_in(pid: int, family: int) -> socket.socket:
    """A TCP socket, not yet connected, in the network of a process; root alone may.

    A thread of its own enters that network and ends, so that no other thread is ever there.

    Raises:
        OSError: The process has ended, or this is not root.
    """
    made: list[socket.socket] = []
    errors: list[OSError] = []

    def enter() -> None:
        try:
            enter_network(pid)
            made.append(socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return made[0]
