"""The session of the one client that launched this process."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread

from createos_mcp.cli.commands import Invocation, load_function
from createos_mcp.cli.composition import open_offer
from createos_mcp.contract.event_loop import LOOP_OPTIONS
from createos_mcp.server.fast_path import FastPath
from createos_mcp.server.greeting import Greeting
from createos_mcp.server.lists import Lists
from createos_mcp.server.plain_calls import PlainCalls
from createos_mcp.server.stdio_transport import Outgoing, PassOn, serve_lines

_BUILD_SERVER = "createos_mcp.server.server:build_server"
_SDK_SESSION = "createos_mcp.server.sdk_session:sdk_session"
"""What imports the SDK."""


def serve_client(invocation: Invocation, greeting: Greeting) -> None:
    """Serve a client, in either protocol version, until stdin ends."""
    anyio.run(_serve, invocation, greeting, backend_options=LOOP_OPTIONS)


async def _serve(invocation: Invocation, greeting: Greeting) -> None:
    async with open_offer(invocation) as offer:
        path = FastPath(PlainCalls(offer), Lists(offer))
        gc.freeze()
        gc.enable()

        @asynccontextmanager
        async def open_session(outgoing: Outgoing) -> AsyncIterator[PassOn]:
            build_server = await to_thread.run_sync(load_function, _BUILD_SERVER)
            sdk_session = await to_thread.run_sync(load_function, _SDK_SESSION)
            server = build_server(offer)
            async with sdk_session(server, outgoing, path, greeting.answered) as pass_on:
                yield pass_on

        await serve_lines(path, greeting, open_session)
