"""Transports: how a client's messages reach the server."""

import os
import signal
import sys
from typing import Any

import anyio
from mcp.server import Server
from mcp.server.stdio import stdio_server


async def serve_stdio(server: Server[Any]) -> None:
    """Serve one client over stdin and stdout, in either protocol era, until stdin ends.

    SIGINT and SIGTERM end the process at once, with 130 and 143.
    """
    async with anyio.create_task_group() as tasks:
        await tasks.start(_end_on_signal)
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())
        tasks.cancel_scope.cancel()


async def _end_on_signal(
    *, task_status: anyio.abc.TaskStatus[None] = anyio.TASK_STATUS_IGNORED
) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        async for number in signals:
            sys.stderr.flush()
            # A thread sits in a read of stdin that cannot be interrupted.
            os._exit(128 + number)
