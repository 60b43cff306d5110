"""The stdio transport: one message a line over stdin and stdout, with no thread between.

Descriptors are watched and never made non-blocking, since that would hold for everybody who shares
them; a write goes out in pieces that a pipe with room takes without waiting.
https://github.com/modelcontextprotocol/python-sdk/issues/2070 tells of the alternative.
"""

import json
import os
import select
import stat
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TypeAlias

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from createos_mcp.contract.values import Json
from createos_mcp.server.fast_path import FastPath, is_initialized
from createos_mcp.server.greeting import Greeting
from createos_mcp.server.plain_calls import PlainCall

MAX_LINE_BYTES = 64 * 1024 * 1024
"""One message; the files of a deployment may be among its arguments."""

MAX_UNSENT_BYTES = 16 * 1024 * 1024
"""Nothing more is read while the client leaves this much unread."""

LAST_WORDS_S = 2.0
CHUNK_BYTES = 256 * 1024
KEPT_BYTES = 64 * 1024
"""Of an overlong line, at its beginning and its end: enough to find its id."""

PIECE_BYTES = getattr(select, "PIPE_BUF", 512)

IS_POSIX = sys.platform != "win32"


@dataclass(frozen=True, slots=True)
class Overlong:
    """What is kept of a line that is too long to be kept whole."""

    head: bytes
    tail: bytes


PassOn: TypeAlias = Callable[[bytes | Overlong], Awaitable[None]]
"""Takes a line for a session of the SDK."""

OpenSession: TypeAlias = Callable[["Outgoing"], AbstractAsyncContextManager[PassOn]]
"""Opens the session of the SDK; the block ends when everything is answered."""


async def serve_lines(path: FastPath, greeting: Greeting, open_session: OpenSession) -> None:
    """Serve the client at the process's own stdin and stdout, until stdin ends.

    Lines that the fast path takes are answered by it. The session of the SDK is opened for the
    first other one, and told of the greeting first. Meanwhile descriptor 0 is empty and 1 is
    stderr, so that nothing else can get between the messages.
    """
    with _private_descriptors() as (reading, writing):
        outgoing = Outgoing(writing)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(outgoing.run)
            async with AsyncExitStack() as stack:
                session = _LateSession(lambda: stack.enter_async_context(open_session(outgoing)))
                before = greeting.read
                if greeting.answered is None:
                    await session.open()
                else:
                    greeted, _, before = greeting.read.partition(b"\n")
                    path.open(greeted)
                    session.hold(greeted)
                await _Incoming(outgoing, session, path, tasks).read(reading, before)
            for line in path.interrupt():
                outgoing.write_line(line)
            tasks.cancel_scope.cancel()
        # To a client that reads no more: only so long.
        with anyio.move_on_after(LAST_WORDS_S), suppress(OSError):
            await outgoing.flush()


class _LateSession:
    """A session of the SDK that is opened when something has to be passed on to it."""

    def __init__(self, enter: Callable[[], Awaitable[PassOn]]) -> None:
        self._enter = enter
        self._held: list[bytes] = []
        self._pass_on: PassOn | None = None
        self._is_initialized = False

    async def open(self) -> PassOn:
        """Open it, and tell it what was held for it."""
        if self._pass_on is None:
            self._pass_on = await self._enter()
            for line in self._held:
                await self._pass_on(line)
            self._held.clear()
        return self._pass_on

    def hold(self, line: bytes) -> None:
        """Keep a line that needs no answer until something else needs the session."""
        self._held.append(line)

    async def pass_on(self, line: bytes | Overlong) -> None:
        """Pass a line on."""
        if self._pass_on is None and not self._is_initialized and isinstance(line, bytes):
            self._is_initialized = is_initialized(line)
            if self._is_initialized:
                self.hold(line)
                return
        await (await self.open())(line)


class _Incoming:
    """Lines of the client, each led to what answers it."""

    def __init__(
        self,
        outgoing: "Outgoing",
        session: _LateSession,
        path: FastPath,
        tasks: TaskGroup,
    ) -> None:
        self._outgoing = outgoing
        self._session = session
        self._path = path
        self._tasks = tasks

    async def read(self, descriptor: int, before: bytes) -> None:
        """Read until the client is gone; `before` was read already."""
        async for line in _lines(descriptor, before, self._outgoing):
            if isinstance(line, Overlong) or not self._take(line):
                await self._session.pass_on(line)

    def _take(self, line: bytes) -> bool:
        call = self._path.take(line)
        if call is not None:
            self._tasks.start_soon(self._answer, call)
            return True
        listed = self._path.list_line(line)
        if listed is not None:
            self._outgoing.write_line(listed)
            return True
        return self._path.cancel(line)

    async def _answer(self, call: PlainCall) -> None:
        line = await self._path.answer(call)
        if line is not None:
            self._outgoing.write_line(line)


class Outgoing:
    """Messages to the client, in the order in which they are sent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._watched = _can_be_watched(descriptor)
        self._unsent = bytearray()
        self._has_some = anyio.Event()
        self._has_room = anyio.Event()

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


async def _lines(
    descriptor: int, before: bytes, outgoing: Outgoing
) -> AsyncIterator[bytes | Overlong]:
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

    def end(self) -> bytes | Overlong | None:
        """What has come; None where there is nothing but white space."""
        if self._head:
            return Overlong(self._head, bytes(self._text))
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
