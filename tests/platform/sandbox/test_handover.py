"""A connection that is handed over becomes one of the server that it was meant for."""

import os
import select
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest

from createos_mcp.platform.sandbox import handover, landlock
from createos_mcp.platform.sandbox.addresses import free_port
from createos_mcp.platform.sandbox.handover import (
    MAX_PENDING,
    Handover,
    kernel_version,
    pass_on,
)

PATIENCE_S = 20.0

SERVER = """
import socket, sys, threading
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=512)
print("listening", flush=True)
def serve(connection):
    own = connection.getsockname()[1]
    while piece := connection.recv(65536):
        connection.sendall(b"%d " % own + piece)
    connection.close()
while True:
    connection, _ = listener.accept()
    threading.Thread(target=serve, args=(connection,), daemon=True).start()
"""
"""It tells at which port each of its connections was made."""


@contextmanager
def served(directory: Path, *, listens: bool = True) -> Iterator[int]:
    """A server to which connections are handed over by the directory; gives its own port."""
    port, selector, is_over = free_port(), selectors.DefaultSelector(), threading.Event()
    given = Handover(selector, port, str(directory))

    def restrict() -> None:
        landlock.forgo_new_rights()
        given.install()

    program = SERVER if listens else "input()"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(port)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=restrict,  # noqa: PLW1509 - as a launcher does
    ) as process:
        given.begin()

        def carry() -> None:
            while not is_over.is_set():
                for key, _ in selector.select(0.05):
                    key.data()

        carrying = threading.Thread(target=carry)
        carrying.start()
        try:
            if listens:
                assert process.stdout
                assert process.stdout.readline() == b"listening\n"
            yield port
        finally:
            process.kill()
            until = time.monotonic() + PATIENCE_S
            while given.pending and time.monotonic() < until:
                time.sleep(0.01)
            is_over.set()
            carrying.join(PATIENCE_S)
            assert not given.pending
            given.passed.close()
            selector.close()


@contextmanager
def connected() -> Iterator[tuple[socket.socket, socket.socket, int]]:
    """Both ends of a connection that was made elsewhere, and its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with closing(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as client:
            accepted, _ = listener.accept()
            with closing(accepted):
                yield client, accepted, port


def test_what_was_said_before_and_is_said_after_reaches_the_server(tmp_path: Path) -> None:
    with served(tmp_path), connected() as (client, accepted, port):
        client.sendall(b"early")
        assert pass_on(accepted, str(tmp_path))
        accepted.close()
        assert client.recv(100) == b"%d early" % port
        client.sendall(b"late")
        assert client.recv(100) == b"%d late" % port
        client.shutdown(socket.SHUT_WR)
        assert client.recv(100) == b""


def test_connections_that_are_made_to_the_server_itself_stay_its_own(tmp_path: Path) -> None:
    with (
        served(tmp_path) as port,
        closing(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as client,
    ):
        client.sendall(b"hello")
        assert client.recv(100) == b"%d hello" % port


def test_each_of_many_at_once_gets_its_own_answers(tmp_path: Path) -> None:
    with served(tmp_path):
        clients: list[tuple[socket.socket, int]] = []
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            for number in range(200):
                client = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
                accepted, _ = listener.accept()
                with accepted:
                    # A queue that is full makes a relay carry it instead.
                    while not pass_on(accepted, str(tmp_path)):
                        time.sleep(0.01)
                clients.append((client, number))
        for client, number in clients:
            client.sendall(b"client %d" % number)
        for client, number in clients:
            assert client.recv(100) == b"%d client %d" % (port, number)
            client.close()


def test_what_is_no_connection_is_closed_and_holds_up_nobody(tmp_path: Path) -> None:
    with served(tmp_path), connected() as (client, accepted, port):
        reading, writing = os.pipe()
        near, far = socket.socketpair()
        with near, far, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
            for wrong in (near, datagrams, socket.socket(fileno=os.dup(far.fileno()))):
                with wrong:
                    pass_on(wrong, str(tmp_path))
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            place = str(tmp_path / "passed")
            sender.connect(place)
            socket.send_fds(sender, [b"c"], [writing])
            sender.send(b"no descriptor")
        os.close(writing)
        assert os.read(reading, 1) == b""
        os.close(reading)
        assert pass_on(accepted, str(tmp_path))
        accepted.close()
        client.sendall(b"hello")
        assert client.recv(100) == b"%d hello" % port


def test_a_server_that_does_not_listen_ends_the_connection(tmp_path: Path) -> None:
    with served(tmp_path, listens=False), connected() as (client, accepted, _):
        assert pass_on(accepted, str(tmp_path))
        accepted.close()
        assert client.recv(100) == b""


def test_where_no_server_takes_connections_none_is_passed(tmp_path: Path) -> None:
    with connected() as (_, accepted, _):
        assert not pass_on(accepted, str(tmp_path))
        assert not pass_on(accepted, str(tmp_path / "missing"))
        (tmp_path / "passed").symlink_to("/dev/log")
        assert not pass_on(accepted, str(tmp_path))


def test_what_a_server_does_not_accept_is_kept_up_to_a_bound(tmp_path: Path) -> None:
    with served(tmp_path, listens=False) as port, ExitStack() as clients:
        # Only the kernel accepts, as for a server that is stopped.
        clients.enter_context(socket.create_server(("127.0.0.1", port), backlog=4096))
        made = []
        for _ in range(MAX_PENDING + 20):
            client, accepted, _ = clients.enter_context(connected())
            while not pass_on(accepted, str(tmp_path)):
                time.sleep(0.01)
            accepted.close()
            made.append(client)
        assert [client.recv(1) for client in made[MAX_PENDING:]] == [b""] * 20
        kept = select.poll()
        for client in made[:MAX_PENDING]:
            kept.register(client, select.POLLIN)
        assert kept.poll(0) == []


@pytest.mark.parametrize(
    ("release", "version"),
    [
        ("6.18.44-fc-v669", (6, 18)),
        ("5.4.0-208-generic", (5, 4)),
        ("5.10-rc1", (5, 10)),
        ("strange", (0, 0)),
    ],
)
def test_a_kernel_tells_its_version(release: str, version: tuple[int, int]) -> None:
    assert kernel_version(release) == version


def test_a_kernel_that_cannot_exchange_connections_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handover, "SINCE", (99, 0))
    with connected() as (_, accepted, _), served(tmp_path) as port:
        assert not pass_on(accepted, str(tmp_path))
        with closing(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as client:
            client.sendall(b"hello")
            assert client.recv(100) == b"%d hello" % port
