"""Networks of containers: entered to connect there past every published port, or to listen."""

import ctypes
import os
import socket
import threading

_CLONE_NEWNET = 0x40000000


def enter_network(pid: int) -> None:
    """Put the calling thread into the network of a process; root alone may, see setns(2).

    Raises:
        OSError: The process has ended, or this is not root.
    """
    namespace = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    try:
        if ctypes.CDLL(None, use_errno=True).setns(namespace, _CLONE_NEWNET):
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
