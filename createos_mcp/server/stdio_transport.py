"""The stdio transport: one message a line over stdin and stdout, with no thread between.

Descriptors are watched and never made non-blocking, since that would hold for everybody who shares
them; a write goes out in pieces that a pipe with room takes without waiting.
https://github.com/modelcontextprotocol/python-sdk/issues/2070 tells of the alternative.
"""

import json
import logging
import os
import select
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCResponse

from createos_mcp.contract.values import Json
from createos_mcp.server.fast_path import FastPath
from createos_mcp.server.greeting import Greeting
from createos_mcp.server.messages import MalformedMessage, read_message, refuse_overlong
from createos_mcp.server.plain_calls import PlainCall

_logger = logging.getLogger(__name__)

MAX_LINE_BYTES = 64 * 1024 * 1024
"""One message; the files of a deployment may be among its arguments."""

MAX_UNSENT_BYTES = 16 * 1024 * 1024
"""Nothing more is read while the client leaves this much unread."""

LAST_WORDS_S = 2.0
MESSAGES_AHEAD = 16
CHUNK_BYTES = 256 * 1024
KEPT_BYTES = 64 * 1024
"""Of an overlong line, at its beginning and its end: enough to find its id."""

PIECE_BYTES = getattr(select, "PIPE_BUF", 512)

IS_POSIX = sys.platform != "win32"


@asynccontextmanager
async def stdio_streams(
    fast_path: FastPath | None = None, greeting: Greeting | None = None
) -> AsyncIterator[tuple[MemoryObjectReceiveStream[SessionMessage | Exception], "Outgoing"]]:
    """The streams that `Server.run` takes, over the process's own stdin and stdout.

    Lines that the fast path takes are answered by it, and do not reach the streams. What was read
    for a greeting does reach them, and is not answered again. Meanwhile descriptor 0 is empty and
    1 is stderr, so that nothing else can get between the messages.
    """
    greeting = greeting or Greeting()
    with _private_descriptors() as (reading, writing):
        outgoing = Outgoing(
            writing, fast_path.note_answer if fast_path else None, greeting.answered
        )
        send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](
            MESSAGES_AHEAD
        )
        async with anyio.create_task_group() as tasks:
            incoming = _Incoming(outgoing, send, fast_path, tasks)
            tasks.start_soon(incoming.read, reading, greeting.read)
            tasks.start_soon(outgoing.run)
            yield receive, outgoing
            for line in fast_path.interrupt() if fast_path else ():
                outgoing.write_line(line)
            tasks.cancel_scope.cancel()
        # To a client that reads no more: only so long.
        with anyio.move_on_after(LAST_WORDS_S), suppress(OSError):
            await outgoing.flush()


class _Incoming:
    """Lines of the client, each led to what answers it."""

    def __init__(
        self,
        outgoing: "Outgoing",
        send: MemoryObjectSendStream[SessionMessage | Exception],
        fast_path: FastPath | None,
        tasks: TaskGroup,
    ) -> None:
        self._outgoing = outgoing
        self._send = send
        self._fast_path = fast_path
        self._tasks = tasks

    async def read(self, descriptor: int, before: bytes) -> None:
        """Read until the client is gone; `before` was read already."""
        async with self._send:
            async for line in _lines(descriptor, before, self._outgoing):
                if isinstance(line, _Overlong):
                    await self._pass_on(refuse_overlong(line.head, line.tail, MAX_LINE_BYTES))
                elif self._fast_path is None or not self._take(line, self._fast_path):
                    await self._pass_on(read_message(line))

    def _take(self, line: bytes, path: FastPath) -> bool:
        call = path.take(line)
        if call is not None:
            self._tasks.start_soon(self._answer, call, path)
            return True
        kept = path.list_line(line)
        if kept is not None:
            self._outgoing.write_line(kept)
            return True
        return path.cancel(line)

    async def _answer(self, call: PlainCall, path: FastPath) -> None:
        line = await path.answer(call)
        if line is not None:
            self._outgoing.write_line(line)

    async def _pass_on(self, message: JSONRPCMessage | MalformedMessage) -> None:
        if isinstance(message, MalformedMessage):
            for reply in message.replies:
                self._outgoing.write(reply)
        else:
            await self._send.send(SessionMessage(message))


