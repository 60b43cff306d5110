"""A session with a server in this process, whose messages are seen as they are written."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.server import Server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter

from createos_mcp.contract.values import Json


@dataclass(frozen=True, kw_only=True)
class RawSession:
    send: MemoryObjectSendStream[SessionMessage | Exception]
    written: MemoryObjectReceiveStream[SessionMessage]

    async def tell(self, message: Mapping[str, Json]) -> None:
        read: JSONRPCMessage = jsonrpc_message_adapter.validate_python(message, by_name=False)
        await self.send.send(SessionMessage(read))

    async def ask(self, message: Mapping[str, Json]) -> Json:
        await self.tell(message)
        while True:
            answer = (await self.written.receive()).message
            if getattr(answer, "id", None) == message["id"]:
                return json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True))


@asynccontextmanager
async def raw_session(server: Server[Any]) -> AsyncIterator[RawSession]:
    to_server, reading = anyio.create_memory_object_stream[SessionMessage | Exception](10)
    writing, from_server = anyio.create_memory_object_stream[SessionMessage](10)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, reading, writing, server.create_initialization_options())
        yield RawSession(send=to_server, written=from_server)
        tasks.cancel_scope.cancel()
    for stream in (to_server, reading, writing, from_server):
        stream.close()
