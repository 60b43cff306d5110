"""The session of the one client that launched this process."""

import os
import signal
import sys

import anyio

from createos_mcp.cli.commands import Invocation
from createos_mcp.cli.composition import open_server
from createos_mcp.contract.event_loop import LOOP_OPTIONS
from createos_mcp.server.fast_path import FastPath
from createos_mcp.server.greeting import Greeting
from createos_mcp.server.stdio_transport import stdio_streams


def serve_client(invocation: Invocation, greeting: Greeting) -> None:
    """Serve a client, in either protocol version, until stdin ends.

    SIGINT and SIGTERM end the process at once, with 130 and 143.
    """
    anyio.run(_serve, invocation, greeting, backend_options=LOOP_OPTIONS)


async def _serve(invocation: Invocation, greeting: Greeting) -> None:
    async with open_server(invocation) as server, anyio.create_task_group() as tasks:
        await tasks.start(_end_on_signal)
        async with stdio_streams(FastPath(server.plain_calls, server.kept_lists), greeting) as (
            reading,
            writing,
        ):
            await server.run(reading, writing, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _end_on_signal(
    *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            sys.stderr.flush()
            # A thread may sit in a read of stdin that cannot be interrupted.
            os._exit(128 + number)