class Outgoing:
    """Messages to the client, in the order in which they are sent."""

    def __init__(
        self,
        descriptor: int,
        note: Callable[[JSONRPCMessage], None] | None = None,
        answered: str | int | None = None,
    ) -> None:
        self._descriptor = descriptor
        self._note = note
        self._answered = answered
        self._watched = _can_be_watched(descriptor)
        self._unsent = bytearray()
        self._has_some = anyio.Event()
        self._has_room = anyio.Event()

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message of the SDK's."""
        if self._note is not None:
            self._note(item.message)
        if self._answered is not None and _answers(item.message, self._answered):
            self._answered = None
            if isinstance(item.message, JSONRPCError):
                _logger.error("a greeting was answered that is refused: %s", item.message.error)
            return
        text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
        self._add(text.encode())

    def write(self, message: Json) -> None:
        """Send a message that is plain data."""
        self._add(json.dumps(message).encode())

    def write_line(self, line: bytes) -> None:
        """Send a message that is JSON already."""
        self._add(line)

    async def room(self) -> None:
        """Wait until the client has read most of what it was sent."""
        while len(self._unsent) > MAX_UNSENT_BYTES:
            self._has_room = anyio.Event()
            await self._has_room.wait()

    async def run(self) -> None:
        """Write what is sent, until the client is gone."""
        with suppress(OSError):
            while True:
                await self._has_some.wait()
                self._has_some = anyio.Event()
                await self.flush()

    async def flush(self) -> None:
        """Wait until everything is written.

        Raises:
            OSError: The client is gone.
        """
        while self._unsent:
            if self._watched:
                await anyio.wait_writable(self._descriptor)
                self._write_some()
            else:
                whole = bytes(self._unsent)
                await to_thread.run_sync(_write_all, self._descriptor, whole)
                del self._unsent[: len(whole)]
                self._has_room.set()

    def _add(self, line: bytes) -> None:
        is_first = not self._unsent
        self._unsent += line + b"\n"
        if is_first and self._watched:
            # Mostly there is room, and no other task has to be woken.
            with suppress(OSError):
                self._write_some()
        if self._unsent:
            self._has_some.set()

    def _write_some(self) -> None:
        """Write as long as nothing would have to wait."""
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        while self._unsent and room.poll(0):
            written = os.write(self._descriptor, self._unsent[:PIECE_BYTES])
            del self._unsent[:written]
        self._has_room.set()

    async def aclose(self) -> None:
        """Nothing: the descriptor is given back by whoever opened it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return None


@dataclass(frozen=True, slots=True)
class _Overlong:
    """What is kept of a line that is too long to be kept whole."""

    head: bytes
    tail: bytes


async def _lines(
    descriptor: int, before: bytes, outgoing: Outgoing
) -> AsyncIterator[bytes | _Overlong]:
    """The lines that are not empty; the last needs no line end."""
    line = _GrowingLine()
    async for chunk in _chunks(descriptor, before):
        await outgoing.room()
        *whole, after = chunk.split(b"\n")
        for part in whole:
            line.add(part)
            if (ended := line.end()) is not None:
                yield ended
            line = _GrowingLine()
        line.add(after)
    if (ended := line.end()) is not None:
        yield ended


class _GrowingLine:
    """A line as it comes, of which only the ends are kept once it is too long."""

    def __init__(self) -> None:
        self._text = bytearray()
        self._head = b""

    def add(self, part: bytes) -> None:
        self._text += part
        if self._head or len(self._text) > MAX_LINE_BYTES:
            self._head = self._head or bytes(self._text[:KEPT_BYTES])
            del self._text[:-KEPT_BYTES]

    def end(self) -> bytes | _Overlong | None:
        """What has come; None where there is nothing but white space."""
        if self._head:
            return _Overlong(self._head, bytes(self._text))
        return bytes(self._text).strip() or None


async def _chunks(descriptor: int, before: bytes) -> AsyncIterator[bytes]:
    if before:
        yield before
    watched = _can_be_watched(descriptor)
    while True:
        if watched:
            await anyio.wait_readable(descriptor)
            chunk = os.read(descriptor, CHUNK_BYTES)
        else:
            chunk = await to_thread.run_sync(
                os.read, descriptor, CHUNK_BYTES, abandon_on_cancel=True
            )
        if not chunk:
            return
        yield chunk


def _answers(message: JSONRPCMessage, request_id: str | int) -> bool:
    return isinstance(message, JSONRPCResponse | JSONRPCError) and message.id == request_id


def _can_be_watched(descriptor: int) -> bool:
    """Whether a loop can tell when it is ready: files never are, and Windows watches no pipes."""
    mode = os.fstat(descriptor).st_mode
    kinds = (stat.S_ISFIFO, stat.S_ISSOCK, stat.S_ISCHR)
    # Reads of /dev/null, which epoll refuses, end at once.
    is_null = stat.S_ISCHR(mode) and not os.isatty(descriptor)
    return IS_POSIX and not is_null and any(kind(mode) for kind in kinds)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


@contextmanager
def _private_descriptors() -> Iterator[tuple[int, int]]:
    reading, writing = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    try:
        yield reading, writing
    finally:
        # A thread may still sit in a read of the copies, so that they are not closed.
        os.dup2(reading, 0)
        os.dup2(writing, 1)
