"""The session of the one client that launched this process."""

import anyio

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.composition import open_server
from createos_mcp.contract.event_loop import LOOP_OPTIONS
from createos_mcp.server.fast_path import FastPath
from createos_mcp.server.greeting import Greeting
from createos_mcp.server.stdio_transport import stdio_streams


def serve_client(invocation: Invocation, greeting: Greeting) -> None:
    """Serve a client, in either protocol version, until stdin ends."""
    anyio.run(_serve, invocation, greeting, backend_options=LOOP_OPTIONS)


async def _serve(invocation: Invocation, greeting: Greeting) -> None:
    async with open_server(invocation) as server:
        fast_path = FastPath(server.plain_calls, server.kept_lists)
        async with stdio_streams(fast_path, greeting) as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
