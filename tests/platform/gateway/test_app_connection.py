"""One connection to an app, driven by the bytes that the app would send."""

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

from createos_mcp.platform.errors import AnswerLostError
from createos_mcp.platform.gateway.app_connection import (
    HIGH_WATER_BYTES,
    MAX_HEAD_BYTES,
    Connection,
)

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Wire(asyncio.Transport):
    """A transport that remembers what was done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_ended = False
        self.is_paused = False

    @override
    def write(self, data: Any) -> None:
        self.written += data

    @override
    def abort(self) -> None:
        self.is_ended = True

    @override
    def is_closing(self) -> bool:
        return self.is_ended

    @override
    def pause_reading(self) -> None:
        self.is_paused = True

    @override
    def resume_reading(self) -> None:
        self.is_paused = False


CLOSED = socket.socket()
CLOSED.close()


def asked(*, head_only: bool = False) -> tuple[Connection, Wire]:
    """A connection on which a request was just sent."""
    connection, wire = Connection(CLOSED), Wire()
    connection.connection_made(wire)
    connection.begin(b"GET / HTTP/1.1\r\n\r\n", head_only=head_only)
    return connection, wire


async def body_of(connection: Connection) -> bytes:
    pieces = b""
    while piece := await connection.chunk():
        pieces += piece
    return pieces


async def test_a_response_that_says_its_length_leaves_the_connection_reusable() -> None:
    connection, wire = asked()
    connection.data_received(OK)

    assert await connection.head() == (200, [(b"content-length", b"2")])
    assert await body_of(connection) == b"ok"
    assert wire.written == b"GET / HTTP/1.1\r\n\r\n"
    assert connection.is_finished
    assert connection.is_reusable


def pieces_of(data: bytes) -> Iterator[bytes]:
    for at in range(len(data)):
        yield data[at : at + 1]


async def test_a_response_may_come_byte_by_byte() -> None:
    connection, _ = asked()
    for piece in pieces_of(OK):
        connection.data_received(piece)

    assert (await connection.head())[0] == 200
    assert await body_of(connection) == b"ok"
    assert connection.is_reusable


async def test_a_second_response_in_the_same_packet_ends_the_reuse() -> None:
    connection, _ = asked()
    connection.data_received(OK + b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nunasked"[:-1])

    assert await body_of(connection) == b"ok"
    assert not connection.is_reusable


async def test_the_beginning_of_a_second_response_ends_the_reuse() -> None:
    connection, _ = asked()
    connection.data_received(OK + b"HTTP/1.1 200")

    assert await body_of(connection) == b"ok"
    assert not connection.is_reusable


async def test_bytes_after_a_finished_response_end_the_connection() -> None:
    connection, wire = asked()
    connection.data_received(OK)
    connection.data_received(b"H")

    assert wire.is_ended
    assert not connection.is_reusable


async def test_connection_close_is_not_reused() -> None:
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")

    assert connection.is_finished
    assert not connection.is_reusable


async def test_a_response_to_head_ends_with_its_headers() -> None:
    connection, _ = asked(head_only=True)
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n")

    assert await body_of(connection) == b""
    assert connection.is_reusable

    connection.begin(b"GET / HTTP/1.1\r\n\r\n", head_only=False)
    connection.data_received(OK)

    assert await body_of(connection) == b"ok"


async def test_interim_responses_are_passed_over() -> None:
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\n" + OK)

    assert await connection.head() == (200, [(b"content-length", b"2")])
    assert await body_of(connection) == b"ok"
    assert connection.is_reusable


async def test_a_response_without_a_length_ends_with_the_connection() -> None:
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\n\r\nall of it")
    connection.connection_lost(None)

    assert await body_of(connection) == b"all of it"
    assert connection.is_finished


async def test_a_response_that_is_cut_off_is_lost() -> None:
    connection, _ = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")
    connection.connection_lost(None)

    assert await connection.chunk() == b"half"
    with pytest.raises(AnswerLostError):
        await connection.chunk()


@pytest.mark.parametrize("is_used", [False, True])
async def test_a_lost_response_says_whether_the_connection_was_a_kept_one(*, is_used: bool) -> None:
    connection, _ = asked()
    connection.is_used = is_used
    connection.connection_lost(None)

    with pytest.raises(AnswerLostError) as lost:
        await connection.head()
    assert lost.value.on_kept_connection is is_used


async def test_trailers_are_dropped() -> None:
    connection, _ = asked()
    connection.data_received(
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
        b"2\r\nok\r\n0\r\nx-checksum: 1\r\n\r\n"
    )

    assert await connection.head() == (200, [(b"transfer-encoding", b"chunked")])
    assert await body_of(connection) == b"ok"
    assert connection.is_reusable


async def test_what_is_no_http_ends_the_connection() -> None:
    connection, wire = asked()
    connection.data_received(b"SSH-2.0-OpenSSH\r\n")

    assert wire.is_ended


async def test_a_head_of_the_greatest_size_is_taken_and_a_larger_one_is_not() -> None:
    for surplus, is_ended in ((-200, False), (1, True)):
        connection, wire = asked()
        connection.data_received(b"HTTP/1.1 200 OK\r\nx: ")
        connection.data_received(b"a" * (MAX_HEAD_BYTES + surplus - 20))
        assert wire.is_ended is is_ended


async def test_reading_stops_while_much_waits_for_the_client() -> None:
    connection, wire = asked()
    connection.data_received(b"HTTP/1.1 200 OK\r\ncontent-length: 9999999\r\n\r\n")
    connection.data_received(b"x" * HIGH_WATER_BYTES)
    paused = [wire.is_paused]
    connection.data_received(b"x")
    paused.append(wire.is_paused)
    taken = await connection.chunk()
    paused.append(wire.is_paused)

    assert paused == [False, True, False]
    assert len(taken) == HIGH_WATER_BYTES + 1


async def test_a_silent_connection_is_known_as_such_until_the_first_byte() -> None:
    connection, _ = asked()
    before = connection.is_silent
    connection.data_received(b"H")

    assert (before, connection.is_silent) == (True, False)
