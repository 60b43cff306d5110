"""Asks an app's launcher over its socket; see `launcher.py` for what it answers.

Nothing here blocks the loop or waits for long: a launcher that does not answer is the trouble of
its own app alone.
"""

import asyncio
import os
import socket
from pathlib import Path

TIMEOUT_S = 2.0
QUEUE_POLL_S = 0.005
CHUNK_BYTES = 65536


async def ask_launcher(run_dir: Path, request: str) -> str:
    """Send one request and return the answer.

    Raises:
        OSError: No launcher listens there, or it does not answer in time.
    """
    async with asyncio.timeout(TIMEOUT_S):
        with await _connect_launcher(run_dir) as connection:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(connection, request.encode())
            answer = b""
            while chunk := await loop.sock_recv(connection, CHUNK_BYTES):
                answer += chunk
            return answer.decode()


async def receive_socket(run_dir: Path, family: int) -> socket.socket:
    """A TCP socket made inside the app's network.

    Raises:
        OSError: No launcher listens there, or it does not answer in time.
    """
    async with asyncio.timeout(TIMEOUT_S):
        with await _connect_launcher(run_dir) as connection:
            loop = asyncio.get_running_loop()
            request = f"socket {socket.AddressFamily(family).name}".encode()
            await loop.sock_sendall(connection, request)
            await _until_readable(connection)
            _, descriptors, _, _ = socket.recv_fds(connection, 1, 1)
    if not descriptors:
        raise ConnectionRefusedError("the launcher passed no socket")
    return socket.socket(fileno=descriptors[0])


async def _connect_launcher(run_dir: Path) -> socket.socket:
    """Connect by a short name: a socket's path may not be longer than about 100 bytes."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(0)
    try:
        descriptor = os.open(run_dir, os.O_PATH)
        try:
            address = f"/proc/self/fd/{descriptor}/control"
            await _connect(connection, address)
        finally:
            os.close(descriptor)
    except BaseException:
        connection.close()
        raise
    return connection


async def _connect(connection: socket.socket, address: str) -> None:
    """Connect as soon as there is room in the queue of who listens.

    A full one is EAGAIN, see unix(7), which `loop.sock_connect` takes for a connection under way.
    """
    while True:
        try:
            connection.connect(address)
        except BlockingIOError:
            await asyncio.sleep(QUEUE_POLL_S)
        else:
            return


async def _until_readable(connection: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    arrived = asyncio.Event()
    loop.add_reader(connection, arrived.set)
    try:
        await arrived.wait()
    finally:
        loop.remove_reader(connection)
