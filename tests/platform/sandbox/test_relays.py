"""A relay carries all bytes of both ends, and the end of what each of them says."""

import os
import selectors
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from createos_mcp.platform.sandbox.addresses import free_port
from createos_mcp.platform.sandbox.relays import POSTGRES_GSS, POSTGRES_TLS, Relay
from createos_mcp.platform.services.certificate import ensure_certificate, public_part

PATIENCE_S = 10.0
LARGE = os.urandom(4 * 1024 * 1024)


def read_all(connection: socket.socket) -> bytes:
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return said


@contextmanager
def relayed(
    directory: Path, serve: Callable[[socket.socket], None], certificate: bytes = b""
) -> Iterator[socket.socket]:
    """A client's connection through a relay to a service that serves one connection."""
    place, port = directory / "s", free_port()
    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(place))
        listener.listen()
        listener.settimeout(PATIENCE_S)

        def accept() -> None:
            connection, _ = listener.accept()
            connection.settimeout(PATIENCE_S)
            with connection:
                serve(connection)

        is_over = threading.Event()
        selector = selectors.DefaultSelector()
        Relay(selector, port, str(place), certificate).listen()

        def carry() -> None:
            while not is_over.is_set():
                for key, _ in selector.select(0.05):
                    key.data()

        serving, carrying = (threading.Thread(target=work) for work in (accept, carry))
        serving.start()
        carrying.start()
        try:
            with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as client:
                yield client
        finally:
            serving.join(PATIENCE_S)
            until = time.monotonic() + PATIENCE_S
            # Only the port itself is left once both ends have closed.
            while len(selector.get_map()) > 1 and time.monotonic() < until:
                time.sleep(0.01)
            is_over.set()
            carrying.join(PATIENCE_S)
            (port_itself,) = selector.get_map().values()
            assert isinstance(port_itself.fileobj, socket.socket)
            port_itself.fileobj.close()
            selector.close()


def test_an_answer_comes_after_the_client_has_said_all(tmp_path: Path) -> None:
    with relayed(tmp_path, answer) as client:
        client.sendall(b"everything")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"heard everything"


def test_the_client_may_go_on_after_the_service_has_said_all(tmp_path: Path) -> None:
    heard: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        connection.sendall(b"hello")
        connection.shutdown(socket.SHUT_WR)
        heard.append(read_all(connection))

    with relayed(tmp_path, answer) as client:
        assert read_all(client) == b"hello"
        client.sendall(b"more")
        client.shutdown(socket.SHUT_WR)
    assert heard == [b"more"]


@pytest.mark.parametrize("comes_back", [True, False], ids=["both ways", "one way"])
def test_large_streams_come_whole(tmp_path: Path, *, comes_back: bool) -> None:
    def answer(connection: socket.socket) -> None:
        said = read_all(connection)
        connection.sendall(said if comes_back else str(len(said)).encode())

    with relayed(tmp_path, answer) as client:

        def send() -> None:
            client.sendall(LARGE)
            client.shutdown(socket.SHUT_WR)

        sending = threading.Thread(target=send)
        sending.start()
        said = read_all(client)
        sending.join()
    assert said == (LARGE if comes_back else str(len(LARGE)).encode())


def test_a_service_that_ends_ends_the_connection(tmp_path: Path) -> None:
    with relayed(tmp_path, lambda connection: connection.sendall(b"bye")) as client:
        assert read_all(client) == b"bye"


def answer(connection: socket.socket) -> None:
    connection.sendall(b"heard " + read_all(connection))


def echo(connection: socket.socket) -> None:
    while piece := connection.recv(65536):
        connection.sendall(piece)


def as_tls(client: socket.socket) -> ssl.SSLSocket:
    """What a client does that is told to ask for TLS and not whom to trust."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context.wrap_socket(client)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return ensure_certificate(tmp_path / "services.pem")


@pytest.mark.parametrize("asks", [b"", POSTGRES_TLS, POSTGRES_GSS + POSTGRES_TLS])
def test_a_client_that_asks_for_tls_gets_it(tmp_path: Path, certificate: Path, asks: bytes) -> None:
    with relayed(tmp_path, echo, certificate.read_bytes()) as client:
        for question in struct.iter_unpack("8s", asks):
            client.sendall(*question)
            assert client.recv(1) == (b"S" if question[0] == POSTGRES_TLS else b"N")
        with as_tls(client) as encrypted:
            encrypted.sendall(b"hello")
            assert encrypted.recv(100) == b"hello"


def test_a_client_that_asks_for_none_is_led_on(tmp_path: Path, certificate: Path) -> None:
    with relayed(tmp_path, answer, certificate.read_bytes()) as client:
        client.sendall(b"everything")
        client.shutdown(socket.SHUT_WR)
        assert read_all(client) == b"heard everything"


def test_large_streams_come_whole_through_tls(tmp_path: Path, certificate: Path) -> None:
    with relayed(tmp_path, echo, certificate.read_bytes()) as client, as_tls(client) as encrypted:
        heard = b""
        for at in range(0, len(LARGE), 16384):
            encrypted.sendall(LARGE[at : at + 16384])
            while len(heard) < at:
                heard += encrypted.recv(65536)
        while len(heard) < len(LARGE):
            heard += encrypted.recv(65536)
    assert heard == LARGE


def test_a_service_that_ends_ends_the_tls(tmp_path: Path, certificate: Path) -> None:
    def bye(connection: socket.socket) -> None:
        connection.sendall(b"bye")

    with relayed(tmp_path, bye, certificate.read_bytes()) as client, as_tls(client) as encrypted:
        assert read_all(encrypted) == b"bye"


def test_what_follows_the_question_for_tls_and_is_none_ends_the_connection(
    tmp_path: Path, certificate: Path
) -> None:
    """Nothing that was said before the keys were agreed on is taken for a part of it."""
    place, port = tmp_path / "s", free_port()
    selector = selectors.DefaultSelector()
    Relay(selector, port, str(place), certificate.read_bytes()).listen()
    with closing(socket.create_connection(("127.0.0.1", port), PATIENCE_S)) as client:
        client.sendall(POSTGRES_TLS + b"select 1")
        for _ in range(2):
            for key, _ in selector.select(PATIENCE_S):
                key.data()
        assert client.recv(1) == b"S"
        client.sendall(b"more")
        client.shutdown(socket.SHUT_WR)
        with suppress(ConnectionResetError):
            assert b"S" not in read_all(client)
    for key in [*selector.get_map().values()]:
        assert isinstance(key.fileobj, socket.socket)
        key.fileobj.close()
    selector.close()


def test_the_certificate_is_made_once_and_is_its_owners_alone(certificate: Path) -> None:
    made = certificate.read_bytes()
    assert ensure_certificate(certificate).read_bytes() == made
    assert certificate.stat().st_mode & 0o777 == 0o600
    assert b"PRIVATE" not in public_part(certificate).read_bytes()
    public_part(certificate).unlink()
    ensure_certificate(certificate)
    assert b"PRIVATE" not in public_part(certificate).read_bytes()


def test_of_many_that_make_the_certificate_one_prevails(tmp_path: Path) -> None:
    file = tmp_path / "services.pem"
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ensure_certificate, [file] * 32))
    assert file.read_bytes().endswith(public_part(file).read_bytes())
    assert sorted(made.name for made in tmp_path.iterdir()) == ["services.crt", "services.pem"]
