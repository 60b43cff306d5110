"""A session of the SDK, over lines that the stdio transport reads and writes."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Self

import anyio
from mcp.server import Server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCResponse

from createos_mcp.contract.values import Json
from createos_mcp.server.fast_path import FastPath
from createos_mcp.server.messages import MalformedMessage, read_message, refuse_overlong
from createos_mcp.server.stdio_transport import MAX_LINE_BYTES, Outgoing, Overlong, PassOn

_logger = logging.getLogger(__name__)

MESSAGES_AHEAD = 16


@asynccontextmanager
async def sdk_session(
    server: Server[Any], outgoing: Outgoing, path: FastPath, answered: Json = None
) -> AsyncIterator[PassOn]:
    """Open a session; it ends when the block does and what came before is answered.

    Args:
        server: Whose session it is.
        outgoing: Where its answers go.
        path: Told which requests are answered.
        answered: The id of a request that the session only has to know of.
    """
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](MESSAGES_AHEAD)
    answers = _Answers(outgoing, path, answered)

    async def pass_on(line: bytes | Overlong) -> None:
        message = (
            refuse_overlong(line.head, line.tail, MAX_LINE_BYTES)
            if isinstance(line, Overlong)
            else read_message(line)
        )
        if isinstance(message, MalformedMessage):
            for reply in message.replies:
                outgoing.write(reply)
        else:
            await send.send(SessionMessage(message))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, receive, answers, server.create_initialization_options())
        async with send:
            yield pass_on


class _Answers:
    """The stream that a session writes to."""

    def __init__(self, outgoing: Outgoing, path: FastPath, answered: Json) -> None:
        self._outgoing = outgoing
        self._path = path
        self._answered = answered

    async def send(self, item: SessionMessage, /) -> None:
        """Send a message."""
        message = item.message
        if isinstance(message, JSONRPCResponse | JSONRPCError):
            is_error = isinstance(message, JSONRPCError)
            self._path.note_answer(message.id, is_error=is_error)
            if self._answered is not None and message.id == self._answered:
                self._answered = None
                if is_error:
                    _logger.error("a greeting was answered that is refused: %s", message)
                return
        text = message.model_dump_json(by_alias=True, exclude_unset=True)
        self._outgoing.write_line(text.encode())

    async def aclose(self) -> None:
        """Nothing: the transport closes what is written to."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return None
