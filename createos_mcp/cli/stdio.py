"""The server over stdio, put together: settings, backend, catalog, transport."""

import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from urllib.request import getproxies

import anyio
from anyio import to_thread

from createos_mcp.cli.commands import Invocation
from createos_mcp.client.backend import Backend
from createos_mcp.client.pooled_transport import PooledTransport
from createos_mcp.client.target import ApiTarget, Credentials, Locate, known_target
from createos_mcp.contract.catalog import load_catalog
from createos_mcp.contract.confirmation_codes import ConfirmationCodes
from createos_mcp.contract.errors import KeyUnfilledError, NoPlatformHereError
from createos_mcp.contract.event_loop import LOOP_OPTIONS
from createos_mcp.server.server import CreateosServer, build_server
from createos_mcp.server.stdio_transport import stdio_streams
from createos_mcp.server.toolsets import offered
from createos_mcp.settings.settings import CLOUD_URL
from createos_mcp.workflows.registry import build_workflows
from createos_mcp.workflows.workspace import Workspace


def serve_stdio(invocation: Invocation) -> int:
    """Serve one client, in either protocol version, until stdin ends.

    SIGINT and SIGTERM end the process at once, with 130 and 143.
    """
    anyio.run(_serve_client, invocation, backend_options=LOOP_OPTIONS)
    return 0


MAX_CONNECTIONS = 100

_ON_A_TERMINAL = """\
createos-mcp serves MCP over stdin and stdout and is started by an MCP client.
To configure your clients: createos-mcp install. All commands: createos-mcp --help. End with Ctrl-C.
"""


async def _serve_client(invocation: Invocation) -> None:
    if sys.stdin.isatty():
        sys.stderr.write(_ON_A_TERMINAL)
    async with open_server(invocation) as server, anyio.create_task_group() as tasks:
        await tasks.start(_end_on_signal)
        async with stdio_streams(server.fast_path) as (reading, writing):
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


@asynccontextmanager
async def open_server(
    invocation: Invocation, *, whole_build: bool = False
) -> AsyncIterator[CreateosServer]:
    """The server as the settings say it is; its connections are closed in the end.

    Args:
        invocation: What was chosen.
        whole_build: Whether notices of progress have every line of a build.
    """
    settings = invocation.settings
    async with Backend(
        target_resolver(invocation),
        connect_timeout_s=settings.connect_timeout_s,
        read_timeout_s=settings.read_timeout_s,
        upload_timeout_s=settings.upload_timeout_s,
        total_timeout_s=settings.total_timeout_s,
        attempts=settings.attempts,
        max_answer_bytes=settings.max_answer_bytes,
        # Proxies of the environment are known to httpx2's own.
        transport=None if getproxies() else PooledTransport(max_connections=MAX_CONNECTIONS),
    ) as backend:
        catalog = load_catalog(local=settings.is_local)
        readable = replace(workspace(invocation), whole_build=whole_build)
        yield build_server(
            catalog,
            backend,
            workflows=build_workflows(catalog, readable),
            selection=offered(settings),
            unasked=settings.confirm,
            codes=ConfirmationCodes(settings.confirmation_dir),
            is_local=settings.is_local,
            key_directory=settings.platform_dir / "keys",
            result_budget_bytes=settings.result_budget_bytes,
        )


def workspace(invocation: Invocation) -> Workspace:
    """What of this machine the tools may read for the one who launched this process."""
    return Workspace(
        allowed=invocation.settings.deploy_roots,
        working_directory=Path.cwd(),
        home=Path.home(),
        variables=invocation.environ,
    )


def target_resolver(invocation: Invocation) -> Locate:
    """Where calls go: known at once, or found by starting the local platform when first needed."""
    settings = invocation.settings
    if settings.is_local:
        return lambda: to_thread.run_sync(partial(_start_platform, invocation))
    if settings.unfilled and not (settings.api_key or settings.access_token):
        return partial(_refuse_unfilled, settings.unfilled)
    credentials = Credentials(api_key=settings.api_key, access_token=settings.access_token)
    return known_target(ApiTarget(base_url=settings.api_url or CLOUD_URL, credentials=credentials))


async def _refuse_unfilled(variable: str) -> ApiTarget:
    raise KeyUnfilledError(variable)


def _start_platform(invocation: Invocation) -> ApiTarget:
    if sys.platform != "linux":
        raise NoPlatformHereError(sys.platform)
    # Only a session that calls a tool of the local platform needs it.
    from createos_mcp.cli import local  # noqa: PLC0415

    return local.locate_platform(invocation)
