"""Asks an app's launcher over its socket; see `launcher.py` for what it answers."""

import os
import socket
from pathlib import Path

TIMEOUT_S = 2.0
CHUNK_BYTES = 65536


def ask_launcher(run_dir: Path, request: str) -> str:
    """Send one request and return the answer.

    Raises:
        OSError: No launcher listens there.
    """
    with _connect_launcher(run_dir) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while chunk := connection.recv(CHUNK_BYTES):
            answer += chunk
        return answer.decode()


def receive_socket(run_dir: Path, family: int) -> socket.socket:
    """A TCP socket made inside the app's network.

    Raises:
        OSError: No launcher listens there.
    """
    with _connect_launcher(run_dir) as connection:
        connection.sendall(f"socket {socket.AddressFamily(family).name}".encode())
        _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    if not descriptors:
        raise ConnectionRefusedError("the launcher passed no socket")
    return socket.socket(fileno=descriptors[0])


def _connect_launcher(run_dir: Path) -> socket.socket:
    """Connect by a short name: a socket's path may not be longer than about 100 bytes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(TIMEOUT_S)
    try:
        descriptor = os.open(run_dir, os.O_PATH)
        try:
            connection.connect(f"/proc/self/fd/{descriptor}/control")
        finally:
            os.close(descriptor)
    except OSError:
        connection.close()
        raise
    return connection
